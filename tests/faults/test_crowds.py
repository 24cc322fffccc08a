# SPDX-License-Identifier: Apache-2.0
"""Thousands of requests in flight at a vendor that takes its time."""
import json
import pathlib
import re
import selectors
import socket
import sys
import time
from statistics import median

from faults.marks import row
from harness import descriptors
from harness.device import unique
from harness.paths import PATIENCE, ROOT, SANITIZER
from harness.process import Process
from harness.waiting import until

# Of resident memory, with the kernel's part left out: what ./dev inflight measured is a third of it.
KIB_EACH_MAX = 64
REJECTS = 300
# A refusal, where the vendor takes seconds: of three hundred the one in the middle, for another program may have the
# processor now and then. The overload run judges the slowest, on a machine of its own.
REJECT_MAX_S = 0.05
DESCRIPTORS_BESIDE = 2000


class SlowVendor(Process):
    def __init__(self, directory, delay_s):
        super().__init__([sys.executable, ROOT / "tests" / "stress" / "slow_vendor.py", "--delay-s", delay_s], directory,
                         name="slow-vendor")
        port = self.wait_record(lambda record: record.get("event") == "ready", "event ready")["port"]
        self.url = f"http://127.0.0.1:{port}"

    def config(self):
        return {"BFF_UPSTREAM_URL": self.url, "BFF_ALLOW_INSECURE_UPSTREAM": "true", "BFF_ISSUERS": "https://slow.example",
                "BFF_CLIENT_ID": "slow", "BFF_CLIENT_SECRET": "slow-secret"}


class Crowd:
    """So many starts at once, a connection each, read together."""

    def __init__(self, address, count):
        self.selector = selectors.EpollSelector()
        self.statuses = []
        self.took_s = []
        for _ in range(count):
            body = json.dumps({"user_id": unique("user")})
            s = socket.create_connection(address, timeout=10 * PATIENCE)
            s.sendall(("POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, time.monotonic())
        self.waiting = count

    def read(self, deadline_s):
        """Until every request is answered: an answer comes in one piece, for it is small."""
        end = time.monotonic() + deadline_s * PATIENCE
        while self.waiting and time.monotonic() < end:
            for key, _ in self.selector.select(timeout=1):
                piece = key.fileobj.recv(4096)
                self.statuses.append(int(piece[9:12]) if piece else 0)
                self.took_s.append(time.monotonic() - key.data)
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.waiting -= 1

    def stop(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M).group(1))


def timed(call, count):
    """(answers, seconds each)"""
    answers, took_s = [], []
    for _ in range(count):
        began_s = time.perf_counter()
        answers.append(call())
        took_s.append(time.perf_counter() - began_s)
    return answers, took_s


@row("FU26")
def test_a_slow_vendor_fills_the_limit_and_the_rest_is_refused_at_once(bff, keep, tmp_path, long, record):
    # All must have come, and the refusals, before the first is answered.
    count, delay_s = (10_000, 10) if long else (1_000, 5)
    # Those beyond the connections to the vendor wait for one: a second wave.
    to_vendor = min(count, descriptors.most() - count - DESCRIPTORS_BESIDE)
    vendor = keep(SlowVendor(tmp_path, delay_s))
    service = bff(vendor, BFF_MAX_IN_FLIGHT=count, BFF_MAX_CONNECTIONS=count + 500, BFF_RATE_PER_USER="0",
                  BFF_UPSTREAM_MAX_CONNECTIONS=to_vendor, BFF_UPSTREAM_MAX_PER_SECOND="0", BFF_REQUEST_TIMEOUT_MS=60000)
    beside = service.client(keep_alive=True)
    assert beside.get("/healthz").status == 200
    idle_kib = resident_kib(service.pid)

    crowd = keep(Crowd(service.address("public"), count))
    service.wait_metric(count + 1, "http_server_active_requests")  # the scrape is one

    def one_too_many():
        answer = beside.post("/v1/biometrics/start", {"user_id": "one-too-many"})
        # Each that is let in, for the crowd has left already, would take as long as the vendor does.
        assert (answer.status, answer.code) == (503, "overloaded"), answer
        assert int(answer.headers["Retry-After"]) >= 1
        return answer

    reject_s = median(timed(one_too_many, REJECTS)[1])
    peak_kib = resident_kib(service.pid)
    assert service.management().get("/livez").status == 200
    assert service.management().get("/readyz").status == 200

    crowd.read(60)
    assert crowd.waiting == 0
    assert set(crowd.statuses) == {200}
    each_kib = (peak_kib - idle_kib) / count
    record(f"{count} in flight for {delay_s} s: {each_kib:.0f} KiB each, a refusal in {1000 * reject_s:.1f} ms (p50)")
    assert reject_s < REJECT_MAX_S
    if SANITIZER == "none":
        assert each_kib < KIB_EACH_MAX
    assert beside.post("/v1/biometrics/start", {"user_id": "now-there-is-room"}).status == 200
    until(lambda: service.metric("http_server_active_requests") == 1, "only the scrape is active")
    beside.close()


@row("FU26")
def test_below_the_limit_a_crowd_at_a_slow_vendor_slows_nobody_else(bff, keep, tmp_path, record):
    vendor = keep(SlowVendor(tmp_path, 2))
    service = bff(vendor, BFF_RATE_PER_USER="0", BFF_UPSTREAM_MAX_CONNECTIONS=1000, BFF_UPSTREAM_MAX_PER_SECOND="0")
    beside = service.client(keep_alive=True)
    # Refused by our own check of the token, so that the vendor has no part in it.
    ask = lambda: beside.get("/v1/session", token="no-token")  # noqa: E731
    timed(ask, REJECTS)
    _, calm_s = timed(ask, REJECTS)
    crowd = keep(Crowd(service.address("public"), 1000))
    service.wait_metric(1001, "http_server_active_requests")
    answers, crowded_s = timed(ask, REJECTS)
    assert {answer.status for answer in answers} == {401}
    crowd.read(60)
    assert set(crowd.statuses) == {200}
    medians = [median(values) for values in (calm_s, crowded_s)]
    record(f"p50 of others {1000 * medians[0]:.2f} ms alone, {1000 * medians[1]:.2f} ms beside 1,000 in flight")
    assert medians[1] < 3 * medians[0]
    beside.close()
