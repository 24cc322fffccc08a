# SPDX-License-Identifier: Apache-2.0
"""A cgroup of the test's own, v1 or v2, that a process is put into before it starts."""
import itertools
import os
import pathlib
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
_numbers = itertools.count(1)



class Unavailable(Exception):
    """This machine lets nobody make a cgroup; the reason."""


def _parent(controller):
    """(directory below which groups can be made, is v2)"""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = ROOT / controller / path.lstrip("/")
            return (own if own.exists() else ROOT / controller), False
    kept = ROOT / "cgroup.subtree_control"
    if kept.exists() and controller in kept.read_text().split():
        return ROOT, True
    raise Unavailable(f"no cgroup hierarchy of the {controller} controller is mounted where groups could be made")


class Cgroup:
    """Cgroup("memory", 64 << 20) or Cgroup("cpu", 0.1): bytes, or processors."""

    def __init__(self, controller, limit):
        parent, self.is_v2 = _parent(controller)
        self.directory = parent / f"bff-test-{os.getpid()}-{next(_numbers)}"
        try:
            self.directory.mkdir()
            self._limit(controller, limit)
        except OSError as error:
            if self.directory.exists():
                self.directory.rmdir()
            raise Unavailable(f"no {controller} cgroup can be made: {error}") from None

    def _limit(self, controller, limit):
        if controller == "memory":
            self.write("memory.max" if self.is_v2 else "memory.limit_in_bytes", limit)
        elif self.is_v2:
            self.write("cpu.max", f"{int(limit * 100000)} 100000")
        else:
            self.write("cpu.cfs_period_us", 100000)
            self.write("cpu.cfs_quota_us", int(limit * 100000))

    def write(self, name, value):
        (self.directory / name).write_text(str(value))

    def read(self, name):
        return (self.directory / name).read_text()

    def wrap(self, argv):
        """argv for a process that is in the group from its first instruction on."""
        return ["/bin/sh", "-c", f'echo $$ >"{self.directory}/cgroup.procs" && exec "$@"', "sh", *argv]

    def join(self, pid):
        """Puts a process that runs, with all its threads, into the group."""
        self.write("cgroup.procs", pid)

    # ---- memory

    def peak_bytes(self):
        return int(self.read("memory.peak" if self.is_v2 else "memory.max_usage_in_bytes"))

    def kills(self):
        """How often the kernel ended a process of the group for want of memory."""
        text = self.read("memory.events" if self.is_v2 else "memory.oom_control")
        return sum(int(line.split()[1]) for line in text.splitlines() if line.split()[0] == "oom_kill")

    def stop(self):
        for _ in range(100):
            try:
                self.directory.rmdir()
                return
            except OSError:  # its processes are just ending
                time.sleep(0.02)
        self.directory.rmdir()
