# SPDX-License-Identifier: Apache-2.0
"""Rows that need a whole scene: the programs of tests/stress in their quick form. `./dev long` runs the long one."""
import re

from faults.marks import row
from faults.quick import run_quick


def quick(name, record):
    """Runs it, shows what it said, and records its figures."""
    for figure in re.findall(r"^  (\d+ requests in .*|.*\d+ executed.*|.*s of weather|killed at random: \d+ calls)",
                             run_quick(name), re.M):
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
