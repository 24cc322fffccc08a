#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that kills connections: between the service and its vendor, plain HTTP/1.1.

It reads whole requests and whole answers, so that it can say where it cut, and draws for each request
one of the cuts below. Chances come from --cut NAME=CHANCE, the draws from --seed. The first line on
standard output is {"event":"ready","port":...}; SIGTERM ends it, with a last line that counts the cuts.
--log FILE gets a line for each request that was cut and carries a traceparent: "trace-id cut"; "closing" says
that it came on a connection that was just being closed. "unreachable" counts, by error, connections to the vendor
that could not be made: those kill what waits for them, too, and nobody has drawn that.
"""
import argparse
import asyncio
import collections
import json
import random
import signal
import socket
import struct
import sys

# What happens to a request, by name. Every kill is a FIN or a RST, by the toss of a coin.
CUTS = {
    "before": "killed when the request came; the vendor gets none of it",
    "mid_request": "a part of the request goes on, then both sides are killed",
    "after_request": "the request goes on whole and the service's side is killed at once",
    "before_answer": "killed when the answer came, with none of it handed on",
    "mid_answer": "a part of the answer is handed on, then killed",
    "stall": "the answer is kept back and the connection left open",
    "idle": "closed 0 to IDLE_MAX_S after the answer, or after the answer that is then under way; a request that "
            "was on its way meanwhile is reset unseen by the vendor",
}
IDLE_MAX_S = 5.0
LINGER_S = 1.0
BACKLOG = 1024


def _message_bytes(data):
    """Length of the first message in data; 0 when it is not complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    total = end + 4
    for line in bytes(data[:end]).split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            total += int(line[15:])
    return total if len(data) >= total else 0


def _trace_id(head):
    at = head.lower().find(b"traceparent: 00-")
    return bytes(head[at + 16:at + 48]).decode() if at >= 0 else None


class Side(asyncio.Protocol):
    """One of the two connections of a pair. Bytes are collected until a message is complete."""

    def __init__(self, pair, on_message):
        self.pair = pair
        self.on_message = on_message
        self.transport = None
        self.data = bytearray()

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.data += data
        while size := _message_bytes(self.data):
            message = bytes(self.data[:size])
            del self.data[:size]
            self.on_message(message)

    def connection_lost(self, _):
        self.pair.side_lost(self)

    def kill(self, reset):
        if self.transport is None or self.transport.is_closing():
            return
        if reset:
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


class Pair:
    """The service's connection and the one to the vendor that belongs to it."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.front = Side(self, self.request)
        self.back = Side(self, self.answer)
        self.waiting = []
        self.cut = None
        self.busy = False
        self.ended = False
        self.ending = False
        self.idle_timer = None

    async def connect(self):
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.back, *self.proxy.vendor)
        except OSError as error:
            self.proxy.unreachable[error.strerror or str(error)] += 1
            self.kill()
            return
        if self.front.transport.is_closing() and self.cut != "after_request":
            self.back.kill(reset=False)  # cut before there was anything to kill
            return
        for message in self.waiting:
            self.back.transport.write(message)
        self.waiting.clear()

    def request(self, message):
        if self.ending:
            self.proxy.note(_trace_id(message), "closing")
            self.kill()
            return
        self.busy = True
        self.cut = self.proxy.draw(_trace_id(message))
        if self.cut == "before":
            self.kill()
        elif self.cut == "mid_request":
            self._forward(message[:self.proxy.random.randrange(1, len(message))])
            self.kill()
        else:
            self._forward(message)
            if self.cut == "after_request":
                self.front.kill(self.proxy.coin())  # the vendor's side stays until it has answered

    def _forward(self, message):
        if self.back.transport is None:
            self.waiting.append(message)
        else:
            self.back.transport.write(message)

    def answer(self, message):
        if self.cut in ("before_answer", "after_request"):
            self.kill()
        elif self.cut == "mid_answer":
            self.front.transport.write(message[:self.proxy.random.randrange(1, len(message))])
            self.kill()
        elif self.cut != "stall":
            self.front.transport.write(message)
            self.busy = False
            if self.ended:
                self.end()
            elif self.cut == "idle" and not self.idle_timer:
                delay_s = self.proxy.random.uniform(0, IDLE_MAX_S)
                self.idle_timer = asyncio.get_running_loop().call_later(delay_s, self.end)

    def end(self):
        """As a server ends a connection that it keeps no longer: never in the middle of an exchange."""
        self.ended = True
        if self.busy or self.front.transport.is_closing():
            return
        self.ending = True
        self.front.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, self.kill)

    def kill(self):
        for side in (self.front, self.back):
            side.kill(self.proxy.coin())

    def side_lost(self, side):
        """An end that was not ours is passed on; what the vendor is still about is seen through."""
        if side is self.front and self.cut == "after_request":
            return
        if self.idle_timer:
            self.idle_timer.cancel()
        other = self.back if side is self.front else self.front
        other.kill(reset=False)


class Proxy:
    def __init__(self, options):
        host, _, port = options.to.rpartition(":")
        self.vendor = (host, int(port))
        self.random = random.Random(options.seed)
        self.chances = dict(options.cut)
        self.counts = dict.fromkeys(self.chances, 0)
        self.requests = 0
        self.unreachable = collections.Counter()
        self.tasks = set()
        self.log = open(options.log, "w", encoding="ascii", buffering=1) if options.log else None

    def coin(self):
        return self.random.random() < 0.5

    def draw(self, trace_id):
        self.requests += 1
        at = self.random.random()
        for name, chance in self.chances.items():
            at -= chance
            if at < 0:
                self.counts[name] += 1
                if name != "idle":
                    self.note(trace_id, name)
                return name
        return None

    def note(self, trace_id, what):
        if self.log and trace_id:
            self.log.write(f"{trace_id} {what}\n")

    def accept(self):
        pair = Pair(self)
        task = asyncio.get_running_loop().create_task(pair.connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return pair.front


def _chance(text):
    name, _, chance = text.partition("=")
    if name not in CUTS:
        raise argparse.ArgumentTypeError(f"no such cut: {name}")
    return name, float(chance)


async def _serve(options):
    proxy = Proxy(options)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, lambda: ended.done() or ended.set_result(None))
    server = await loop.create_server(proxy.accept, "127.0.0.1", 0, backlog=BACKLOG)
    print(json.dumps({"event": "ready", "port": server.sockets[0].getsockname()[1]}), flush=True)
    await ended
    server.close()
    print(json.dumps({"event": "counts", "requests": proxy.requests, "cuts": proxy.counts,
                      "unreachable": proxy.unreachable}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, help="HOST:PORT of the vendor")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cut", type=_chance, action="append", default=[], metavar="NAME=CHANCE",
                        help="; ".join(f"{name}: {what}" for name, what in CUTS.items()))
    parser.add_argument("--log")
    asyncio.run(_serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
