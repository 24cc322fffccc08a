# SPDX-License-Identifier: Apache-2.0
"""Runs the tests that prove rows of tests/faults/catalogue.py and prints each row with its promise, its
tests, its result and what they measured, and the largest loop lag seen. A row without a test fails
unless the catalogue says why it has none; one whose tests this machine cannot run says why not, and a few
of those are allowed. The last line is "N passed, N failed", counted in rows."""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import sys

import run_tests

sys.path.insert(0, str(run_tests.ROOT / "tests"))
from faults import page  # noqa: E402 after the path is set
from faults.catalogue import BY_ID, GROUPS, ROWS  # noqa: E402

# More rows than this that cannot run on this machine are no proof of anything: the run fails.
CANNOT_RUN_MAX = 6


@dataclasses.dataclass
class Judged:
    """What a row came to. "in part": some of its tests could not run here, the others passed."""
    result: str  # "passed", "in part", "cannot run", "long form" or "FAILED"
    lines: list  # what is printed below it
    figures: list
    not_here: list = dataclasses.field(default_factory=list)  # why which tests could not run


def run(options):
    """{test: entry} as in tests/faults/results.py, and whether pytest ran well."""
    rows_dir = options.reports / "rows"
    kept = rows_dir / "e2e.json"
    after_test = options.after_test and kept.exists()
    name = "faults.json"
    (rows_dir / name).unlink(missing_ok=True)
    settings = {"BFF_ROWS_NAME": name, "BFF_FAULTS_ROWS": ",".join(options.rows)}
    if options.long:
        settings["BFF_FAULTS_LONG"] = "1"
    _, failed, _ = run_tests.run_pytest(options.build, options.reports, "faults",
                                        ["-m", "row", "faults", *([] if after_test else ["e2e"])], settings)
    entries = json.loads((rows_dir / name).read_text()) if (rows_dir / name).exists() else {}
    if after_test:
        entries = {**json.loads(kept.read_text()), **entries}
    return entries, failed == 0


def by_function(entries):
    """{test without its parameters: [entry]}"""
    found = {}
    for name, entry in entries.items():
        found.setdefault(name.partition("[")[0], []).append(entry)
    return found


def skip_reason(name, cases):
    """Why none of the cases of a test ran, or None: some did."""
    if any(entry["outcome"] != "skipped" for entry in cases):
        return None
    reasons = sorted({entry["reason"].removeprefix("Skipped: ") for entry in cases})
    return f"{name.rpartition('::')[2]}: {', '.join(reasons)}"


def line_of(name, cases):
    bad = sum(entry["outcome"] == "failed" for entry in cases)
    seconds = sum(entry["seconds"] for entry in cases)
    skipped = [entry["reason"] for entry in cases if entry["outcome"] == "skipped"]
    return (f"{name}{f' ({len(cases)} cases)' if len(cases) > 1 else ''}: {seconds:.1f} s"
            + (f", {bad} failed" if bad else "")
            + (f", {len(skipped)} skipped: {skipped[0].removeprefix('Skipped: ')}" if skipped else ""))


def judge(row, entries, known):
    mine = by_function({name: entry for name, entry in entries.items() if row.id in entry["rows"]})
    lines = [line_of(name, cases) for name, cases in mine.items()]
    figures = [figure for cases in mine.values() for entry in cases for figure in entry["figures"]]
    not_here = [reason for name, cases in mine.items() if (reason := skip_reason(name, cases))]
    if any(entry["outcome"] == "failed" for cases in mine.values() for entry in cases):
        return Judged("FAILED", lines, figures, not_here)
    if mine:
        result = "passed" if not not_here else "cannot run" if len(not_here) == len(mine) else "in part"
        return Judged(result, lines, figures, not_here)
    if row.cannot_run:
        return Judged("cannot run", [row.cannot_run], figures)
    if known and all(long for _, _, long in known):
        return Judged("long form", [f"{path}::{name}: runs with --long" for path, name, _ in known], figures)
    return Judged("FAILED", ["no test proves it"], figures)


def summary(results):
    """(the last lines, whether the run is good) of the rows' results."""
    count = {result: results.count(result) for result in ("passed", "in part", "cannot run", "long form", "FAILED")}
    lines = [f"{count[result]} rows {what} (said above why)" for result, what in (
        ("in part", "passed, but for tests that cannot run here"), ("cannot run", "cannot run here"),
        ("long form", "run in the long form alone")) if count[result]]
    too_many = count["cannot run"] > CANNOT_RUN_MAX
    if too_many:
        lines.append(f"that is too many: at most {CANNOT_RUN_MAX} rows may be such that cannot run here")
    lines.append(f"{count['passed'] + count['in part']} passed, {count['FAILED']} failed")
    return lines, not too_many and not count["FAILED"]


def print_row(row, judged):
    print(f"{row.id}  {judged.result:10}  {row.fault}")
    print(f"      promise: {row.promise}")
    for line in judged.lines:
        print(f"      {line}")
    for reason in judged.not_here:
        print(f"      cannot run here: {reason}")
    for figure in judged.figures:
        print(f"      measured: {figure}")


def loop_lag(entries):
    """One line: the largest, where, and what was left out. How much of it a loop has done itself says
    the processor time; on the wall clock stands also for how long others had the processor."""
    excepted = sorted({f"{one} ({entry['lag_excepted']})" for entry in entries.values() if entry["lag_excepted"]
                       for one in entry["rows"]})
    left_out = f"; left out: {', '.join(excepted)}" if excepted else ""
    seen = [(entry["loop_lag_ms"], name) for name, entry in entries.items() if entry["loop_lag_ms"]]
    if not seen:
        return f"largest loop lag: not measured{left_out}"
    cpu, name, service = max((lag["cpu"], name, lag["service"]) for lag, name in seen)
    wall = max(lag["wall"] for lag, _ in seen)
    return (f"largest loop lag: {cpu:g} ms of processor time (service {service!r}, ended by {name}), {wall:g} ms on the wall clock, "
            f"of {len(seen)} tests{left_out}")


def keep(options, judged, lag):
    document = {
        "date": datetime.date.today().isoformat(), "form": "long" if options.long else "short",
        "machine": f"{os.cpu_count()} processors, Linux {platform.release().partition('-')[0]}", "loop_lag": lag,
        "rows": {row.id: {"result": one.result, "figures": one.figures,
                          **({"not_here": one.not_here} if one.not_here else {})} for row, one in judged}}
    (run_tests.ROOT / page.LAST_RUN).write_text(json.dumps(document, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--after-test", action="store_true",
                        help="do not run what `./dev test` has just run, take its results")
    parser.add_argument("--keep", action="store_true", help=f"record the results in {page.LAST_RUN} for the docs")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="FU05 ...; default: all")
    options = parser.parse_args()
    options.reports = run_tests.report_dir(options.build)
    unknown = set(options.rows) - set(BY_ID)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")

    entries, ran_well = run(options)
    known = page.proofs(run_tests.ROOT)
    rows = [row for row in ROWS if not options.rows or row.id in options.rows]
    judged = [(row, judge(row, entries, known[row.id])) for row in rows]
    for group, title in GROUPS.items():
        of_group = [one for one in judged if one[0].group == group]
        print(f"\n{title}\n" if of_group else "", end="")
        for row, one in of_group:
            print_row(row, one)
    lag = loop_lag(entries)
    print(f"\n{lag}")
    if options.keep:
        keep(options, judged, lag)
    lines, good = summary([one.result for _, one in judged])
    if good and not ran_well:
        print("the test run itself failed")
    print("\n".join(lines))
    return 0 if good and ran_well else 1


if __name__ == "__main__":
    sys.exit(main())
