# SPDX-License-Identifier: Apache-2.0
"""Runs the lints (all, or those named) and prints what each found. First the lints' own test: a lint
that cannot fail says nothing. The last line is "N passed, N failed"."""
import argparse
import pathlib
import subprocess
import sys
import time

import c_clang
import c_format
import c_tidy
import generated_docs
import headers_alone
import layers
import openapi_lint
import scripts
import size
import telemetry_names
import unused_exports
import versions
import words

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from deploy import dashboard, prometheus  # noqa: E402 after the path is set

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def own_test(folder):
    done = subprocess.run([sys.executable, "-B", "-m", "unittest", "discover", "-q"], cwd=folder, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        yield done.stderr.strip()


def lints(build):
    return {
        "own test": lambda: own_test(HERE),
        "bench's test": lambda: own_test(ROOT / "bench"),
        "layers": lambda: layers.check(ROOT),
        "size": lambda: size.check(ROOT),
        "words": lambda: words.check(ROOT),
        "versions": lambda: versions.check(ROOT),
        "scripts": lambda: scripts.check(ROOT),
        "format": lambda: c_format.check(ROOT),
        "headers alone": lambda: headers_alone.check(ROOT, build),
        "unused exports": lambda: unused_exports.check(ROOT, build),
        "generated docs": lambda: generated_docs.check(ROOT, build),
        "telemetry names": lambda: telemetry_names.check(ROOT),
        "openapi": lambda: openapi_lint.check(ROOT),
        "alerts": lambda: prometheus.lint(ROOT),
        "dashboard": lambda: dashboard.lint(ROOT),
        "clang": lambda: c_clang.check(ROOT, build),
        "clang-tidy": lambda: c_tidy.check(ROOT, build),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="lints to run; default: all")
    options = parser.parse_args()
    chosen = lints(options.build.resolve())
    unknown = set(options.names) - set(chosen)
    if unknown:
        parser.error(f"no such lint: {', '.join(unknown)}; there are: {', '.join(chosen)}")

    failed = 0
    for name, check in chosen.items():
        if options.names and name not in options.names:
            continue
        begin = time.monotonic()
        try:
            findings = list(check())
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            findings = [f"could not run: {error}"]
        failed += bool(findings)
        print(f"{name}: {len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}"
              f" ({time.monotonic() - begin:.1f} s)", flush=True)
        for line in findings:
            print(f"  {line}", flush=True)
    total = len(options.names or chosen)
    print(f"lint: {total - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
