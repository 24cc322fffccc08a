# SPDX-License-Identifier: Apache-2.0
"""The service manager's watchdog: answered while every event loop turns. One thread is stopped with ptrace,
as a debugger stops it, while all the others run."""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from harness.waiting import until

_PERIOD_S = 1.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_INTERRUPT, _PTRACE_SEIZE, _PTRACE_DETACH = 0x4207, 0x4206, 17
_WALL = 0x40000000  # waitpid() for a thread that is not a child


class Manager:
    """A socket that is told, and when it was told what."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        os.chmod(path, 0o666)  # the service of an image is another user
        self._heard = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while (message := self._socket.recv(4096)) != b"end":
            self._heard.append((time.monotonic(), message.decode().split("\n")[0]))

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", self.path)
        self._thread.join()
        self._socket.close()

    def times(self, message, after=0.0):
        return [at for at, heard in list(self._heard) if heard == message and at > after]

    def wait(self, message, count=1, after=0.0):
        until(lambda: len(self.times(message, after)) >= count, f"{count} x {message}")


@pytest.fixture
def manager(tmp_path):
    told = Manager(str(tmp_path / "notify"))
    yield told
    told.close()


@pytest.fixture
def watched(bff, hostile, manager):
    service = bff(hostile, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=str(int(_PERIOD_S * 1e6)), BFF_WORKERS=2,
                  BFF_DRAIN_DELAY_S=0)
    manager.wait("READY=1")
    return service


def _ptrace(request, tid):
    if _LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(tid), None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def _stopped(tid):
    """That thread stands still meanwhile; the others of its process do not."""
    try:
        _ptrace(_PTRACE_SEIZE, tid)
    except PermissionError:
        pytest.skip("this user may not stop a thread of another process")
    _ptrace(_PTRACE_INTERRUPT, tid)
    os.waitpid(tid, _WALL)
    try:
        yield
    finally:
        _ptrace(_PTRACE_DETACH, tid)


def _threads(service, name):
    tasks = pathlib.Path(f"/proc/{service.pid}/task")
    return [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().strip() == name]


def test_it_is_answered_at_least_twice_a_period(watched, manager):
    manager.wait("WATCHDOG=1", count=8)
    times = manager.times("WATCHDOG=1")
    gaps = sorted(after - before for before, after in zip(times, times[1:]))
    # A machine that stands still for a moment makes one gap long, not most of them.
    assert gaps[len(gaps) // 2] <= _PERIOD_S / 2


@pytest.mark.parametrize("name", ["worker", "management"])
def test_one_loop_that_hangs_ends_the_answers_and_only_as_long_as_it_hangs(watched, manager, name):
    manager.wait("WATCHDOG=1")
    with _stopped(_threads(watched, name)[-1]):
        event = watched.wait_event("watchdog.silent")
        silent = time.monotonic()
        assert event["log.level"] == "error"
        # The manager would have ended the process by then.
        until(lambda: time.monotonic() > silent + 1.5 * _PERIOD_S, "a period and a half")
        assert manager.times("WATCHDOG=1", after=silent) == []
    manager.wait("WATCHDOG=1", count=2, after=silent)
    watched.signal(signal.SIGTERM)
    assert watched.wait() == 0


def test_a_drain_is_answered_for(bff, hostile, manager):
    service = bff(hostile, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000", BFF_DRAIN_DELAY_S=30)
    manager.wait("READY=1")
    service.signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    manager.wait("WATCHDOG=1", count=4, after=manager.times("STOPPING=1")[0])
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


def test_without_a_watchdog_nothing_is_said(bff, hostile, manager):
    service = bff(hostile, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="20000", WATCHDOG_PID="1", BFF_DRAIN_DELAY_S=0)
    manager.wait("READY=1")
    service.signal(signal.SIGTERM)
    assert service.wait() == 0
    manager.wait("STOPPING=1")
    assert manager.times("WATCHDOG=1") == []
