# SPDX-License-Identifier: Apache-2.0
"""A service whose configuration file is in the hands of the test."""
import base64
import json
import signal

from .device import unique
from .waiting import until


class Reloadable:
    """It reads its configuration again when the test says so; watch: when a file changes, too."""

    def __init__(self, start, directory, upstream, lines, wait_ready=True, watch=False, **config):
        self.file = directory / "bff.conf"
        self.write(**lines)
        self.service = start(upstream, arguments=["--config", self.file], wait_ready=wait_ready,
                             **{"BFF_CONFIG_WATCH": str(watch).lower(), **dict.fromkeys(lines), **config})

    def write(self, **lines):
        self.file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def outcomes(self):
        return self.service.events("config.reload")

    def reload(self, **lines):
        """The log line of a reload; without lines the file stays as it is."""
        if lines:
            self.write(**lines)
        return self.outcome_of(lambda: self.service.signal(signal.SIGHUP))

    def outcome_of(self, act):
        """The log line of the reload that comes of an act."""
        said = len(self.service.lines)
        act()
        until(lambda: any('"config.reload"' in line for line in self.service.lines[said:]),
              "the outcome of a reload")
        return next(json.loads(line) for line in self.service.lines[said:] if '"config.reload"' in line)

    def start(self, **members):
        return self.service.client().post("/v1/biometrics/start", {"user_id": unique("user"), **members})


def base64_lines(*keys):
    return "".join(base64.b64encode(key).decode() + "\n" for key in keys)
