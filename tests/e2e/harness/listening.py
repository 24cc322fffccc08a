# SPDX-License-Identifier: Apache-2.0
"""Programs that are told a port and cannot say which one they took: one that is free is chosen, and
another one when somebody else was faster."""
import socket

from .process import EndedEarly, Process
from .waiting import until

_ATTEMPTS = 5


def free_port():
    """Of the kernel's choice."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_taken(port):
    """Whether something listens there."""
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Listener(Process):
    """listen(command) starts what command(port) says, until it listens; `port` is where it does."""

    port = None

    def listen(self, directory, command, env=None, listens=None):
        """command(port): argv. env(port): its environment. listens(): that it does, when a connection does not tell."""
        for attempt in range(_ATTEMPTS):
            self.port = free_port()
            try:
                super().__init__(command(self.port), directory, env=env(self.port) if env else None)
                self._wait(listens or (lambda: is_taken(self.port)))
                return
            except EndedEarly:  # somebody else took the port
                if attempt + 1 == _ATTEMPTS:
                    raise

    def _wait(self, listens):
        try:
            until(lambda: self.child.poll() is not None or listens(), f"{self.name} listens")
        except BaseException:
            self.kill()
            raise
        if self.child.poll() is not None:
            raise EndedEarly(self.name, self.wait(), self.output)
