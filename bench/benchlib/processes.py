# SPDX-License-Identifier: Apache-2.0
"""Children that are pinned, that are ended in any case, and whose output is drained and shown when they fail."""
import collections
import fcntl
import os
import pathlib
import socket
import subprocess
import threading
import time

PIPE_BYTES = 1 << 20
# A pipe of that size is emptied now and then: a reader that woke for each line would take the load's core from
# the load. At 20,000 lines a second of 500 bytes it holds 200 KB by then.
DRAIN_PAUSE_S = 0.02
TAIL_CHUNKS = 4
PATIENCE_S = 20
TEMPLATES = pathlib.Path(__file__).resolve().parent.parent / "templates"


class Failed(Exception):
    """The benchmark cannot say anything; the text says why."""


# Daemons lie where an ordinary user's PATH does not look.
PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def pinned(core, argv):
    """The command line on its core; it gets SIGTERM should this process die."""
    words = ["setpriv", "--pdeathsig", "SIGTERM"]
    words += ["taskset", "-c", str(core)] if core is not None else []
    return [*words, *map(str, argv)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def template(name, directory, **values):
    """Fills @NAME@ in a template; the path of the result."""
    text = (TEMPLATES / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", str(value))
    path = directory / name
    path.write_text(text)
    return path


class Child:
    """A process in a session of its own (Ctrl-C is ours to handle). Standard output is a pipe that a
    thread empties, as a container runtime does, and its end is kept."""

    def __init__(self, name, argv, core, directory, env=None):
        self.name = name
        self.stderr_path = directory / "stderr"
        self._tail = collections.deque(maxlen=TAIL_CHUNKS)
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(pinned(core, argv), cwd=directory, env={"PATH": PATH, **(env or {})},
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                                            start_new_session=True)
        self._pause_s = DRAIN_PAUSE_S if _widen(self.process.stdout) else 0
        self.lines = []
        self._drain = threading.Thread(target=self._read, daemon=True)
        self._drain.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        fd = self.process.stdout.fileno()
        while data := os.read(fd, PIPE_BYTES):
            if len(self.lines) < 64:
                self.lines += data.decode(errors="replace").splitlines()
            self._tail.append(data[-4096:])
            time.sleep(self._pause_s)

    def said(self):
        """The end of what it said."""
        out = b"".join(self._tail)[-2000:].decode(errors="replace")
        return (out + self.stderr_path.read_text(errors="replace")[-2000:]).strip()

    def wait_until(self, ready, what):
        """Polls ready() until it gives something."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = ready()
            if found:
                return found
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.said()}")
            time.sleep(0.01)
        raise Failed(f"{self.name}: no {what} within {PATIENCE_S} s:\n{self.said()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drain.join(5)
        self.process.stdout.close()


def _widen(pipe):
    """Whether the pipe holds PIPE_BYTES now."""
    try:
        return fcntl.fcntl(pipe, 1031, PIPE_BYTES) >= PIPE_BYTES  # F_SETPIPE_SZ
    except OSError:
        return False


def answers_on(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0
