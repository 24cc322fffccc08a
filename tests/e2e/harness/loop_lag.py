# SPDX-License-Identifier: Apache-2.0
"""The longest turn of an event loop of a service, on the wall clock and in processor time: asked of each
service before a test stops it."""
import http.client

_LARGEST = "bff_loop_lag_max_seconds"
_TIMEOUT_S = 2

_watching = False
_seen = []


def begin(watch):
    """watch: whether the services that end from here on are looked at."""
    global _watching
    _watching = watch
    _seen.clear()


def largest_ms():
    """{"wall": ms, "cpu": ms, "service": the one with the largest of the second}, or None when nothing was
    seen. Of turns under 5 ms the processor time is not known."""
    if not _seen:
        return None
    return {**max(_seen, key=lambda one: one["cpu"]),
            "wall": max(one["wall"] for one in _seen)}


def look(service):
    if not _watching or service.ended or service.child.poll() is not None:
        return
    try:
        series = service.metrics(timeout_s=_TIMEOUT_S)
    except (AssertionError, OSError, http.client.HTTPException):
        return  # it does not answer any more, or never did: the test's affair
    largest = {clock: round(1000 * max((value for name, labels, value in series
                                        if name == _LARGEST and labels["clock"] == clock), default=0), 3)
               for clock in ("wall", "cpu")}
    _seen.append({**largest, "service": service.log_path.parent.name})
