#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""5,000 clients that send or read as slowly as they can, in thirds: a header, a body, and answers that nobody reads.

They drip a byte every second, beside honest requests at a steady rate to a vendor that
takes 20 ms. All are to be cut within the deadline that
they run against and a second, weigh little, and the honest ones are to notice nothing.
"""
import random
import selectors
import socket
import sys
import threading
import time

from common import Load, Verdict, at_most, exactly, get, main, post, resident_bytes, running, say, tail_of, wait_until
from harness.emulator import Emulator
from harness.service import Service

CLIENTS, CLIENTS_QUICK = 5000, 600
HEADER_TIMEOUT_S, BODY_TIMEOUT_S = 5, 10
GRACE_S = 1.0
OPENED_PER_S = 2500
HONEST_PER_S = 100
DELAY_MS = 20
DRIP_EVERY_S = 1.0
LOOK_EVERY_S = 0.2
TCP_CLOSE = 7  # of linux/tcp_states.h: here, the server reset it
KIB_EACH = 16

HONEST = post("/v1/biometrics/start", {"user_id": "user-{n}"})
HEADER = b"POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nX-Slow: "
BODY = HEADER[:-8] + b"Content-Type: application/json\r\nContent-Length: 30000\r\n\r\n{"
READER = get("/openapi.yaml") * 64  # more than the kernel takes off our hands
DEADLINES_S = {"header": HEADER_TIMEOUT_S, "body": BODY_TIMEOUT_S, "reader": BODY_TIMEOUT_S}
FIRST_BYTES = {"header": HEADER, "body": BODY, "reader": READER}


class Slow:
    def __init__(self, kind, port):
        self.kind = kind
        self.socket = socket.socket()
        if kind == "reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        self.began_s = None  # first byte sent
        self.ended_s = None
        self.status = b""

    def drip(self):
        """False: the server has ended it."""
        try:
            if self.began_s is None:
                self.socket.send(FIRST_BYTES[self.kind])
                self.began_s = time.monotonic()
            elif self.kind != "reader":
                self.socket.send(b"a")
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


class Crowd(threading.Thread):
    """Opens them, drips, and notes when each was ended. Of readers that is seen by TCP alone."""

    def __init__(self, clients, port, seed):
        super().__init__(daemon=True)
        kinds = [kind for kind in DEADLINES_S for _ in range(clients // 3)]
        random.Random(seed).shuffle(kinds)
        self.waiting = kinds
        self.port = port
        self.slow = []
        self.selector = selectors.DefaultSelector()

    def run(self):
        began_s = time.monotonic()
        next_drip_s = next_look_s = began_s + DRIP_EVERY_S
        while self.waiting or any(one.ended_s is None for one in self.slow):
            now_s = time.monotonic()
            while self.waiting and len(self.slow) < (now_s - began_s) * OPENED_PER_S:
                self._open(self.waiting.pop())
            for key, _ in self.selector.select(0.01):
                self._look(key.data)
            if now_s >= next_look_s:
                next_look_s = now_s + LOOK_EVERY_S
                self.end_readers()
            if now_s >= next_drip_s:
                next_drip_s += DRIP_EVERY_S
                for one in self.slow:
                    if one.ended_s is None and not one.drip():
                        self._end(one)
            if now_s - began_s > 60:
                return

    def _open(self, kind):
        one = Slow(kind, self.port)
        self.slow.append(one)
        self.selector.register(one.socket, selectors.EVENT_WRITE, one)

    def _look(self, one):
        if one.began_s is None:
            if not one.drip():
                self._end(one)
            elif one.kind == "reader":
                self.selector.unregister(one.socket)  # it never reads; TCP tells of the end
            else:
                self.selector.modify(one.socket, selectors.EVENT_READ, one)
            return
        try:
            got = one.socket.recv(4096)
        except OSError:
            got = b""
        one.status = one.status or got[9:12]
        if not got:
            self._end(one)

    def _end(self, one):
        one.ended_s = time.monotonic()
        if one.kind != "reader" or one.began_s is None:
            self.selector.unregister(one.socket)
        one.socket.close()

    def end_readers(self):
        """A reader learns of its end by a reset: its socket says so without reading."""
        for one in self.slow:
            if one.kind == "reader" and one.ended_s is None and is_reset(one.socket):
                one.ended_s = time.monotonic()
                one.socket.close()


def is_reset(sock):
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] == TCP_CLOSE


def run(options):
    clients = CLIENTS_QUICK if options.quick else CLIENTS
    with running() as things:
        emulator = Emulator(options.directory, tls=False)
        things.append(emulator)
        emulator.fault("start", delay_ms=DELAY_MS, next=10_000_000)
        service = Service(options.directory, emulator, {
            "BFF_UPSTREAM_MAX_PER_SECOND": 0, "BFF_RATE_PER_USER": 0, "BFF_HEADER_TIMEOUT_MS": HEADER_TIMEOUT_S * 1000,
            "BFF_BODY_TIMEOUT_MS": BODY_TIMEOUT_S * 1000})
        things.append(service)
        yield from judge(options, service, clients)


def honest(options, service, seconds):
    return Load(options.directory, service, HONEST, 200, rate=HONEST_PER_S, seconds=seconds)


def judge(options, service, clients):
    honest(options, service, 2).wait()
    unloaded = honest(options, service, 3 if options.quick else 10).wait()
    say(f"honest alone: {unloaded}")
    before_bytes = resident_bytes(service.pid)
    crowd = Crowd(clients, service.address("public")[1], seed=1)
    load = honest(options, service, 3 if options.quick else 12)
    crowd.start()
    wait_until(lambda: not crowd.waiting, "all slow clients")
    wait_until(lambda: all(one.began_s for one in list(crowd.slow)), "their first bytes")
    open_count = service.metric("bff_connections", listener="public")
    each_kib = (resident_bytes(service.pid) - before_bytes) / max(open_count, 1) / 1024
    say(f"{open_count:.0f} connections open, {each_kib:.1f} KiB each")
    beside = load.wait()
    say(f"honest beside {clients} slow ones: {beside}")
    crowd.join()

    yield exactly("honest requests that failed", beside.document["requests"] - beside.count(200), 0)
    tail = tail_of(options)
    yield at_most(f"honest {tail} over that of the unloaded", beside.ms(200, tail) / unloaded.ms(200, tail), 2)
    for kind, deadline_s in DEADLINES_S.items():
        took_s = [one.ended_s - one.began_s for one in crowd.slow if one.kind == kind and one.ended_s]
        count = sum(one.kind == kind for one in crowd.slow)
        yield Verdict(f"slow clients ({kind}) cut within {deadline_s + GRACE_S:g} s",
                      f"{len(took_s)} of {count}, the last after {max(took_s, default=0):.2f} s",
                      len(took_s) == count and max(took_s) <= deadline_s + GRACE_S)
    yield at_most("resident memory of a slow connection", each_kib, KIB_EACH, " KiB")
    yield exactly("connections left", service.metric("bff_connections", listener="public"), 0)


if __name__ == "__main__":
    sys.exit(main("slowloris", __doc__, run))
