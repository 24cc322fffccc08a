# SPDX-License-Identifier: Apache-2.0
"""Checks everything in deploy/ with the real tools: the steps of STEPS, one after the other, each
independent of the others, with the programs in BFF_BUILD_DIR (default: build/). A step is a function of
tests/deploy that gets a Context, returns a line for the reader and raises Found (or any error) when
something is wrong. The last line is "N passed, N failed"."""
import argparse
import pathlib
import subprocess
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from deploy import compose, dashboard, helm, prometheus, prometheus_live, proxies, units  # noqa: E402 after the path is set
from deploy.context import Context, Found  # noqa: E402
from harness.paths import BUILD  # noqa: E402

STEPS = [
    ("helm lint", helm.lint),
    ("helm schemas", helm.schemas),
    ("helm policy", helm.policies),
    ("helm refusals", helm.refusals),
    ("helm keys", helm.keys),
    ("helm configuration", helm.configuration),
    ("helm audit", helm.audit),
    ("helm memory table", helm.memory_table),
    ("helm pod as a process", helm.as_a_process),
    ("compose file", compose.check),
    ("prometheus lint", prometheus.lint_step),
    ("promtool", prometheus.check),
    ("dashboard lint", dashboard.lint_step),
    ("prometheus with requests", prometheus_live.check),
    ("nginx -t", proxies.nginx_syntax),
    ("haproxy -c", proxies.haproxy_syntax),
    ("nginx with requests", proxies.nginx),
    ("haproxy with requests", proxies.haproxy),
    ("systemd verify", units.verify),
    ("systemd security", units.security),
]


def explain(error):
    """What went wrong, for the reader: our own findings as they are, everything else with its place."""
    if isinstance(error, Found):
        return "\n".join(error.args)
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error}\n{error.stdout or ''}{error.stderr or ''}"
    return "".join(traceback.format_exception(error))


def run(name, function, context):
    """Whether it passed."""
    begin = time.monotonic()
    try:
        said = function(context)
        result = f"ok      {name} ({time.monotonic() - begin:.1f} s)" + (f": {said}" if said else "")
    except Exception as error:  # whatever a step raises is its verdict, and the others still run
        result = f"FAILED  {name} ({time.monotonic() - begin:.1f} s)\n{explain(error)}"
    print(result, flush=True)
    return result.startswith("ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", required=True, type=pathlib.Path, help="where downloaded tools are kept")
    parser.add_argument("--only", action="append", metavar="NAME", help="this step alone; repeatable")
    parser.add_argument("--list", action="store_true", help="print the steps' names")
    options = parser.parse_args()
    if options.list:
        print("\n".join(name for name, _ in STEPS))
        return 0
    unknown = set(options.only or ()) - {name for name, _ in STEPS}
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))}; there are: {', '.join(n for n, _ in STEPS)}")
    chosen = [step for step in STEPS if not options.only or step[0] in options.only]
    with Context(ROOT, BUILD, options.cache.resolve()) as context:
        passed = sum([run(name, function, context) for name, function in chosen])
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return 0 if passed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
