# SPDX-License-Identifier: Apache-2.0
"""Ends what a test has started: all of it, whatever the first one says."""


def stop_all(things):
    """Calls stop() of each, then raises the first failure."""
    failures = []
    for thing in things:
        try:
            thing.stop()
        except Exception as failure:  # whatever it is, the others end, too
            failures.append(failure)
    if failures:
        raise failures[0]
