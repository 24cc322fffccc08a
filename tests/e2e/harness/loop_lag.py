# SPDX-License-Identifier: Apache-2.0
"""How long an event loop of a service was kept from its next event, at worst: asked of each service
before a test stops it."""
import http.client

_LARGEST = "bff_loop_lag_max_seconds"
_BUCKET = "bff_loop_lag_seconds_bucket"
_TIMEOUT_S = 2

_watching = False
_seen_ms = []


def begin(watch):
    """watch: whether the services that end from here on are looked at."""
    global _watching
    _watching = watch
    _seen_ms.clear()


def largest_ms():
    return max(_seen_ms, default=None)


def look(service):
    if not _watching or service.ended or service.child.poll() is not None:
        return
    try:
        largest_s = _of(service.metrics(timeout_s=_TIMEOUT_S))
    except (AssertionError, OSError, http.client.HTTPException):
        return  # it does not answer any more, or never did: the test's affair
    if largest_s is not None:
        _seen_ms.append(round(largest_s * 1000, 3))


def _of(series):
    """From the largest itself, or else the bound of the last bucket that grew."""
    largest = [value for name, _, value in series if name == _LARGEST]
    if largest:
        return max(largest)
    bounds = {}
    for name, labels, value in series:
        if name == _BUCKET:
            others = tuple(sorted((key, text) for key, text in labels.items() if key != "le"))
            bounds.setdefault(others, []).append((float(labels["le"]), value))
    found = []
    for buckets in bounds.values():
        buckets.sort()
        found.append(next(bound for bound, count in buckets if count == buckets[-1][1]))
    return max(found, default=None)
