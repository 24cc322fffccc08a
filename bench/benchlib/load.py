# SPDX-License-Identifier: Apache-2.0
"""The load: wrk on its core, a warm-up and a measured window, and only good answers."""
import dataclasses
import json
import signal
import subprocess
import time

from . import machine, processes
from .subjects import ceremony_body, start_request
from .upstream import USER

THE_END_S = 60  # wrk itself would stop then; it is interrupted before
WARM_S = 0.3
WARM_CONNECTION_S = {"plain": 0.0005, "tls": 0.003}  # more for each connection upstream that may have to be made
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
    def __init__(self, core, directory, window_s, warm_s=WARM_S):
        self.core = core
        self.directory = directory
        self.window_s = window_s
        self.warm_s = warm_s

    def measure(self, subject, connections):
        """A Sample of one window; Failed when any answer was bad."""
        warm_s = self.warm_s + connections * WARM_CONNECTION_S[subject.transport]
        if not subject.ceremonies:
            bodies = "-"
            if subject.request.bodies:
                bodies = self._write(subject, "bodies", subject.request.bodies)
            return self._sample(subject, connections, warm_s, bodies, bodies)
        for spare in HANDLES_SPARE:
            try:
                return self._sample(subject, connections, warm_s, *self._handles(subject, connections, warm_s, spare))
            except RanOut:
                continue
        raise processes.Failed(f"{subject.label}, {connections} connections: there were never handles enough")

    def _sample(self, subject, connections, warm_s, warm, window):
        self._wrk(subject, connections, warm, warm_s)
        before = machine.cpu_us(subject.pids)
        result = self._wrk(subject, connections, window, self.window_s)
        used = machine.cpu_us(subject.pids) - before
        return Sample(used / result["requests"], result["requests"] * 1e6 / result["duration_us"], result["p50"],
                      result["p99"], result["p99.9"], machine.resident_kib(subject.pids))

    def _handles(self, subject, connections, warm_s, spare):
        """(file for the warm-up, file for the window): bodies with a handle each, for it can be used once. They
        come from real starts, before anything is measured."""
        subject.upstream.fresh(TOKENS_MAX_AGE_S)
        minted = self.directory / "handles"
        minted.write_text("")
        self.run(subject, connections, (warm_s + self.window_s) * spare, "mint.lua",
                 [start_request().path, json.dumps({"user_id": USER}), minted])
        bodies = [ceremony_body(handle) for handle in minted.read_text().split()]
        share = int(len(bodies) * warm_s / (warm_s + self.window_s))
        if share < 2:
            raise processes.Failed(f"{subject.label}: only {len(bodies)} handles were made\n{subject.said()}")
        return self._write(subject, "warm", bodies[:share]), self._write(subject, "window", bodies[share:])

    def _write(self, subject, kind, lines):
        path = self.directory / f"{subject.label}.{kind}".replace(" ", "-")
        path.write_text("\n".join(lines) + "\n")
        return path

    def _wrk(self, subject, connections, bodies, seconds):
        request = subject.request
        output = self.run(subject, connections, seconds, "requests.lua",
                          [request.method, request.path, request.authorization or "-", bodies])
        result = json.loads(output.splitlines()[-1])
        if subject.ceremonies and result["requests"] + connections >= len(bodies.read_text().splitlines()):
            raise RanOut
        bad = result["status"] + result["socket"] + result["timeout"]
        if bad or not result["requests"]:
            raise processes.Failed(
                f"{subject.label}, {connections} connections: {result['requests']} answers, of them "
                f"{result['status']} with a bad status; {result['socket']} socket errors, {result['timeout']} "
                f"timeouts.\n{_excerpt(subject)}")
        return result

    def run(self, subject, connections, seconds, script, arguments):
        """wrk for so long from its first request on; its output. wrk itself counts whole seconds, but
        SIGINT ends it at any moment."""
        argv = processes.pinned(self.core, [
            "wrk", "-t", 1, "-c", connections, "-d", f"{THE_END_S}s", "--timeout", "10s",
            "-s", processes.TEMPLATES / script, subject.url, "--", *arguments])
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, start_new_session=True) as wrk:
            try:
                output = wrk.stdout.readline()
                if output == "started\n":
                    time.sleep(seconds)
                    wrk.send_signal(signal.SIGINT)
                output += wrk.communicate(timeout=30)[0]
            except BaseException:
                wrk.kill()
                raise
        if wrk.returncode:
            raise processes.Failed(f"wrk ended with status {wrk.returncode}:\n{output[-1000:]}")
        return output


def _excerpt(subject):
    """What the subject says now to the same request, and what it said last."""
    try:
        subject.probe()
        now = "One more request got a good answer."
    except processes.Failed as error:
        now = str(error)
    return f"{now}\n{subject.said()}"
