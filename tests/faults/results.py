# SPDX-License-Identifier: Apache-2.0
"""What the tests of the rows came to, as pytest runs them: collected in the main process, kept as JSON
for the table that `./dev faults` prints. A test's entry:
{"rows": [...], "outcome": "passed" | "failed" | "skipped", "reason": "...", "seconds": s,
 "figures": [...], "loop_lag_ms": what harness/loop_lag.py saw, or null, "lag_excepted": "..." or null}"""
import json
import os

LONG = bool(os.environ.get("BFF_FAULTS_LONG"))
# Rows that are wanted; empty: all, and tests that prove none.
WANTED = frozenset(filter(None, os.environ.get("BFF_FAULTS_ROWS", "").split(",")))

_PROPERTY = "fault"
_entries = {}


def rows_of(item):
    return [one for mark in item.iter_markers("row") for one in mark.args]


def _option(item, name):
    return next((mark.kwargs[name] for mark in item.iter_markers("row") if mark.kwargs.get(name)), None)


def lag_excepted(item):
    return _option(item, "lag_excepted")


def select(config, items):
    """Leaves out what has no short form, and what proves none of the wanted rows."""
    kept, left = [], []
    for item in items:
        rows = rows_of(item)
        wanted = not WANTED or WANTED & set(rows)
        (kept if wanted and (LONG or not _option(item, "long")) else left).append(item)
        for one in rows:
            note(item, "row", one)
        if rows and lag_excepted(item):
            note(item, "lag_excepted", lag_excepted(item))
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def note(item, kind, value):
    """Goes with the test's reports from the process that ran it to the one that collects."""
    item.user_properties.append((_PROPERTY, (kind, value)))


def saw_report(report):
    notes = [value for name, value in report.user_properties if name == _PROPERTY]
    rows = [value for kind, value in notes if kind == "row"]
    if not rows:
        return
    entry = _entries.setdefault(report.nodeid, {"outcome": "passed", "reason": "", "seconds": 0.0})
    entry["rows"] = rows
    entry["seconds"] = round(entry["seconds"] + report.duration, 3)
    entry["figures"] = [value for kind, value in notes if kind == "figure"]
    entry["loop_lag_ms"] = next((value for kind, value in notes if kind == "loop_lag_ms"), None)
    entry["lag_excepted"] = next((value for kind, value in notes if kind == "lag_excepted"), None)
    if report.failed:
        entry["outcome"] = "failed"
    elif report.skipped and entry["outcome"] == "passed":
        entry["outcome"] = "skipped"
        entry["reason"] = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def save(path, again):
    """again: tests that failed were run once more; what they came to then takes the place."""
    entries = dict(_entries)
    if again and path.exists():
        entries = {**json.loads(path.read_text()), **entries}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=1))
