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
import argparse
import sys
import tempfile
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import journals  # noqa: E402
from phones import Crowd, make_users  # noqa: E402
from vendor import CuttingProxy, SETTINGS, stress_emulator  # noqa: E402

from harness.service import Service  # noqa: E402
from harness.stopping import stop_all  # noqa: E402

CALLS, CALLS_QUICK = 100_000, 2_000
IDLE_SHARE = 0.1  # of the stories: the second part
PHONES = 32
REQUEST_TIMEOUT_MS = 3000

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
    running = []
    try:
        emulator = stress_emulator(directory)
        running.append(emulator)
        users = make_users(emulator, PHONES)
        proxy = CuttingProxy(directory, emulator, seed, {name: share / 1000 for name, share in cuts.items()})
        running.append(proxy)
        service = Service(directory, emulator, {**SETTINGS, "BFF_UPSTREAM_URL": proxy.url,
                                                "BFF_REQUEST_TIMEOUT_MS": REQUEST_TIMEOUT_MS})
        running.append(service)
        calls = Crowd(service.address("public"), users, stories=stories).journal()
    finally:
        stop_all(reversed(running))
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


def print_part(name, calls, counts, took_s):
    print(f"{name}: {len(calls)} calls in {took_s:.0f} s ({len(calls) / took_s:.0f} a second), "
          f"{counts['requests']} requests to the vendor")
    print("  cuts: " + ", ".join(f"{cut} {count}" for cut, count in counts["cuts"].items()))
    for operation, outcome in sorted(journals.outcomes(calls).items()):
        print(f"  {operation:<14}" + ", ".join(f"{what}: {count}" for what, count in outcome.most_common()))


def judge(name, faults):
    """Prints a line and the first few of what should not be there; the number of faults."""
    print(f"  {name + ':':<44}{len(faults)}")
    for fault in faults[:5]:
        print(f"    {fault}")
    return len(faults)


def part(name, directory, seed, cuts, stories, judge_idle):
    began_s = time.monotonic()
    calls, vendor, cut, counts = run_part(directory, seed, cuts, stories)
    print_part(name, calls, counts, time.monotonic() - began_s)
    verdict = journals.compare(vendor, calls)
    once = sum(call.operation in journals.RUN_ONCE for call in calls)
    print(f"  register and authenticate: {once} calls, {verdict.executed} executed, {verdict.unclear} unclear")
    bad = judge("duplicates", verdict.duplicates) + judge("lost", verdict.lost) + judge("invented", verdict.invented)
    if judge_idle:
        bad += judge("calls that may be repeated and failed", [
            call for call in calls if call.operation not in journals.RUN_ONCE and call.status not in (200, 204)])
    else:
        bad += judge("repeatable calls failed without a second cut", failed_without_reason(calls, cut))
    return once, bad + judge("answers that nothing explains", unexpected(calls))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{CALLS_QUICK} calls instead of {CALLS}")
    parser.add_argument("--calls", type=int, help="register and authenticate calls")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what the proxy draws (the time)")
    given = parser.parse_args()
    calls = given.calls or (CALLS_QUICK if given.quick else CALLS)
    stories = calls // 2 + 1  # one enrollment and one login each, repeats not counted

    print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="bff-duplicates-") as scratch:
        once, bad = part("killed at random", pathlib.Path(scratch) / "killed", given.seed, KILLS, stories, False)
        idle_once, idle_bad = part("closed while idle", pathlib.Path(scratch) / "idle", given.seed, IDLE_ONLY,
                                   int(stories * IDLE_SHARE) + 1, True)
    print(f"duplicates: {once + idle_once} register and authenticate calls, "
          f"{bad + idle_bad} faults: {'FAILED' if bad + idle_bad else 'passed'}")
    return 1 if bad or idle_bad else 0


if __name__ == "__main__":
    sys.exit(main())
