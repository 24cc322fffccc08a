# SPDX-License-Identifier: Apache-2.0
"""The machine gives less than is asked for: memory, processor, descriptors, room for the log."""
import contextlib
import errno
import http.client
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from faults.marks import row
from harness.cgroup import Cgroup, Unavailable
from harness.listening import free_port
from harness.paths import ROOT, SANITIZER, SERVICE
from harness.waiting import until
from stress.common import Load, cpu_seconds, get, post

sys.path.append(str(ROOT / "tests" / "torture"))

import control as torture  # noqa: E402

# A sanitizer's runtime must be the first library, so nothing can be preloaded then.
preloads = pytest.mark.skipif(SANITIZER != "none", reason="nothing can be preloaded into a sanitizer's build")

MIB = 1 << 20
START = post("/v1/biometrics/start", {"user_id": "user-{n}"})
UNLIMITED = {"BFF_RATE_PER_USER": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0"}

SLOW_HEADER = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 16000


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
    """As many connections as it takes, one half with a header that almost fills its memory, the other with all of
    the largest body but its end, and beside them as many requests as it takes, at a vendor that lets them wait."""
    group = cgroup("memory", mib * MIB)
    emulator = start_emulator(tls=False)
    emulator.fault("start", delay_ms=1000, next=1_000_000)
    service = bff(emulator, wrap=group.wrap, BFF_HEADER_TIMEOUT_MS=60000, BFF_BODY_TIMEOUT_MS=60000,
                  BFF_UPSTREAM_MAX_CONNECTIONS=2000,
                  **UNLIMITED)
    note = next(line["bff.config_note"] for line in service.events("config.note") if "memory limit" in line["bff.config_note"])
    assert f"for the memory limit of {mib * MIB} bytes" in note and "BFF_MAX_CONNECTIONS from 10000 to " in note
    most = int(note.partition("BFF_MAX_CONNECTIONS from 10000 to ")[2].partition(",")[0])

    with open_slowly(service, most * 3 // 4, [SLOW_HEADER, padded_start(32000)[:-1]]):
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
def open_slowly(service, count, beginnings):
    """So many connections with one of the beginnings each, in turn, and never an end."""
    sockets = []
    try:
        for number in range(count):
            sockets.append(socket.create_connection(service.address("public")))
            sockets[-1].sendall(beginnings[number % len(beginnings)])
        until(lambda: service.metric("bff_connections", listener="public") >= count, f"{count} connections")
        yield
    finally:
        for one in sockets:
            one.close()


def test_a_limit_that_leaves_no_room_is_refused_at_start(tmp_path, emulator):
    env = {**emulator.config(), "BFF_LISTEN": "127.0.0.1:0", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0",
           "BFF_MEMORY_MAX_BYTES": str(4 * MIB)}
    done = subprocess.run([SERVICE, "check"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "BFF_MEMORY_MAX_BYTES" in done.stdout + done.stderr and "give at least" in done.stdout + done.stderr


# ---- descriptors


def descriptor_limit(pid, soft):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


@row("FP04")
def test_without_descriptors_accepting_pauses_without_spinning_and_goes_on_within_a_second(bff, emulator, record):
    """The limit falls below what is open, as when the rest of a machine takes all there is (EMFILE and ENFILE go
    the same way through the code)."""
    service = bff(emulator)
    kept = http.client.HTTPConnection(*service.address("public"))
    assert ask(kept) == 200
    before = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)[0]
    descriptor_limit(service.pid, len(os.listdir(f"/proc/{service.pid}/fd")))
    waiting = [socket.create_connection(service.address("public")) for _ in range(40)]
    try:
        until(lambda: any(readable(one) for one in waiting), "one of them was told")
        began_cpu_s, began_s = cpu_seconds(service.pid), time.monotonic()
        assert ask(kept) == 200
        time.sleep(1)  # the time over which spinning would show
        share = (cpu_seconds(service.pid) - began_cpu_s) / (time.monotonic() - began_s)
        assert share < 0.05 * (1 if SANITIZER == "none" else 10)
    finally:
        descriptor_limit(service.pid, before)
        began_s = time.monotonic()
        for one in waiting:
            one.close()
    until(lambda: service.client().get("/healthz").status == 200, "an answer on a new connection")
    took_s = time.monotonic() - began_s
    assert took_s < 1
    assert service.metric("bff_shed_total", reason="descriptors") >= 1
    record(f"{100 * share:.1f} % of a processor meanwhile, {1000 * took_s:.0f} ms after the relief")


def ask(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def readable(sock):
    sock.setblocking(False)
    try:
        return sock.recv(12).startswith(b"HTTP/1.1 503")
    except BlockingIOError:
        return False
    finally:
        sock.setblocking(True)


@row("FP04")
def test_connections_that_were_reset_in_the_backlog_change_nothing(bff, emulator):
    service = bff(emulator)
    for _ in range(200):
        one = socket.create_connection(service.address("public"))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()
    assert service.client().get("/healthz").status == 200
    until(lambda: service.metric("bff_connections", listener="public") == 0, "nothing left of them")


@row("FP04", lag_excepted="its system calls fail")
@preloads
@pytest.mark.parametrize("error, told", [
    ("EINTR", (200,)), ("ECONNABORTED", (200,)), ("EPROTO", (200,)),
    ("EMFILE", (503,)), ("ENFILE", (503,)), ("ENOBUFS", (503,)), ("ENOMEM", (503,))])
def test_a_client_who_could_not_be_accepted_is_served_or_told_and_the_next_one_is_served(
        error, told, bff, emulator, tmp_path):
    """With nothing to spare for him he is told so by the descriptor that is kept for that. Where that fails, too, he
    stays in the backlog until there is room."""
    control = torture.Control(tmp_path)
    service = bff(emulator, BFF_WORKERS=1, **control.environment)
    for mode, expected in ((torture.ONE, told), (torture.FROM, (200, 503))):
        control.fail_calls(mode, "accept4", getattr(errno, error), 1)
        assert status_of_a_client(service, control) in expected
        assert status_of_a_client(service) == 200


def status_of_a_client(service, control=None):
    """control: relieved as soon as something failed."""
    with socket.create_connection(service.address("public"), timeout=20) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: bff\r\nConnection: close\r\n\r\n")
        if control:
            until(lambda: control.shared.calls.failed > 0, "accepting failed")
            control.relieve()
        return int(one.recv(12).split()[1])


@row("FP04", lag_excepted="its system calls fail")
@preloads
@pytest.mark.parametrize("call", ["epoll_wait", "read", "recv", "send", "write", "poll", "close"])
def test_interrupted_calls_change_nothing(call, bff, emulator, tmp_path, record):
    """At whichever place of a request: the answer is the same."""
    control = torture.Control(tmp_path)
    service = bff(emulator, BFF_WORKERS=1, **UNLIMITED, **control.environment)
    user = emulator.make_user()["user_id"]
    interrupted = 0
    for place in range(1, 5):
        control.fail_calls(torture.ONE, call, errno.EINTR, place, "worker")
        answer = service.client().post("/v1/biometrics/start", {"user_id": user})
        control.relieve()
        assert answer.status == 200, f"{call} {place}: {answer}"
        interrupted += control.shared.calls.failed
    record(f"{call}: interrupted {interrupted} times")


# ---- the log


class Quiet:
    """A service whose log goes where the test says; asked by its ports alone, which it says in the log alone."""

    def __init__(self, emulator, directory, stdout):
        self.ports = [free_port(), free_port()]
        env = {**emulator.config(), "BFF_LISTEN": f"127.0.0.1:{self.ports[0]}", "BFF_LOG_FORMAT": "json",
               "BFF_MANAGEMENT_LISTEN": f"127.0.0.1:{self.ports[1]}", "BFF_DRAIN_DELAY_S": "0", "BFF_WORKERS": "2",
               **UNLIMITED}
        self.child = subprocess.Popen([SERVICE], env=env, stdin=subprocess.DEVNULL, stdout=stdout, cwd=directory)
        self.pid = self.child.pid
        until(lambda: answers(self.ports[1], "/readyz") == 200, "a service that is ready")

    def address(self, listener):
        return "127.0.0.1", self.ports[listener == "management"]

    def metric(self, name):
        return sum(float(line.split()[1]) for line in text_of(self.ports[1], "/metrics").splitlines()
                   if line.split(" ")[0].split("{")[0] == name)

    def stop(self):
        self.child.terminate()
        assert self.child.wait(20) == 0


def text_of(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def answers(port, path):
    try:
        text_of(port, path)
        return 200
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def full_disk(_):
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe(keep):
    reads, writes = os.pipe()
    keep(Closing(reads)).stop()
    return writes


def blocked_pipe(keep):
    reads, writes = os.pipe()
    keep(Closing(reads))
    return writes


class Closing:
    def __init__(self, fd):
        self.fd = fd

    def stop(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None


@row("FP07")
@pytest.mark.parametrize("kind", [full_disk, closed_pipe, blocked_pipe])
def test_requests_go_on_when_nobody_takes_the_log_and_lost_lines_are_counted(
        kind, keep, start_emulator, tmp_path, record):
    emulator = start_emulator(tls=False)
    log = kind(keep)
    service = keep(Quiet(emulator, tmp_path, log))
    os.close(log)
    report = keep(Load(tmp_path, service, get("/v1/session", "Authorization: Bearer x\r\n"), 8, rate=2000,
                       seconds=3)).wait()
    assert report.count(401) == report.document["requests"] == 6000
    until(lambda: service.metric("bff_log_dropped_total") > 100, "lines that were lost")
    record(f"{kind.__name__.replace('_', ' ')}: {report.count(401)} answers, p50 {report.ms(401, 'p50'):.2f} ms, "
           f"p99 {report.ms(401):.2f} ms, {service.metric('bff_log_dropped_total'):.0f} lines lost")
    assert report.ms(401, "p50") < 50  # on a busy machine, too; who waited for the log would wait for ever


# ---- the processor


@row("FP09", lag_excepted="throttled")
def test_with_a_tenth_of_a_processor_it_sheds_and_what_it_takes_it_finishes(
        cgroup, start_emulator, bff, tmp_path, keep, long, record):
    """More than a tenth of a processor can do: some are served, the others are refused at once or were never
    taken in; no request that was taken in misses its deadline."""
    group = cgroup("cpu", 0.1)
    emulator = start_emulator(tls=False)
    service = bff(emulator, BFF_MAX_IN_FLIGHT=20, BFF_WORKERS=1, **UNLIMITED)
    assert service.client().get("/healthz").status == 200
    group.join(service.pid)
    report = keep(Load(tmp_path, service, START, 64, seconds=15 if long else 5, timeout_ms=20000)).wait()
    statuses = {status: row["count"] for status, row in report.document["status"].items()}
    assert report.count(200) > 0 and report.count(503) > 0
    assert set(statuses) <= {"200", "503"} and set(report.document["codes"]) <= {"overloaded"}, report
    assert report.failed == 0, report
    record(str(report))
