# SPDX-License-Identifier: Apache-2.0
"""Runs the unit and the end-to-end tests of a build directory and prints what they reached.

The suites' own output is shown as it comes. What the end-to-end tests measured about themselves
(error rows reached, tokens refused, ...) they leave as JSON files in BFF_TEST_REPORT_DIR. The last
line is "N passed, N failed"; the exit status is 1 when anything failed or nothing ran.

A test that failed is run once more, alone: a machine that takes the processor away for seconds breaks
tests that wait for other processes. What then passes counts as passed and is listed by name, so that it
is seen. What a second run cannot take back is not run again: a sanitizer's report, a secret that showed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHECK_TOTALS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)

# A failure that stands whatever a second run says, and how many failures are no accident any more.
FINAL = re.compile(r"sanitizer report|Sanitizer|runtime error:|SecretShown")
AGAIN_MAX = 12

# Under ThreadSanitizer: the unit tests that start threads, and the end-to-end tests but for those that
# send many cases through one and the same path, judge programs of ours that all the others run, too, or run
# commands that start no thread.
THREADED_UNIT = "conn_share|crypto_trust|log|metrics|keeper|store|loop|seal|http_client|http_server|resolver"
ONE_PATH_E2E = ("test_jwt_attacks.py", "test_framing.py", "test_json_bodies.py", "test_json_from_the_vendor.py",
                "test_openapi.py", "test_configuration.py", "test_config_schema.py", "test_audit.py", "test_commands.py",
                "test_harness.py", "test_emulator.py", "test_virtual_phone.py", "test_demo.py", "test_load_generator.py")

# No program of the build runs in these: the plain run is enough.
PYTHON_ONLY_E2E = ("test_stress_journals.py", "test_faults_verdict.py")

# What an image differs in from a build: its user, its files and paths, its certificates and libraries (OpenSSL,
# libcurl with what they do with tokens, secrets and HTTP/2), how it is started, told and ended.
OF_AN_IMAGE_E2E = ("test_authenticate.py", "test_client_auth.py", "test_config_watch.py", "test_configuration.py",
                   "test_confinement.py", "test_hardening.py", "test_http2.py", "test_life_cycle.py",
                   "test_memory_after_rotation.py", "test_reload.py", "test_secrets.py", "test_session.py",
                   "test_socket_activation.py", "test_watchdog.py")

# Under AddressSanitizer also the tests of faults that feed the service broken answers, handshakes and frames.
BROKEN_INPUT = "faults/test_upstream_*.py"


def unit_counts(tests):
    """Counts of a meson test log: libcheck's own totals where a test printed them."""
    passed = failed = 0
    for test in tests:
        good = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
        totals = CHECK_TOTALS.findall(test.get("stdout") or "")
        bad = sum(int(failures) + int(errors) for _, failures, errors in totals)
        checks = sum(int(count) for count, _, _ in totals)
        if not totals:
            passed, failed = passed + good, failed + (not good)
        else:
            passed += checks - bad
            failed += bad if bad or good else 1
    return passed, failed


def run_unit(build, names_matching):
    listed = subprocess.run(["meson", "test", "-C", str(build), "--list", "--suite", "unit"],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    # "project:unit / name" or "name", by meson version
    names = [line.split(" / ")[-1].strip() for line in listed.stdout.splitlines()
             if line and not line.startswith("ninja:")]
    chosen = [name for name in names if re.search(names_matching, name)]
    if not chosen:
        return 0, 0
    tests = meson_test(build, chosen)
    bad = [test for test in tests if test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")]
    if bad and may_run_again([test.get("stdout", "") + test.get("stderr", "") for test in bad]):
        again = [test["name"].split(" / ")[-1] for test in bad]
        say_again(again)
        tests = [test for test in tests if test not in bad] + meson_test(build, again)
    passed, failed = unit_counts(tests)
    return passed, failed + max(0, len(chosen) - len(tests))


def meson_test(build, names):
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    # The longest of them wait for deadlines to pass.
    jobs = os.environ.get("BFF_TEST_JOBS", str(2 * (os.cpu_count() or 1)))
    subprocess.run(["meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs",
                    "--num-processes", jobs, "--timeout-multiplier", "4", *names], stdin=subprocess.DEVNULL)
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines()]


def may_run_again(texts):
    return len(texts) <= AGAIN_MAX and not any(FINAL.search(text) for text in texts)


def say_again(names):
    print("".join(f"\nrun again, for it failed at first: {name}" for name in names), flush=True)


def junit_counts(path):
    passed = failed = skipped = 0
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        failed += bad
        skipped += int(suite.get("skipped"))
        passed += int(suite.get("tests")) - bad - int(suite.get("skipped"))
    return passed, failed, skipped


def run_pytest(build, reports, name, arguments, settings=None):
    """(passed, failed, skipped) of tests/run with these arguments; paths are relative to tests/."""
    junit = reports / f"{name}.xml"
    junit.unlink(missing_ok=True)
    env = dict(os.environ, BFF_BUILD_DIR=str(build), BFF_TEST_REPORT_DIR=str(reports), **(settings or {}))
    status = subprocess.run(["bash", "run", f"--junitxml={junit}", *arguments], cwd=ROOT / "tests", env=env,
                            stdin=subprocess.DEVNULL).returncode
    if not junit.exists():
        return (0, 0, 0) if status == 5 else (0, 1, 0)
    passed, failed, skipped = junit_counts(junit)
    if failed:
        return pytest_again(reports, name, env, passed, failed, skipped)
    return passed, 0 if status in (0, 5) else 1, skipped


def run_e2e(build, reports, expression, ignored, chosen):
    arguments = [*chosen, *(f"--ignore=e2e/{name}" for name in ignored)]
    return run_pytest(build, reports, "e2e", arguments + (["-k", expression] if expression else []))


def pytest_again(reports, name, env, passed, failed, skipped):
    """The failed ones once more, one at a time."""
    path = reports / "e2e.failures"
    failures = json.loads(path.read_text()) if path.exists() else {}
    if not failures or not may_run_again(list(failures.values())):
        return passed, failed, skipped
    say_again(failures)
    junit = reports / f"{name}-again.xml"
    junit.unlink(missing_ok=True)
    subprocess.run(["bash", "run", "-n", "0", f"--junitxml={junit}", *failures], cwd=ROOT / "tests",
                   env=dict(env, BFF_TEST_AGAIN="1"), stdin=subprocess.DEVNULL)
    if not junit.exists():
        return passed, failed, skipped
    good, bad, _ = junit_counts(junit)
    return passed + good, max(bad, len(failures) - good), skipped


def report_dir(build):
    reports = pathlib.Path(os.environ.get("BFF_TEST_REPORT_DIR", build / "reports")).resolve()
    reports.mkdir(parents=True, exist_ok=True)
    return reports


def print_reports(reports):
    """Each report is {"title": ..., "lines": ["...", ...]}; sorted by file name."""
    for path in sorted(reports.glob("*.json")):
        report = json.loads(path.read_text())
        for line in report.get("lines", []):
            print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--suite", choices=("all", "asan", "threads", "image", "image-quick"), default="all")
    parser.add_argument("--filter", default="")
    options = parser.parse_args()

    reports = report_dir(options.build)
    for old in [*reports.glob("*.json"), *reports.glob("rows/e2e.json")]:
        old.unlink()

    threads = options.suite == "threads"
    image = options.suite.startswith("image")  # its binary is tested from outside (tools/image_run.sh)
    unit = (0, 0) if image else run_unit(options.build, options.filter and re.escape(options.filter)
                                         or (THREADED_UNIT if threads else ""))
    sys.stdout.flush()
    more = sorted(str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").glob(BROKEN_INPUT))
    ignored = {"all": (), "threads": ONE_PATH_E2E + PYTHON_ONLY_E2E}.get(options.suite, PYTHON_ONLY_E2E)
    chosen = {"asan": ["e2e", *more], "image": ["e2e", "image"],
              "image-quick": [f"e2e/{name}" for name in OF_AN_IMAGE_E2E] + ["image"]}.get(options.suite, ["e2e"])
    e2e = run_e2e(options.build, reports, options.filter, ignored, chosen)

    print()
    print(f"unit: {unit[0]} passed, {unit[1]} failed")
    print(f"end to end: {e2e[0]} passed, {e2e[1]} failed" + (f", {e2e[2]} skipped" if e2e[2] else ""))
    print_reports(reports)
    passed, failed = unit[0] + e2e[0], unit[1] + e2e[1]
    if passed + failed == 0:
        print("no test matched")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
