# SPDX-License-Identifier: Apache-2.0
"""The service's binary as a command line tool: run to its end, output kept."""
import dataclasses
import subprocess

from . import image
from .paths import PATIENCE, SERVICE
from .process import kept_environment


@dataclasses.dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def lines(self):
        """What it complained about, a line each; notes and warnings left out."""
        return [line for line in self.err.splitlines()
                if line and not line.startswith(("note:", "warning:"))]


def run(*arguments, env=None, stdin=b"", timeout_s=20.0):
    """env: the settings; None as a value removes one."""
    settings = {key: str(value) for key, value in (env or {}).items() if value is not None}
    image.hand_over(settings)
    done = subprocess.run([str(SERVICE), *map(str, arguments)], env={**kept_environment(), **settings},
                          input=stdin, capture_output=True, timeout=timeout_s * PATIENCE, check=False)
    return Done(done.returncode, done.stdout.decode(errors="replace"),
                done.stderr.decode(errors="replace"))
