# SPDX-License-Identifier: Apache-2.0
"""What tools/run_faults.py makes of the tests of a row: a skipped proof is told and never taken for one."""
import sys

import pytest

from harness.paths import ROOT

sys.path.append(str(ROOT / "tools"))

import run_faults  # noqa: E402
from faults import page  # noqa: E402
from faults.catalogue import Row  # noqa: E402

ROW = Row("FP08", "a fault", "a promise")


def entry(outcome, reason=""):
    return {"rows": [ROW.id], "outcome": outcome, "reason": reason and f"Skipped: {reason}", "seconds": 0.1,
            "figures": [], "loop_lag_ms": None, "lag_excepted": None}


def judge(row=ROW, known=(), **outcomes):
    """outcomes: a test's cases, "passed", "failed" or a reason to skip it."""
    entries = {f"faults/test_a.py::{name}[{number}]": entry(case) if case in ("passed", "failed") else entry("skipped", case)
               for name, cases in outcomes.items() for number, case in enumerate(cases)}
    return run_faults.judge(row, entries, known)


@pytest.mark.parametrize("outcomes, result, not_here", [
    ({"test_a": ["passed"]}, "passed", []),
    ({"test_a": ["passed", "no cgroups"]}, "passed", []),
    ({"test_a": ["no unshare"]}, "cannot run", ["test_a: no unshare"]),
    ({"test_a": ["no unshare", "no cgroups"]}, "cannot run", ["test_a: no cgroups, no unshare"]),
    ({"test_a": ["passed"], "test_b": ["no unshare", "no unshare"]}, "in part", ["test_b: no unshare"]),
    ({"test_a": ["failed"], "test_b": ["no unshare"]}, "FAILED", ["test_b: no unshare"]),
    ({"test_a": ["passed", "failed"]}, "FAILED", []),
    ({}, "FAILED", []),
])
def test_a_row_is_judged_by_all_of_its_tests(outcomes, result, not_here):
    judged = judge(**outcomes)
    assert (judged.result, judged.not_here) == (result, not_here)


def test_a_row_without_a_test_that_ran_says_why():
    reason = "needs two machines"
    told = judge(row=Row("FP08", "a fault", "a promise", cannot_run=reason))
    assert (told.result, told.lines) == ("cannot run", [reason])
    assert judge(known=[("faults/test_a.py", "test_a", True)]).result == "long form"
    assert judge(known=[("faults/test_a.py", "test_a", False)]).result == "FAILED"


def test_a_row_of_which_tests_could_not_run_says_so_where_it_is_printed_and_in_the_docs(capsys):
    judged = judge(test_a=["passed"], test_b=["no unshare"])
    run_faults.print_row(ROW, judged)
    assert "cannot run here: test_b: no unshare" in capsys.readouterr().out
    run = {"rows": {ROW.id: {"result": judged.result, "figures": [], "not_here": judged.not_here}}}
    assert page._result(run, ROW) == "in part<br>cannot run here: test_b: no unshare"


@pytest.mark.parametrize("results, good, last", [
    (["passed"] * 3, True, "3 passed, 0 failed"),
    (["passed", "in part", "long form"], True, "2 passed, 0 failed"),
    (["passed", "FAILED"], False, "1 passed, 1 failed"),
    (["passed"] + ["cannot run"] * run_faults.CANNOT_RUN_MAX, True, "1 passed, 0 failed"),
    (["passed"] + ["cannot run"] * (run_faults.CANNOT_RUN_MAX + 1), False, "1 passed, 0 failed"),
])
def test_a_run_is_good_when_nothing_failed_and_few_rows_cannot_run(results, good, last):
    lines, came_to = run_faults.summary(results)
    assert (lines[-1], came_to) == (last, good)
    assert any("cannot run here" in line for line in lines) == ("cannot run" in results or "in part" in results)
