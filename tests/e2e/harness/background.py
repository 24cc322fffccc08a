# SPDX-License-Identifier: Apache-2.0
"""What goes on while the test does something else."""
import threading


class InBackground(threading.Thread):
    """A call whose outcome is waited for later."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call = call
        self._outcome = None
        self.start()

    def run(self):
        try:
            self._outcome = self._call()
        except (OSError, EOFError) as lost:
            self._outcome = lost

    def answer(self):
        self.join(60)
        assert not self.is_alive()
        return self._outcome
