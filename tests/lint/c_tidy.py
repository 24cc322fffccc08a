# SPDX-License-Identifier: Apache-2.0
"""clang-tidy with the checks of .clang-tidy over the files of the compile database, but for the
tests: those are judged by running them, and the check library's macros hide their flow from analysis."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

# gcc's spelling of options that clang wants otherwise.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-unused-command-line-argument",
         "--extra-arg=-ftrivial-auto-var-init=uninitialized"]
# The states that the analyzer looks at in one function: by default 225,000, in which a few functions with
# loops spend most of its time.
EXTRA += [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000")]


def check(root, build):
    entries = json.loads((build / "compile_commands.json").read_text())
    paths = sorted({(pathlib.Path(entry["directory"]) / entry["file"]).resolve() for entry in entries})
    paths = [path for path in paths if root in path.parents and build not in path.parents
             and root / "tests" not in path.parents]

    def tidy(path):
        done = subprocess.run(["clang-tidy", "-p", str(build), "--quiet", *EXTRA, str(path)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        found = re.findall(r"^(\S+:\d+:\d+: (?:warning|error): .*)$", done.stdout, re.M)
        if done.returncode and not found:
            found = [f"{path}: {done.stderr.strip()[:300]}"]
        return [line.removeprefix(f"{root}/") for line in found]

    seen = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for findings in pool.map(tidy, paths):
            for line in findings:
                if line not in seen:
                    seen.add(line)
                    yield line
