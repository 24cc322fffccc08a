# SPDX-License-Identifier: Apache-2.0
"""What a replica can do: arithmetic with what was measured of one worker."""

SIZES = (1, 2, 4)  # workers of a replica, each with a processor of its own
UTILISATION = 0.6  # what is left is for bursts, and for the replica that takes over from another
VENDOR_CALLS_PER_S = 333  # 20,000 a minute, shared by all replicas
NO_VENDOR_CALL = ("session", "session, remembered")


def requests_per_s(cpus, cpu_us):
    """Of a kind of request that costs so much processor time, when nothing else is asked."""
    return cpus * UTILISATION * 1_000_000 / cpu_us


def growth_mib(kib_each, count=1000):
    return kib_each * count / 1024


def in_flight_kib(document):
    """{transport: KiB of a request in flight}, from what bench/inflight --json printed."""
    return {result["transport"]: result["kib_per_request"] for result in document["results"]}


def rate_rows(cpu_us):
    """cpu_us: {operation: microseconds of processor time a request}."""
    yield "replica", *cpu_us
    yield "CPU us a request", *(f"{us:,.1f}" for us in cpu_us.values())
    for size in SIZES:
        yield _name(size), *(f"{requests_per_s(size, us):,.0f}" for us in cpu_us.values())
    yield "the vendor allows, to all replicas", *("no call" if operation in NO_VENDOR_CALL else f"{VENDOR_CALLS_PER_S}"
                                          for operation in cpu_us)


def memory_rows(rest_kib, connection_kib, flights):
    """rest_kib, connection_kib: {workers: KiB}; flights: {transport: KiB}."""
    yield ("replica", "at rest MiB", "+ 1,000 connections MiB",
           *(f"+ 1,000 in flight, {transport} MiB" for transport in flights))
    for size in SIZES:
        yield (_name(size), f"{rest_kib[size] / 1024:.1f}", f"{growth_mib(connection_kib[size]):.1f}",
               *(f"{growth_mib(kib):.1f}" for kib in flights.values()))


def _name(size):
    return f"{size} worker{'s' if size > 1 else ''}, {size} CPU{'s' if size > 1 else ''}"
