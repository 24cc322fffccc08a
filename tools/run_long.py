# SPDX-License-Identifier: Apache-2.0
"""Runs what is too long for every change: each program of tests/stress in its full form and the long form
of the tests of faults. Each program's own output is shown as it comes; the table at the end has a line for
each, with its verdict, how long it took and the lines of its verdict that did not hold. The exit status is
1 when one failed; the last line is "N passed, N failed"."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRESS = ROOT / "tests" / "stress"

# In the order of the table: name, what runs, what it takes for the short form.
RUNS = {
    **{name: ([STRESS / f"{name}.py"], ["--quick"]) for name in (
        "overload", "slowloris", "kid_flood", "duplicates", "fleet", "chaos", "rotation", "torture", "syscalls", "soak")},
    "faults": ([ROOT / "tools" / "run_faults.py", "--long"], None),
}
FAILED_LINES_MAX = 5


def available():
    return [name for name, (argv, _) in RUNS.items() if argv[0].exists()]


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build directory")
    parser.add_argument("--only", action="append", choices=available(), help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="the short form of each, a minute or two altogether")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the table as a JSON document")
    return parser.parse_args()


def run(name, given):
    """A line of the table."""
    argv, quick = RUNS[name]
    words = [sys.executable, *argv]
    if given.quick and quick:
        words += quick
    if name == "faults":
        words = [word for word in words if word != "--long" or not given.quick] + ["--build", given.build]
    env = {**os.environ, "BFF_BUILD_DIR": str(given.build), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    print(f"\n==== {name}", flush=True)
    began_s = time.monotonic()
    child = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL, text=True, errors="replace", env=env)
    lines = []
    for line in child.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip("\n"))
    status = child.wait()
    return {"name": name, "passed": status == 0, "seconds": round(time.monotonic() - began_s, 1),
            "last": next((line for line in reversed(lines) if line.strip()), ""),
            "failed": [line.strip() for line in lines if line.strip().startswith("FAILED")], "output": lines}


def run_twice(name, given):
    """In the short form, where a machine that takes the processor away for a moment decides over a ratio, what
    failed is run once more."""
    row = run(name, given)
    if row["passed"] or not given.quick:
        return row
    print(f"once more, for it failed at first: {name}", flush=True)
    again = run(name, given)
    again["last"] += " (at the second run)"
    return again


def print_table(rows):
    print()
    for row in rows:
        print(f"{row['name']:<12} {'passed' if row['passed'] else 'FAILED':<7} {row['seconds']:>8.1f} s  {row['last']}")
        for line in row["failed"][:FAILED_LINES_MAX]:
            print(f"{'':<12} {line}")


def main():
    given = read_arguments()
    given.build = given.build.resolve()
    rows = [run_twice(name, given) for name in given.only or available()]
    print_table(rows)
    if given.json:
        given.json.write_text(json.dumps({"runs": rows}, indent=1) + "\n")
    passed = sum(row["passed"] for row in rows)
    print(f"{passed} passed, {len(rows) - passed} failed")
    return 0 if passed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
