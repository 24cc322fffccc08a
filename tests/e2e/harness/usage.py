# SPDX-License-Identifier: Apache-2.0
"""What a process uses, as the kernel tells it."""
import os


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def processor_s(process):
    """Processor time of all threads so far, to the nanosecond."""
    tasks = f"/proc/{process.pid}/task"
    total_ns = 0
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/schedstat", encoding="ascii") as stat:
            total_ns += int(stat.read().split()[0])
    return total_ns / 1e9
