# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a deadline. Nothing in the tests sleeps for a fixed time."""
import time

from .paths import PATIENCE

_POLL_S = 0.01


class TookTooLong(AssertionError):
    pass


def until(condition, what, timeout_s=10.0):
    """Calls condition() until it gives something true, and gives that back."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TookTooLong(f"gave up after {timeout_s * PATIENCE:g} s: {what}")
        time.sleep(_POLL_S)
