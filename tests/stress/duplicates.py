#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No call runs twice and none is lost while connections to the vendor are killed at random.

Phones enroll fresh keys and log in with them; between the service and the emulated vendor a proxy kills
connections: before a request, in it, after it, before the answer, in the answer, while idle, and some
answers it keeps back. Then the vendor's journal is held against the phones':

  duplicate  the vendor got a register or an authenticate twice for one call of a phone
  loss       the vendor executed it, and the phone saw neither success nor that the outcome is unknown
  invented   the phone saw success, and the vendor did not execute it

Of the calls that may be repeated (start, delete, GET) none may fail unless its one repeat was cut as well;
and in a second part, where connections are only closed while idle, none may fail at all.
"""
import sys
import time

import common
from common import exactly, say

import journals
from phones import Crowd, make_users
from vendor import CuttingProxy, SETTINGS, stress_emulator

from harness.service import Service

CALLS, CALLS_QUICK = 100_000, 2_000
IDLE_SHARE = 0.1  # of the stories: the second part
PHONES = 32
# The budget for repeats and the breaker spare a vendor that breaks many calls; here each call is to go out, and
# to have its one repeat.
CONFIG = {**SETTINGS, "BFF_REQUEST_TIMEOUT_MS": 3000, "BFF_UPSTREAM_BREAKER_FAILURES": 0,
          "BFF_UPSTREAM_REPEATS_PERCENT": 100}

# Of each 1,000 requests to the vendor.
KILLS = {"before": 15, "mid_request": 15, "after_request": 15, "before_answer": 15, "mid_answer": 15, "idle": 100,
         "stall": 0.2}
IDLE_ONLY = {"idle": 300}

# What a phone may see beside success, by operation: everything else is a failure of the run.
EXPECTED = {
    "register": {"502 upstream_outcome_unknown", "504 upstream_timeout", "503 upstream_unavailable",
                 "409 key_already_registered"},
    "authenticate": {"502 upstream_outcome_unknown", "504 upstream_timeout", "503 upstream_unavailable"},
    "start": {"503 upstream_unavailable", "504 upstream_timeout"},
    "delete": {"503 upstream_unavailable", "504 upstream_timeout", "404 key_not_found"},
    "session": set(),
}


def run_part(directory, seed, cuts, stories):
    """(phones' journal, vendor's journal, cuts by trace id, the proxy's counts)"""
    directory.mkdir()
    with common.running() as running:
        emulator = stress_emulator(directory)
        running.append(emulator)
        users = make_users(emulator, PHONES)
        proxy = CuttingProxy(directory, emulator, seed, {name: share / 1000 for name, share in cuts.items()})
        running.append(proxy)
        service = Service(directory, emulator, {**CONFIG, "BFF_UPSTREAM_URL": proxy.url})
        running.append(service)
        crowd = Crowd(service.address("public"), users, stories=stories)
        running.append(crowd)
        calls = crowd.journal()
    return calls, journals.read_calls(emulator.call_log), journals.read_cuts(proxy.cut_log), proxy.counts


def unexpected(calls):
    return [call for call in calls if call.status >= 300 or call.status == 0
            if f"{call.status} {call.code}" not in EXPECTED[call.operation]]


def failed_without_reason(calls, cuts):
    """Calls that may be repeated and failed although at most one of their requests was cut and none kept back:
    waiting for an answer takes all the time that there is."""
    def explained(cuts_met):
        return len(cuts_met) >= 2 or "stall" in cuts_met

    return [call for call in calls if call.operation not in journals.RUN_ONCE
            and (call.status >= 500 or call.status == 0) and not explained(cuts.get(call.trace_id, ()))]


def tell(name, calls, counts, took_s):
    say(f"{name}: {len(calls)} calls in {took_s:.0f} s ({len(calls) / took_s:.0f} a second), "
        f"{counts['requests']} requests to the vendor")
    say("cuts: " + ", ".join(f"{cut} {count}" for cut, count in counts["cuts"].items()))
    for operation, outcome in sorted(journals.outcomes(calls).items()):
        say(f"  {operation:<14}" + ", ".join(f"{what}: {count}" for what, count in outcome.most_common()))


def none_of(what, faults):
    for fault in faults[:5]:
        say(f"  {what}: {fault}")
    return exactly(what, len(faults), 0)


def part(name, directory, seed, cuts, stories, idle_only):
    began_s = time.monotonic()
    calls, vendor, cut, counts = run_part(directory, seed, cuts, stories)
    tell(name, calls, counts, time.monotonic() - began_s)
    verdict = journals.compare(vendor, calls)
    once = sum(call.operation in journals.RUN_ONCE for call in calls)
    say(f"register and authenticate: {once} calls, {verdict.executed} executed, {verdict.unclear} unclear")
    yield none_of("duplicates", verdict.duplicates)
    yield none_of("lost", verdict.lost)
    yield none_of("invented", verdict.invented)
    if idle_only:
        yield none_of("calls that may be repeated and failed", [
            call for call in calls if call.operation not in journals.RUN_ONCE and call.status not in (200, 204)])
    else:
        yield none_of("calls that may be repeated and failed without a second cut", failed_without_reason(calls, cut))
    yield none_of("answers that nothing explains", unexpected(calls))
    yield exactly("connections to the vendor that the proxy could not make", sum(counts["unreachable"].values()), 0)


def run(options):
    calls = options.calls or (CALLS_QUICK if options.quick else CALLS)
    stories = calls // 2 + 1  # one enrollment and one login each, repeats not counted
    say(f"seed {options.seed}")
    yield from part("killed at random", options.directory / "killed", options.seed, KILLS, stories, False)
    yield from part("closed while idle", options.directory / "idle", options.seed, IDLE_ONLY,
                    int(stories * IDLE_SHARE) + 1, True)


def add_arguments(parser):
    parser.add_argument("--calls", type=int, help=f"register and authenticate calls ({CALLS}; quick: {CALLS_QUICK})")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what the proxy draws (the time)")


if __name__ == "__main__":
    sys.exit(common.main("duplicates", __doc__, run, add_arguments))
