# SPDX-License-Identifier: Apache-2.0
"""The vendor's journal against the phones' journal: what ran twice, what was lost."""
import collections
import json

RUN_ONCE = ("register", "authenticate")
# What the app is told when a call may have run; everything else but success says that it did not.
UNCLEAR = ("upstream_outcome_unknown", "upstream_timeout")
# The tokens that came were no good, or could not be judged for want of the key.
REFUSED_TOKENS = ("session_verification_failed", "keys_unavailable")

Verdict = collections.namedtuple("Verdict", "duplicates lost invented unverified executed unclear")
Vendor = collections.namedtuple("Vendor", "operation trace_id executed status tokens", defaults=(200, None))


def read_calls(path):
    """[Vendor] of an emulator's --call-log, as far as calls belong to a request of an app."""
    calls = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            if call.get("traceparent"):
                calls.append(Vendor(call["operation"], call["traceparent"][3:35], call["executed"], call["status"],
                                    call.get("tokens")))
    return calls


def read_cuts(path):
    """{trace id: the cuts that its requests met} of a cutting proxy's --log."""
    cuts = collections.defaultdict(list)
    with open(path, encoding="ascii") as lines:
        for line in lines:
            trace_id, cut = line.split()
            cuts[trace_id].append(cut)
    return cuts


def compare(vendor, phones, new_keys=()):
    """vendor: [Vendor]; phones: [phones.Call]. Of the run-once operations, by trace id:
    duplicates: the vendor got it more than once, executed or not; one that it refused for our own client
                token's sake does not count, for that is sent once more with another
    lost:       the vendor executed it, and the phone saw neither success nor that the outcome is unknown, nor
                that the tokens were no good or could not be judged; true ones may be refused in the spans of time
                `new_keys`
    invented:   the phone saw success and the vendor did not execute it
    unverified: the phone got a session although its tokens were wrong"""
    received, executed, wrong = collections.Counter(), set(), set()
    for call in vendor:
        if call.operation in RUN_ONCE and (call.executed or call.status != 401):
            received[call.trace_id] += 1
            if call.executed:
                executed.add(call.trace_id)
            if call.tokens:
                wrong.add(call.trace_id)
    def rightly_refused(call):
        return call.code in REFUSED_TOKENS and (
            call.trace_id in wrong or any(since <= call.at_s + call.took_s <= until for since, until in new_keys))

    once = [call for call in phones if call.operation in RUN_ONCE]
    unclear = [call for call in once if call.code in UNCLEAR]
    return Verdict(
        duplicates=sorted(trace_id for trace_id, count in received.items() if count > 1),
        lost=[call for call in once if call.trace_id in executed and not _is_success(call)
              and call.code not in UNCLEAR and not rightly_refused(call)],
        invented=[call for call in once if _is_success(call) and call.trace_id not in executed],
        unverified=[call for call in once if _is_success(call) and call.trace_id in wrong],
        executed=len(executed), unclear=len(unclear))


def _is_success(call):
    return 200 <= call.status < 300


def outcomes(phones):
    """{operation: {"200" or "502 upstream_outcome_unknown": how many}}"""
    table = {}
    for call in phones:
        name = f"{call.status} {call.code}" if call.code else str(call.status)
        table.setdefault(call.operation, collections.Counter())[name] += 1
    return table


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
