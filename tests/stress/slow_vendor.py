#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A vendor that answers every start after --delay-s, for as many at once as descriptors allow: one thread, a
timer for each. Plain HTTP/1.1; token and keys come at once. The first line on standard output is
{"event":"ready","port":...}; SIGTERM ends it."""
import argparse
import asyncio
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from harness import jose  # noqa: E402

BACKLOG = 4096
CHALLENGE = "c2xvdy12ZW5kb3ItY2hhbGxlbmdl"


def _answer(document):
    body = json.dumps(document).encode()
    return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


ANSWERS = {
    b"/oidc/token": _answer({"access_token": "slow-token", "token_type": "Bearer", "expires_in": 3600}),
    b"/cis/oidc/jwks": _answer(jose.jwks(jose.SigningKey("slow-key-1"))),
    b"/cis/v1/auth/mobile-biometrics/start": _answer({"challenge": CHALLENGE}),
}
START = b"/cis/v1/auth/mobile-biometrics/start"


class Connection(asyncio.Protocol):
    def __init__(self, delay_s):
        self.delay_s = delay_s
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.data[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.data) < end + 4 + length:
            return
        path = self.data.split(b" ", 2)[1]
        self.data = b""
        delay_s = self.delay_s if path == START else 0
        asyncio.get_running_loop().call_later(delay_s, self.transport.write, ANSWERS[path])


async def _serve(delay_s):
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, lambda: ended.done() or ended.set_result(None))
    server = await loop.create_server(lambda: Connection(delay_s), "127.0.0.1", 0, backlog=BACKLOG)
    print(json.dumps({"event": "ready", "port": server.sockets[0].getsockname()[1]}), flush=True)
    await ended
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay-s", type=float, required=True)
    asyncio.run(_serve(parser.parse_args().delay_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
