# SPDX-License-Identifier: Apache-2.0
"""The decorator with which a test says what row of the catalogue it proves."""
import pytest

from .catalogue import BY_ID


def row(*ids, long=False, lag_excepted=None):
    """long: the test has no short form, and runs in `./dev faults --long` alone. lag_excepted: why the
    service's loops may stand still in this test ("stops the process", "throttled", "traced")."""
    unknown = [one for one in ids if one not in BY_ID]
    if unknown or not ids:
        raise ValueError(f"no such row: {', '.join(unknown) or 'none given'} (tests/faults/catalogue.py)")
    return pytest.mark.row(*ids, long=long, lag_excepted=lag_excepted)
