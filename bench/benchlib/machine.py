# SPDX-License-Identifier: Apache-2.0
"""The machine: which core serves and which one loads, and what a process has used of them."""
import os
import pathlib
import platform
import time

PROC = pathlib.Path("/proc")


def cores():
    """(core of the server under test, core of load and upstream); None where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None, None
    return allowed[-1], allowed[0]


def _read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def _siblings(core):
    return _read(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")


def unpinned(server, load):
    """What this run could not hold still, a sentence each."""
    if server is None:
        yield "one core only: server, upstream and load share it, so latency and requests/s say little"
        return
    siblings = _siblings(server)
    if siblings and siblings == _siblings(load):
        yield "the two cores are threads of one physical core"
    if not siblings:
        yield "whether the two cores are threads of one physical core cannot be seen here"
    governor = _read(f"/sys/devices/system/cpu/cpu{server}/cpufreq/scaling_governor")
    if governor != "performance":
        yield f"clock frequency (governor: {governor or 'not visible'})"
    if "hypervisor" in _read("/proc/cpuinfo"):
        yield "what other guests of the host take (a virtual machine)"
    yield "interrupts and kernel threads, which run on any core"
    busy = os.getloadavg()[0]
    if busy > 0.5:
        yield f"other work on this machine: its load was {busy:.1f} before the run"


def description():
    model = next((line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "system": _read("/etc/debian_version") or platform.platform()}


def family(pid):
    """The process and its descendants, e.g. a master and its worker."""
    parents = {}
    for entry in PROC.iterdir():
        fields = _read(entry / "stat").rpartition(")")[2].split() if entry.name.isdigit() else []
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def cpu_us(pids):
    """Processor time of all threads of these processes, microseconds: their own clocks, which are exact to
    the nanosecond where /proc/PID/stat counts in steps of 10 ms (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids) / 1000


def resident_kib(pids):
    return sum(int(line.split()[1]) for pid in pids for line in _read(PROC / str(pid) / "status").splitlines()
               if line.startswith("VmRSS:"))
