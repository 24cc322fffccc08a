# SPDX-License-Identifier: Apache-2.0
"""wrk on its core, with a window in the middle of its run. wrk alone would count what a server does for
requests that it no longer waits for, and its own connections; with many connections that is not little. So
its script counts the requests as it sends them into a file that both map, and count, clock and processor
time are read at both ends of the window while the load goes on."""
import contextlib
import dataclasses
import json
import mmap
import signal
import subprocess
import time

from . import machine, processes

THE_END_S = 60  # wrk itself would stop then; SIGINT ends it before, at any moment
PATIENCE_S = 10
WINDOW_REQUESTS_MIN = 20  # on a machine that stands still for longer than the window


@dataclasses.dataclass
class Window:
    """Each connection has one request under way at any time, so as many were answered as sent."""
    requests: int
    seconds: float
    cpu_us: float  # of the server
    sent: int  # in all, before and after the window too
    summary: dict  # of the whole run, as the script prints it


def _arguments(request, bodies, handles):
    return [request.method, request.path, request.authorization or "-", bodies or "-", handles or "-"]


@contextlib.contextmanager
def _counter(path):
    """The mapped file; int.from_bytes() of it is what wrk has sent."""
    path.write_bytes(bytes(8))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        yield lambda: int.from_bytes(counter[:8], "little")


def _wait_sent(wrk, sent, count):
    deadline = time.monotonic() + PATIENCE_S
    while sent() < count and wrk.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def run(core, directory, subject, connections, seconds, bodies=None, handles=None):
    """Loads the subject for so long; bodies: a file, handles: a file to be written. Returns the Window."""
    path = directory / "counter"
    argv = processes.pinned(core, [
        "wrk", "-t", 1, "-c", connections, "-d", f"{THE_END_S}s", "--timeout", "10s", "-s",
        processes.TEMPLATES / "requests.lua", subject.url, "--", path, *_arguments(subject.request, bodies, handles)])
    with _counter(path) as sent, subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True) as wrk:
        try:
            # One for each connection, one that wrk asked for on trial, and one behind the first answer.
            _wait_sent(wrk, sent, connections + 2)
            begin, sent_before, cpu_before = time.monotonic(), sent(), machine.cpu_us(subject.pids)
            time.sleep(seconds)
            _wait_sent(wrk, sent, sent_before + WINDOW_REQUESTS_MIN)
            requests, cpu_us = sent() - sent_before, machine.cpu_us(subject.pids) - cpu_before
            lasted_s = time.monotonic() - begin
            if wrk.poll() is None:
                wrk.send_signal(signal.SIGINT)
            output = wrk.communicate(timeout=30)[0]
        except BaseException:
            wrk.kill()
            raise
        if wrk.returncode:
            raise processes.Failed(f"wrk ended with status {wrk.returncode}:\n{output[-1000:]}")
        return Window(requests, lasted_s, cpu_us, sent(), json.loads(output.splitlines()[-1]))
