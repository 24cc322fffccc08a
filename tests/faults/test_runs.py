# SPDX-License-Identifier: Apache-2.0
"""Rows that need a whole scene: the programs of tests/stress in their quick form. `./dev long` runs the long one."""
import os
import re
import subprocess
import sys

from faults.marks import row
from harness.paths import BUILD, ROOT

TIMEOUT_S = 240  # never reached: a machine that stands still


def quick(name, record, *arguments):
    """Runs it, shows what it said, and records its figures."""
    # timeout(1) ends it by SIGTERM, upon which it ends what it has started.
    ran = subprocess.run(["timeout", str(TIMEOUT_S), sys.executable, ROOT / "tests" / "stress" / f"{name}.py", "--quick",
                          *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         env={**os.environ, "BFF_BUILD_DIR": str(BUILD)})
    print(ran.stdout + ran.stderr)
    assert ran.returncode == 0 and ran.stdout.endswith(f"{name}: passed\n"), ran.stdout + ran.stderr
    for figure in re.findall(r"^  (\d+ requests in .*|.*\d+ executed.*|.*s of weather|killed at random: \d+ calls)",
                             ran.stdout, re.M):
        record(figure)


@row("FU25")
def test_connections_killed_or_closed_at_random_double_nothing_and_lose_nothing(record):
    quick("duplicates", record)


@row("FP01", "FP03")
def test_replicas_behind_a_proxy_are_restarted_and_reloaded_without_a_failed_request(record):
    quick("fleet", record)


@row("FP14")
def test_everything_at_once_at_random_breaks_no_promise(record):
    quick("chaos", record)
