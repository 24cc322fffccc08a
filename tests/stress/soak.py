#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole ceremonies for minutes: nothing grows, nothing is left over, and every request that the service counts as
answered was answered.

Memory and descriptors are sampled each second once the first fifth of the time has passed. Tables keep what they
are there to keep until it expires, up to their ceilings: their entries are taken off the memory before it is judged.
"""
import collections
import pathlib
import sys
import time

from common import Verdict, at_most, exactly, main, resident_bytes, running, say
from harness.service import Service
from phones import Crowd, make_users
from vendor import SETTINGS, stress_emulator

MINUTES, QUICK_S = 10, 12
PHONES = 16
ENTRY_BYTES = 64  # as src/config/memory_fit.c has it
WARM_UP_SHARE = 0.2
GROWTH_BYTES_MAX = 1 << 20
SUCCESS = {200, 201, 204}


def add_arguments(parser):
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="N", help=f"default {MINUTES}")


def slope(samples):
    """Least squares, per second, of (seconds, value)."""
    n = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / n, sum(y for _, y in samples) / n
    return (sum((x - mean_x) * (y - mean_y) for x, y in samples) / sum((x - mean_x) ** 2 for x, _ in samples))


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def sample(service, seconds):
    """[(second, resident bytes without tables, descriptors)] of the time behind the warm-up."""
    began_s = time.monotonic()
    samples = []
    while (at_s := time.monotonic() - began_s) < seconds:
        if at_s > seconds * WARM_UP_SHARE:
            entries = service.metric("bff_table_entries")
            samples.append((at_s, resident_bytes(service.pid) - ENTRY_BYTES * entries, descriptors(service.pid)))
        time.sleep(1)  # the distance of the samples
    return samples


def counted_by_status(service):
    """{status: requests} of the app API, as the service counts them."""
    counts = collections.Counter()
    for name, labels, value in service.metrics():
        if name == "http_server_request_duration_seconds_count" and labels["http_route"].startswith("/v1/"):
            counts[labels["http_response_status_code"]] += int(value)
    return counts


def run(options):
    seconds = QUICK_S if options.quick else options.minutes * 60
    with running() as things:
        emulator = stress_emulator(options.directory)
        things.append(emulator)
        service = Service(options.directory, emulator, SETTINGS)
        things.append(service)
        crowd = Crowd(service.address("public"), make_users(emulator, PHONES))
        things.append(crowd)
        samples = sample(service, seconds)
        calls = crowd.finish()
        things.remove(crowd)
        yield from judge(service, calls, samples)


def judge(service, calls, samples):
    span_s = samples[-1][0] - samples[0][0]
    memory = slope([(at_s, resident) for at_s, resident, _ in samples])
    opened = slope([(at_s, count) for at_s, _, count in samples])
    seen = collections.Counter(str(call.status) for call in calls)
    counted = counted_by_status(service)
    say(f"{len(calls)} requests, {len(samples)} samples over {span_s:.0f} s; resident {samples[0][1] / 1024:.0f} KiB at "
        f"first, {samples[-1][1] / 1024:.0f} KiB at last; descriptors {samples[0][2]} and {samples[-1][2]}")

    yield Verdict(f"resident memory grows by at most {GROWTH_BYTES_MAX >> 10} KiB over the run",
                  f"slope {memory * 60 / 1024:+.1f} KiB a minute", memory * span_s <= GROWTH_BYTES_MAX)
    yield Verdict("descriptors stay: at most 2 more over the run", f"slope {opened * 60:+.2f} a minute",
                  opened * span_s <= 2)
    yield exactly("requests that the service answered, by status, are those that phones saw", dict(sorted(counted.items())),
                  dict(sorted(seen.items())))
    yield exactly("requests that failed", sum(call.status not in SUCCESS for call in calls), 0)
    for gauge, left in (("http_server_active_requests", 1), ("http_client_active_requests", 0),
                        ("bff_worker_connections", 0)):
        yield exactly(f"{gauge} in the end{', the question itself' if left else ''}", service.metric(gauge), left)
    yield at_most("longest turn of a loop, processor time",
                  1000 * max((value for name, labels, value in service.metrics()
                              if name == "bff_loop_lag_max_seconds" and labels["clock"] == "cpu"), default=0), 20, " ms")


if __name__ == "__main__":
    sys.exit(main("soak", __doc__, run, add_arguments))
