# SPDX-License-Identifier: Apache-2.0
"""clang-format has nothing to change."""
import re
import subprocess

from c_source import files


def check(root):
    paths = [str(path.relative_to(root)) for path in files(root)]
    done = subprocess.run(["clang-format", "--dry-run", "--style=file", *paths], cwd=root,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    bad = sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: warning: code should be clang-formatted", done.stderr, re.M)))
    yield from (f"{path}: not formatted (./dev format)" for path in bad)
    if done.returncode and not bad:
        yield f"clang-format: {done.stderr.strip()[:300]}"
