# SPDX-License-Identifier: Apache-2.0
"""The vendor's journal against the phones' journal: what ran twice, what was lost."""
import collections
import json

RUN_ONCE = ("register", "authenticate")
# What the app is told when a call may have run; everything else but success says that it did not.
UNCLEAR = ("upstream_outcome_unknown", "upstream_timeout")

Verdict = collections.namedtuple("Verdict", "duplicates lost invented executed unclear")


def read_calls(path):
    """[(operation, trace id, executed)] of an emulator's --call-log."""
    calls = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            if call.get("traceparent"):
                calls.append((call["operation"], call["traceparent"][3:35], call["executed"]))
    return calls


def read_cuts(path):
    """{trace id: the cuts that its requests met} of a cutting proxy's --log."""
    cuts = collections.defaultdict(list)
    with open(path, encoding="ascii") as lines:
        for line in lines:
            trace_id, cut = line.split()
            cuts[trace_id].append(cut)
    return cuts


def compare(vendor, phones):
    """vendor: as of read_calls(); phones: [phones.Call]. Of the run-once operations, by trace id:
    duplicates: the vendor got it more than once, executed or not
    lost:       the vendor executed it, and the phone saw neither success nor that the outcome is unknown
    invented:   the phone saw success and the vendor did not execute it"""
    received, executed = collections.Counter(), set()
    for operation, trace_id, ran in vendor:
        if operation in RUN_ONCE:
            received[trace_id] += 1
            if ran:
                executed.add(trace_id)
    once = [call for call in phones if call.operation in RUN_ONCE]
    unclear = [call for call in once if call.code in UNCLEAR]
    return Verdict(
        duplicates=sorted(trace_id for trace_id, count in received.items() if count > 1),
        lost=[call for call in once
              if call.trace_id in executed and not _is_success(call) and call.code not in UNCLEAR],
        invented=[call for call in once if _is_success(call) and call.trace_id not in executed],
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
