# SPDX-License-Identifier: Apache-2.0
"""The generator of load (tests/stress/load.c) tells the truth: about servers that stand still above all."""
import csv
import json
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness.paths import BUILD

LOAD = BUILD / "tests" / "stress" / "load"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PROBLEM = b'{"title":"x","code":"overloaded"}'
SHED = b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%s" % (len(PROBLEM), PROBLEM)
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """answer(number, connection): for the n-th request, from 0; bytes, or None to hang up, or an exception."""

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        self.accepted = 0
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
                while len(data) < length:
                    data += connection.recv(65536)
                with self.lock:
                    number = len(self.seen)
                    self.seen.append((head.split(b"\r\n")[0].decode(), data[:length].decode()))
                data = data[length:]
                reply = self.answer(number, connection)
                if reply is None:
                    return
                connection.sendall(reply)

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def load(tmp_path, keep):
    """load(answer, requests, option=value ...) -> (report, server, samples)"""

    def run(answer, requests=b"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n", port=None, **options):
        server = keep(Server(answer)) if port is None else None
        (tmp_path / "requests").write_bytes(requests)
        argv = [LOAD, "--port", port or server.port, "--requests", tmp_path / "requests",
                "--samples", tmp_path / "samples"]
        for name, value in {"connections": 1, **options}.items():
            argv += ["--" + name.replace("_", "-"), value]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        with open(tmp_path / "samples", encoding="utf-8") as lines:
            samples = list(csv.reader(lines))
        return json.loads(done.stdout), server, samples

    return run


def test_every_request_that_was_due_while_the_server_stood_still_is_charged(load):
    """One pause of 400 ms at 100 requests a second: some 40 of 100 requests were late, one by all of it."""
    report, _, samples = load(lambda number, _: time.sleep(0.4 if number == 20 else 0) or OK,
                              rate=100, count=100)
    late = [row for row in samples if int(row[1]) > 50_000]
    assert report["requests"] == report["status"]["200"]["count"] == 100
    assert len(late) >= 30
    assert report["status"]["200"]["p99_ms"] >= 350
    assert report["status"]["200"]["p50_ms"] < report["status"]["200"]["p90_ms"]


def test_without_a_rate_each_connection_waits_for_its_answer(load):
    report, server, _ = load(lambda *_: time.sleep(0.02) or OK, connections=4, count=40)
    assert report["status"]["200"]["count"] == 40 and report["connections_opened"] == server.accepted == 4
    assert report["status"]["200"]["p50_ms"] >= 20
    assert report["seconds"] >= 10 * 0.02


def test_answers_are_counted_by_status_and_by_code(load):
    report, _, samples = load(lambda number, _: SHED if number % 4 == 3 else OK, count=20)
    assert {status: row["count"] for status, row in report["status"].items()} == {"200": 15, "503": 5}
    assert report["codes"] == {"overloaded": 5} and report["failed"] == {}
    assert sum(row[2:] == ["503", "overloaded"] for row in samples) == 5


def test_each_request_has_a_number_of_its_own_and_files_may_hold_several(load):
    body = b'{"user_id":"{n}"}'
    post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body) + 7, body)
    _, server, _ = load(lambda *_: OK, requests=post + b"GET /g/{n} HTTP/1.1\r\nHost: a\r\n\r\n", count=4, first=7)
    assert server.seen == [("GET /g/0000000007 HTTP/1.1", ""), ("POST /p HTTP/1.1", '{"user_id":"0000000008"}'),
                           ("GET /g/0000000009 HTTP/1.1", ""), ("POST /p HTTP/1.1", '{"user_id":"0000000010"}')]


def test_a_connection_that_the_server_gives_up_is_no_failure(load):
    report, server, _ = load(lambda number, _: LAST if number % 2 else OK, count=10)
    assert report["status"]["200"]["count"] == 10 and report["failed"] == {}
    assert server.accepted == 5


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("kind, answer", [
    ("closed", lambda number, _: None),
    ("closed", lambda number, connection: connection.sendall(OK[:-1])),
    ("reset", lambda number, connection: reset(connection)),
    ("malformed", lambda *_: b"nonsense\r\n\r\n"),
    ("timeout", lambda *_: time.sleep(0.5)),
], ids=["nothing", "half", "reset", "nonsense", "silence"])
def test_a_request_without_a_whole_answer_is_counted_by_what_happened(load, kind, answer):
    """Beside it a control: every second request is answered."""
    report, _, _ = load(lambda number, connection: OK if number % 2 else answer(number, connection),
                        count=6, timeout_ms=300)
    assert report["failed"] == {kind: 3}
    assert report["status"]["200"]["count"] == 3


def test_a_server_that_does_not_listen_and_requests_that_found_no_connection(load):
    unused = socket.create_server(("127.0.0.1", 0))
    port = unused.getsockname()[1]
    unused.close()
    assert load(None, port=port, count=3)[0]["failed"] == {"refused": 3}

    report, _, _ = load(lambda *_: time.sleep(2), rate=100, seconds=0.1, timeout_ms=200)
    assert report["requests"] == 10
    assert report["failed"]["timeout"] >= 1 and report["failed"]["unsent"] >= 1
