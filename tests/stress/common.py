# SPDX-License-Identifier: Apache-2.0
"""What the stress programs share. Each is a program with `--quick` that prints its figures, says in the
last line "NAME: passed" or "NAME: FAILED", and exits with 1 when a line of its verdict does not hold;
`./dev long` runs them all. Those that are judged by figures are made of run(options), which yields
verdicts, and hand that to main()."""
import argparse
import contextlib
import csv
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from harness import descriptors  # noqa: E402
from harness.paths import BUILD  # noqa: E402
from harness.stopping import stop_all  # noqa: E402

LOAD = BUILD / "tests" / "stress" / "load"


@dataclasses.dataclass
class Verdict:
    what: str  # the promise, with its bound
    figure: str  # what was measured
    good: bool


def at_most(what, value, bound, unit=""):
    return Verdict(f"{what} at most {bound:g}{unit}", f"{value:.4g}{unit}", value <= bound)


def at_least(what, value, bound, unit=""):
    return Verdict(f"{what} at least {bound:g}{unit}", f"{value:.4g}{unit}", value >= bound)


def exactly(what, value, expected):
    return Verdict(f"{what}: {expected}", f"{value}", value == expected)


def main(name, document, run, add_arguments=None):
    """run(options) yields verdicts; options.directory is a scratch directory. Exit status."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    if add_arguments:
        add_arguments(parser)
    options = parser.parse_args()
    descriptors.raise_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends, too
    failed = count = 0
    with tempfile.TemporaryDirectory(prefix=f"bff-{name}-") as scratch:
        options.directory = pathlib.Path(scratch)
        for verdict in run(options):
            count += 1
            failed += not verdict.good
            print(f"  {'good  ' if verdict.good else 'FAILED'}  {verdict.what}: {verdict.figure}", flush=True)
    print(f"{name}: {'FAILED' if failed or not count else 'passed'}", flush=True)
    return 1 if failed or not count else 0


def tail_of(options):
    """The quick form has too few requests for a p99 that is more than its two slowest."""
    return "p90" if options.quick else "p99"


def say(text):
    print(f"  {text}", flush=True)


@contextlib.contextmanager
def running():
    """A list: what is appended to it is stopped at the end, the last first."""
    things = []
    try:
        yield things
    finally:
        stop_all(reversed(things))


# ---- load


@dataclasses.dataclass
class Report:
    """What tests/stress/load.c printed, and its samples: (seconds since the start at which a request was
    due, latency in ms, status or name of a failure, problem code)."""
    document: dict
    samples: list

    def count(self, *statuses):
        return sum(self.document["status"].get(str(status), {}).get("count", 0) for status in statuses)

    def ms(self, status, quantile="p99"):
        """Latency in ms; none at all counts as infinite."""
        return self.document["status"].get(str(status), {}).get(f"{quantile}_ms", float("inf"))

    @property
    def failed(self):
        return sum(self.document["failed"].values())

    def __str__(self):
        status = {name: f"{row['count']} (p50 {row['p50_ms']:.1f}, p99 {row['p99_ms']:.1f}, max {row['max_ms']:.1f} ms)"
                  for name, row in self.document["status"].items()}
        parts = [f"{name}: {text}" for name, text in status.items()]
        parts += [f"{name}: {count}" for name, count in {**self.document["failed"], **self.document["codes"]}.items()]
        return ", ".join(parts)


class Load:
    """A generator that runs; wait() for its Report. Requests: bytes, whole messages."""

    def __init__(self, directory, service, requests, connections, **options):
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=directory))
        (self.directory / "requests").write_bytes(requests)
        argv = [LOAD, "--port", service.address("public")[1], "--connections", connections,
                "--requests", self.directory / "requests", "--samples", self.directory / "samples"]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-"), value]
        self.child = subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, text=True)

    def wait(self):
        out, _ = self.child.communicate()
        if self.child.returncode != 0:
            raise AssertionError(f"the generator of load ended with status {self.child.returncode}")
        with open(self.directory / "samples", encoding="utf-8") as lines:
            samples = [(int(row[0]) / 1e6, int(row[1]) / 1000, row[2], row[3]) for row in csv.reader(lines)]
        return Report(json.loads(out), samples)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.communicate()


def post(path, document, headers=""):
    """A request with a JSON body; "{n}" in the document becomes a number of ten digits."""
    body = json.dumps(document).encode()
    length = len(body) + body.count(b"{n}") * (10 - 3)
    return (f"POST {path} HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {length}\r\n\r\n").encode() + body


def get(path, headers=""):
    return f"GET {path} HTTP/1.1\r\nHost: bff\r\n{headers}\r\n".encode()


# ---- the process


def resident_bytes(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {field}")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Peak:
    """The largest resident memory of a process, seen every 50 ms."""

    def __init__(self, pid):
        self.pid = pid
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(0.05):
            self.bytes = max(self.bytes, resident_bytes(self.pid))

    def stop(self):
        self._stop.set()
        self._thread.join()


def wait_until(condition, what, timeout_s=20):
    """Seconds that it took."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s > timeout_s:
            raise AssertionError(f"it did not come: {what}")
        time.sleep(0.02)
    return time.monotonic() - began_s
