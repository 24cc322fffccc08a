# SPDX-License-Identifier: Apache-2.0
"""The vendor of the stress runs: an emulator with a journal on disk, and the proxy that cuts its
connections. Plain HTTP, so that the proxy sees where a request ends."""
import pathlib
import sys

from harness.emulator import Emulator
from harness.process import Process

HERE = pathlib.Path(__file__).resolve().parent
KEYS_PER_USER = 100_000

# No limit of ours stands between the phones and the vendor, and its trouble is ours to bear. ES256: the vendor's signatures would else be
# most of the work.
SETTINGS = {"BFF_JWT_ALGORITHMS": "ES256", "BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0",
            "BFF_UPSTREAM_MAX_PER_SECOND": "0", "BFF_UPSTREAM_BREAKER_FAILURES": "0",
            "BFF_UPSTREAM_REPEATS_PERCENT": "100"}


def stress_emulator(directory, *arguments):
    """.call_log is the file that gets a line for each call."""
    call_log = directory / "vendor-calls"
    emulator = Emulator(directory, "--alg", "ES256", "--call-log", call_log, *arguments, tls=False)
    emulator.call_log = call_log
    emulator.settings(keys_per_user_max=KEYS_PER_USER)
    return emulator


class CuttingProxy(Process):
    """cuts: {name: chance}. After stop() `counts` says what was cut."""

    def __init__(self, directory, emulator, seed, cuts):
        self.cut_log = directory / "cuts"
        argv = [sys.executable, HERE / "cutting_proxy.py", "--to", emulator.url.rpartition("/")[2],
                "--seed", seed, "--log", self.cut_log]
        for name, chance in cuts.items():
            argv += ["--cut", f"{name}={chance}"]
        super().__init__(argv, directory, name="cutting-proxy")
        self.port = self.wait_record(lambda record: record.get("event") == "ready", "event ready")["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.counts = None

    def stop(self, timeout_s=20.0):
        super().stop(timeout_s)
        self.counts = next(record for record in self.records() if record.get("event") == "counts")
