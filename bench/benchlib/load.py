# SPDX-License-Identifier: Apache-2.0
"""One measurement: a warm-up, a window, and only good answers."""
import dataclasses
import json

from . import machine, processes, wrk
from .subjects import ceremony_body, start_request
from .upstream import USER

WARM_S = 0.2
WARM_CONNECTION_S = {"plain": 0.0005, "tls": 0.003}  # more for each connection upstream that may have to be made
# With many connections requests go through the server in waves; the window must hold several.
MANY_CONNECTIONS, WINDOW_FOR_MANY = 128, 1.5
TOKENS_MAX_AGE_S = 30  # of those that authenticate hands out; the service forgives 60
# Handles that are made, in multiples of what start makes in the time for which they must last. Authenticate is
# slower than start; but where other work takes the processor away, a measurement may need more, and is repeated.
HANDLES_SPARE = (1.5, 4, 12)


class RanOut(Exception):
    """Of handles that nobody has used yet."""


@dataclasses.dataclass
class Sample:
    cpu_us: float
    requests_per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    rss_kib: int


class Load:
    def __init__(self, core, directory, window_s):
        self.core = core
        self.directory = directory
        self.window_s = window_s

    def measure(self, subject, connections):
        """A Sample of one window; Failed when any answer was bad."""
        times_s = (WARM_S + connections * WARM_CONNECTION_S[subject.transport],
                   self.window_s * (WINDOW_FOR_MANY if connections >= MANY_CONNECTIONS else 1))
        if not subject.ceremonies:
            bodies = self._write(subject, "bodies", subject.request.bodies)
            return self._sample(subject, connections, times_s, (bodies, bodies))
        for spare in HANDLES_SPARE:
            try:
                return self._sample(subject, connections, times_s, self._handles(subject, connections, times_s, spare))
            except RanOut:
                continue
        raise processes.Failed(f"{subject.label}, {connections} connections: there were never handles enough")

    def _sample(self, subject, connections, times_s, bodies):
        """times_s and bodies: of the warm-up, and of the window."""
        self._run(subject, connections, bodies[0], times_s[0])
        seen = self._run(subject, connections, bodies[1], times_s[1])
        if not seen.requests:
            raise processes.Failed(f"{subject.label}, {connections} connections: no answer in {times_s[1]} s")
        times = seen.summary
        return Sample(seen.cpu_us / seen.requests, seen.requests / seen.seconds, times["p50"], times["p99"],
                      times["p99.9"], machine.resident_kib(subject.pids))

    def _handles(self, subject, connections, times_s, spare):
        """(file for the warm-up, file for the window): bodies with a handle each, for it can be used once. They
        come from real starts, before anything is measured."""
        subject.upstream.fresh(TOKENS_MAX_AGE_S)
        start = dataclasses.replace(subject, request=start_request())
        handles = self.directory / "handles"
        body = self._write(subject, "start", [json.dumps({"user_id": USER})])
        wrk.run(self.core, self.directory, start, connections, sum(times_s) * spare, body, handles)
        bodies = [ceremony_body(handle) for handle in handles.read_text().split()]
        share = int(len(bodies) * times_s[0] / sum(times_s))
        if share < 2:
            raise processes.Failed(f"{subject.label}: only {len(bodies)} handles were made\n{subject.said()}")
        return self._write(subject, "warm", bodies[:share]), self._write(subject, "window", bodies[share:])

    def _write(self, subject, kind, lines):
        """The file with a line each; None for a request without a body."""
        if not lines:
            return None
        path = self.directory / f"{subject.label}.{kind}".replace(" ", "-")
        path.write_text("\n".join(lines) + "\n")
        return path

    def _run(self, subject, connections, bodies, seconds):
        seen = wrk.run(self.core, self.directory, subject, connections, seconds, bodies)
        if subject.ceremonies and seen.sent > len(bodies.read_text().splitlines()):
            raise RanOut
        told = seen.summary
        if told["status"] + told["socket"] + told["timeout"] or not told["requests"]:
            raise processes.Failed(
                f"{subject.label}, {connections} connections: {told['requests']} answers, of them {told['status']} "
                f"with a bad status; {told['socket']} socket errors, {told['timeout']} timeouts.\n{_excerpt(subject)}")
        return seen


def _excerpt(subject):
    """What the subject says now to the same request, and what it said last."""
    try:
        subject.probe()
        now = "One more request got a good answer."
    except processes.Failed as error:
        now = str(error)
    return f"{now}\n{subject.said()}"
