# SPDX-License-Identifier: Apache-2.0
"""The machine gives less than is asked for: memory, processor, descriptors, room for the log."""
import contextlib
import json
import os
import resource
import socket
import subprocess
import time

import pytest

from faults.marks import row
from harness.cgroup import Cgroup, Unavailable
from harness.paths import SANITIZER, SERVICE
from harness.waiting import until
from stress.common import Load, cpu_seconds, get, post

MIB = 1 << 20
START = post("/v1/biometrics/start", {"user_id": "user-{n}"})
UNLIMITED = {"BFF_RATE_PER_USER": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0"}


def padded_start(size):
    """A start with so large a body: JSON may be full of blanks."""
    body = b'{"user_id":"user-{n}"' + b" " * (size - 30) + b"}"
    return (b"POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (len(body) + 7) + body)


@pytest.fixture
def cgroup(keep):
    """cgroup(controller, limit); skips where the machine lets nobody make one."""

    def make(controller, limit):
        try:
            return keep(Cgroup(controller, limit))
        except Unavailable as reason:
            pytest.skip(str(reason))

    return make


# ---- memory


@row("FP05")
@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's own memory is beyond any limit of ours")
@pytest.mark.parametrize("mib", [64, 96, 128])
def test_at_its_most_the_service_sheds_and_stays_below_the_limit_of_its_cgroup(
        mib, cgroup, start_emulator, bff, tmp_path, keep, long, record):
    """As many connections as it takes, each with a header that almost fills its memory, and beside them as
    many requests as it takes, each with the largest body, at a vendor that lets them wait."""
    group = cgroup("memory", mib * MIB)
    emulator = start_emulator(tls=False)
    emulator.fault("start", delay_ms=1000, next=1_000_000)
    service = bff(emulator, wrap=group.wrap, BFF_HEADER_TIMEOUT_MS=60000, BFF_UPSTREAM_MAX_CONNECTIONS=2000,
                  **UNLIMITED)
    note = next(line["config.note"] for line in service.events("config.note") if "memory limit" in line["config.note"])
    assert f"for the memory limit of {mib * MIB} bytes" in note and "BFF_MAX_CONNECTIONS from 10000 to " in note
    most = int(note.partition("BFF_MAX_CONNECTIONS from 10000 to ")[2].partition(",")[0])

    with open_slowly(service, most * 3 // 4, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 16000):
        load = keep(Load(tmp_path, service, padded_start(32000), most, rate=400, seconds=10 if long else 3,
                         timeout_ms=15000))
        report = load.wait()
    assert group.kills() == 0 and service.child.poll() is None
    assert group.peak_bytes() < mib * MIB
    assert report.count(200) > 0 and report.count(503) > 0
    assert report.count(200) + report.count(503) + report.failed == report.document["requests"]
    until(lambda: service.client().get("/healthz").status == 200, "good answers again")
    record(f"{mib} MiB: {group.peak_bytes() / MIB:.0f} MiB at most, {report.count(200)} served, {report.count(503)} shed")


@contextlib.contextmanager
def open_slowly(service, count, first_bytes):
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection(service.address("public")))
            sockets[-1].sendall(first_bytes)
        until(lambda: service.metric("bff_connections", listener="public") >= count, f"{count} connections")
        yield
    finally:
        for one in sockets:
            one.close()


@row("FP05")
def test_a_limit_that_leaves_no_room_is_refused_at_start(tmp_path, emulator):
    env = {**emulator.config(), "BFF_LISTEN": "127.0.0.1:0", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0",
           "BFF_MEMORY_MAX_BYTES": str(4 * MIB)}
    done = subprocess.run([SERVICE, "check"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "BFF_MEMORY_MAX_BYTES" in done.stdout + done.stderr and "give at least" in done.stdout + done.stderr
