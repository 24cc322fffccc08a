#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Five times as many requests as the service admits: those that it takes go as fast as ever.

100 requests in flight at a vendor that takes 200 ms are 500 a second. The same service is asked for a tenth of
that (unloaded), for all of it (the peak), for five times as much, and then for half of it.
"""
import sys

from common import Load, Peak, Verdict, at_least, at_most, exactly, main, post, running, say
from harness.emulator import Emulator
from harness.service import Service

IN_FLIGHT = 100
DELAY_MS = 200
CAPACITY_PER_S = IN_FLIGHT * 1000 // DELAY_MS
TIMES = 5
MEMORY_MAX_BYTES = 64 << 20
CONNECTIONS = 1000
SECONDS, SECONDS_QUICK = 15, 3
RECOVERY_S = 2.0

START = post("/v1/biometrics/start", {"user_id": "user-{n}"})


def phase(options, service, name, per_s, seconds):
    report = Load(options.directory, service, START, CONNECTIONS, rate=per_s, seconds=seconds).wait()
    say(f"{name}, {per_s} a second: {report}")
    return report


def recovered_after_s(report, slow_ms):
    """When the last request was due that was refused or slow."""
    return max((due_s for due_s, ms, status, _ in report.samples if status != "200" or ms > slow_ms), default=0.0)


def run(options):
    seconds = SECONDS_QUICK if options.quick else SECONDS
    with running() as things:
        emulator = Emulator(options.directory, tls=False)
        things.append(emulator)
        emulator.fault("start", delay_ms=DELAY_MS, next=10_000_000)
        service = Service(options.directory, emulator, {
            "BFF_MAX_IN_FLIGHT": IN_FLIGHT, "BFF_UPSTREAM_MAX_PER_SECOND": 0, "BFF_RATE_PER_USER": 0})
        things.append(service)
        phase(options, service, "warming up", CAPACITY_PER_S, 1)
        unloaded = phase(options, service, "unloaded", CAPACITY_PER_S // 10, seconds)
        peak = phase(options, service, "peak", CAPACITY_PER_S, seconds)
        memory = Peak(service.pid)
        over = phase(options, service, "overload", TIMES * CAPACITY_PER_S, seconds)
        after = phase(options, service, "afterwards", CAPACITY_PER_S // 2, max(seconds // 2, 3))
        memory.stop()

        yield at_least("goodput over that of the peak", over.count(200) / peak.count(200), 0.9)
        yield at_most("p99 of the admitted over that of the unloaded", over.ms(200) / unloaded.ms(200), 2)
        yield at_most("p99 of the refused over the unloaded p50 of the admitted",
                      over.ms(503) / unloaded.ms(200, "p50"), 0.1)
        yield exactly("answers other than 200 and 503 overloaded",
                      over.document["requests"] - over.count(200) - over.document["codes"].get("overloaded", 0), 0)
        yield Verdict(f"resident memory below {MEMORY_MAX_BYTES >> 20} MiB", f"{memory.bytes / (1 << 20):.1f} MiB",
                      memory.bytes < MEMORY_MAX_BYTES)
        yield at_most("back to normal after", recovered_after_s(after, 2 * unloaded.ms(200)), RECOVERY_S, " s")
        yield exactly("requests in flight in the end, beside the question", service.metric("http_server_active_requests"), 1)


if __name__ == "__main__":
    sys.exit(main("overload", __doc__, run))
