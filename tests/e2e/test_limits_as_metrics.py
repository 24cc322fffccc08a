# SPDX-License-Identifier: Apache-2.0
"""Every number of the configuration shows in /metrics as it is in force, and docs/config.md tells the defaults."""
import re
import signal

from harness.paths import ROOT
from harness.waiting import until

ROW = re.compile(r"^\| `BFF_(\w+)` \| `[^`]*` \| (?:`([^`]*)`)?[^|]*\| \w+ \| a whole number from", re.M)


def documented():
    """{limit: default} of the numbers in docs/config.md."""
    rows = ROW.findall((ROOT / "docs" / "config.md").read_text())
    return {name.lower(): int(default) for name, default in rows}


def in_force(service):
    return {labels["limit"]: int(value) for name, labels, value in service.metrics() if name == "bff_limit"}


def test_docs_and_metrics_agree_on_every_number(emulator, bff):
    defaults = documented()
    assert len(defaults) > 20
    plain = {"BFF_WORKERS": None, "BFF_DRAIN_DELAY_S": None, "BFF_DRAIN_TIMEOUT_S": None, "BFF_MEMORY_MAX_BYTES": 1 << 40}
    service = bff(emulator, **plain)
    seen = in_force(service)
    assert seen.pop("workers") >= 1 and defaults.pop("workers") == 0  # 0: as many as there are processors
    assert seen.pop("memory_max_bytes") == 1 << 40 and defaults.pop("memory_max_bytes") == 0
    assert seen == defaults
    service.signal(signal.SIGINT)


def test_a_number_that_was_lowered_or_reloaded_shows_as_it_is_in_force(emulator, bff, tmp_path):
    settings = tmp_path / "settings"
    settings.write_text("BFF_MAX_IN_FLIGHT=77\n")
    service = bff(emulator, arguments=("--config", settings), BFF_MEMORY_MAX_BYTES=64 << 20)
    seen = in_force(service)
    assert 16 <= seen["max_connections"] < 10000 and seen["max_in_flight"] < 77

    settings.write_text("BFF_MAX_IN_FLIGHT=3\n")
    service.signal(signal.SIGHUP)
    until(lambda: in_force(service)["max_in_flight"] == 3, "the reloaded number")
