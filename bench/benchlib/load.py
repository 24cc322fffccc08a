# SPDX-License-Identifier: Apache-2.0
"""The load: wrk on its core, a warm-up and a measured window, and only good answers."""
import dataclasses
import json
import signal
import subprocess
import time

from . import machine, processes

THE_END_S = 60  # wrk itself would stop then; it is interrupted before
WARM_S = 0.3
WARM_CONNECTION_S = 0.003  # more for each connection, which upstream may be a TLS handshake


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
        bodies = self._bodies(subject, subject.request.bodies)
        self._wrk(subject, connections, bodies, WARM_S + connections * WARM_CONNECTION_S)
        before = machine.cpu_us(subject.pids) if subject.pids else 0.0
        result = self._wrk(subject, connections, bodies, self.window_s)
        used = machine.cpu_us(subject.pids) - before if subject.pids else 0.0
        return Sample(used / result["requests"], result["requests"] * 1e6 / result["duration_us"], result["p50"],
                      result["p99"], result["p99.9"], machine.resident_kib(subject.pids or []))

    def _bodies(self, subject, lines):
        if not lines:
            return "-"
        path = self.directory / f"{subject.label}.bodies".replace(" ", "-")
        path.write_text("\n".join(lines) + "\n")
        return path

    def _wrk(self, subject, connections, bodies, seconds):
        request = subject.request
        output = self.run(subject, connections, seconds, "requests.lua",
                          [request.method, request.path, request.authorization or "-", bodies])
        result = json.loads(output.splitlines()[-1])
        bad = result["status"] + result["socket"] + result["timeout"]
        if bad or not result["requests"]:
            raise processes.Failed(
                f"{subject.label}, {connections} connections: {result['requests']} answers, of them "
                f"{result['status']} with a bad status; {result['socket']} socket errors, {result['timeout']} "
                f"timeouts.\n{_excerpt(subject)}")
        return result

    def run(self, subject, connections, seconds, script, arguments):
        """wrk for so long; its output. wrk counts whole seconds, SIGINT ends it at any moment."""
        argv = processes.pinned(self.core, [
            "wrk", "-t", 1, "-c", connections, "-d", f"{THE_END_S}s", "--timeout", "10s",
            "-s", processes.TEMPLATES / script, subject.url, "--", *arguments])
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, start_new_session=True) as wrk:
            try:
                time.sleep(seconds)
                wrk.send_signal(signal.SIGINT)
                output, _ = wrk.communicate(timeout=30)
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
