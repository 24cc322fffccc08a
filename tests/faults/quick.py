# SPDX-License-Identifier: Apache-2.0
"""Runs a program of tests/stress in its quick form, for the rows that need one."""
import os
import subprocess
import sys

from harness.paths import BUILD, ROOT

TIMEOUT_S = 240  # never reached: a machine that stands still


def run_quick(name):
    """What it printed; it must have passed."""
    # timeout(1) ends it by SIGTERM, upon which it ends what it has started.
    ran = subprocess.run(["timeout", str(TIMEOUT_S), sys.executable, ROOT / "tests" / "stress" / f"{name}.py", "--quick"],
                         capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         env={**os.environ, "BFF_BUILD_DIR": str(BUILD)})
    print(ran.stdout + ran.stderr)
    assert ran.returncode == 0 and ran.stdout.endswith(f"{name}: passed\n"), ran.stdout + ran.stderr
    return ran.stdout
