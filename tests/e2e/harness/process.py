# SPDX-License-Identifier: Apache-2.0
"""One program under test: started, read line by line, ended, and held to a clean end."""
import json
import os
import re
import signal
import subprocess
import threading
import time

from . import image
from .paths import PATIENCE
from .waiting import TookTooLong

_SANITIZER_REPORT = re.compile(
    r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:)")
_KEPT_ENVIRONMENT = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")


def kept_environment():
    """What a program under test gets from the tests' own environment."""
    return {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}


class EndedEarly(AssertionError):
    """The program ended before it was ready. `status` is its exit status, `output` what it said."""

    def __init__(self, name, status, output):
        super().__init__(f"{name} ended with status {status} before it was ready:\n{output}")
        self.status = status
        self.output = output


class Process:
    """A child with its standard output collected. Standard input is a pipe that stays open."""

    def __init__(self, argv, directory, env=None, name=None, pass_fds=()):
        self.name = name or os.path.basename(str(argv[0]))
        self.log_path = directory / f"{self.name}.log"
        self.stderr_path = directory / f"{self.name}.stderr"
        self.lines = []
        self.ended = False
        self._changed = threading.Condition()
        self._closed = False
        kept = kept_environment()
        image.let_in(directory)
        with open(self.stderr_path, "wb") as stderr:
            self.child = subprocess.Popen(
                [str(word) for word in argv], cwd=directory, env={**kept, **(env or {})},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, pass_fds=pass_fds)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self.child.pid

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    @property
    def output(self):
        return "\n".join(self.lines) + "\n" + self.stderr

    def _read(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            for raw in self.child.stdout:
                line = raw.decode(errors="replace").rstrip("\n")
                log.write(line + "\n")
                log.flush()
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def records(self):
        """The lines so far that are JSON objects."""
        return [record for record in map(_parse, list(self.lines)) if record is not None]

    def wait_record(self, matches, what, timeout_s=15.0):
        """The first JSON line for which matches(record) holds."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        seen = 0
        while True:
            with self._changed:
                fresh, seen = self.lines[seen:], len(self.lines)
                closed = self._closed
            for record in map(_parse, fresh):
                if record is not None and matches(record):
                    return record
            if closed:
                raise EndedEarly(self.name, self.child.wait(), self.output)
            with self._changed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TookTooLong(f"{self.name}: no line with {what}; it said:\n{self.output}")
                if len(self.lines) == seen and not self._closed:
                    self._changed.wait(left)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout_s=20.0):
        """Exit status; negative for a signal. Kills what does not end, and says so."""
        try:
            status = self.child.wait(timeout_s * PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            self._finish()
            raise TookTooLong(f"{self.name} did not end; it said:\n{self.output}") from None
        self._finish()
        return status

    def _finish(self):
        self.ended = True
        self._reader.join()
        self.child.stdin.close()
        self.child.stdout.close()

    def stop(self, timeout_s=20.0):
        """Ends it as an orchestrator does and asserts that it ended well. Does nothing when the test
        has waited for the end itself."""
        if self.ended:
            return
        if self.child.poll() is None:
            self.signal(signal.SIGTERM)
        self.assert_clean(self.wait(timeout_s))

    def kill(self):
        """For tests about lost processes: no clean end is expected."""
        if self.child.poll() is None:
            self.child.kill()
        self.wait()

    def assert_clean(self, status, expected=0):
        report = _SANITIZER_REPORT.search(self.stderr)
        assert not report, f"{self.name} printed a sanitizer report:\n{self.stderr}"
        assert status == expected, f"{self.name} ended with status {status}:\n{self.output}"


def _parse(line):
    if not line.startswith("{"):
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None
