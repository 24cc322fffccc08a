# SPDX-License-Identifier: Apache-2.0
"""The process itself: memory that fails, a bare machine, a clock that is wrong, ends that nobody announced."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from faults.marks import row
from harness.device import unique
from faults.quick import TIMEOUT_S, run_quick
from harness.paths import ROOT, SANITIZER, SERVICE
from harness.process import EndedEarly
from harness.waiting import until

sys.path.append(str(ROOT / "tests" / "torture"))

import control as torture  # noqa: E402

ANYBODY = 54321

# A sanitizer's runtime must be the first library, so nothing can be preloaded then.
preloads = pytest.mark.skipif(SANITIZER != "none", reason="nothing can be preloaded into a sanitizer's build")


def start(service, **members):
    return service.client().post("/v1/biometrics/start", {"user_id": unique("user"), **members})


# ---- memory


@row("FP06", lag_excepted="its memory fails")
@preloads
def test_whatever_allocation_fails_nothing_is_accepted_lost_or_kept(record):
    """A sample; all of them: ./dev long."""
    record(re.search(r"injected failures .*", run_quick("torture"))[0])


# ---- a bare machine


def libraries(binary):
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+)", listed)


@pytest.fixture
def bare_root(tmp_path):
    """A root with the program and its libraries in it, and nothing else: no /etc, /tmp, /proc, home."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root")
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           timeout=TIMEOUT_S, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no mount namespace of one's own: {probe.stderr.strip()}")
    root = tmp_path / "root"
    for path in [str(SERVICE), *libraries(SERVICE)]:
        to = root / (path[1:] if path != str(SERVICE) else "biometrics-bff")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    for directory, _, _ in os.walk(tmp_path):
        os.chmod(directory, 0o755)
    return root


@row("FP08", "FP10", "FP11", lag_excepted="starts on a file system of its own")
@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer needs /proc")
def test_it_serves_on_a_read_only_root_without_anything_as_anybody_without_capabilities(
        bare_root, start_emulator, bff):
    """What cannot write anywhere keeps no state."""
    script = bare_root.parent / "enter"
    script.write_text(f"""#!/bin/sh
mount --make-rprivate / && mount --bind {bare_root} {bare_root} && mount -o remount,bind,ro {bare_root} || exit 1
exec chroot --userspec={ANYBODY}:{ANYBODY} {bare_root} /biometrics-bff
""")
    service = bff(start_emulator(tls=False), wrap=lambda argv: ["unshare", "--mount", "sh", str(script)])
    status = pathlib.Path(f"/proc/{service.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{ANYBODY}\s+{ANYBODY}", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert start(service).status == 200


@row("FP10")
@pytest.mark.parametrize("kind", ["absent", "a directory", "no certificate"])
def test_without_certificates_to_trust_it_does_not_start(kind, emulator, bff, tmp_path):
    path = tmp_path / "ca.pem"
    if kind == "a directory":
        path.mkdir()
    elif kind == "no certificate":
        path.write_text("nothing of that kind\n")
    with pytest.raises(EndedEarly) as ended:
        bff(emulator, BFF_UPSTREAM_CA_FILE=path)
    assert ended.value.status == 78
    lines = [line for line in ended.value.output.splitlines() if line and not line.startswith(("note:", "warning:"))]
    assert len(lines) == 1 and "BFF_UPSTREAM_CA_FILE" in lines[0], lines


# ---- the clock


@row("FK15")
@preloads
def test_the_wall_clock_may_be_off_or_step_and_only_claims_are_read_against_it(emulator, bff, phone, tmp_path):
    control = torture.Control(tmp_path)
    service = bff(emulator, BFF_JWT_LEEWAY_S=120, **control.environment)
    user = phone(service, emulator).enroll()
    user.login()
    calls = emulator.call_count("token"), emulator.call_count("jwks")

    for off_by_s in (90, -90):
        control.shared.wall_offset_s = off_by_s
        user.login()
        assert user.whoami().status == 200
    for step_s, code in ((2 * 3600, "token_expired"), (-3600, "invalid_token")):
        control.shared.wall_offset_s = step_s
        assert start(service).status == 200
        assert user.whoami().code == code
        control.shared.wall_offset_s = 0
        assert user.whoami().status == 200
        user.login()
    assert (emulator.call_count("token"), emulator.call_count("jwks")) == calls, "no storm of fetches"


# ---- ends and pauses


class Traffic(threading.Thread):
    """Starts, one after the other, until it is told to stop; whatever becomes of them."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service = service
        self.over = threading.Event()
        self.statuses = []
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                self.statuses.append(start(self.service).status)
            except OSError:
                self.statuses.append(None)


@row("FP11", lag_excepted="kills the process")
def test_after_kill_9_the_next_start_is_clean(emulator, bff):
    for _ in range(3):
        service = bff(emulator, BFF_RATE_PER_USER="0")
        directory = service.log_path.parent
        traffic = Traffic(service)
        until(lambda: traffic.statuses.count(200) > 5, "some answers")
        files = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{service.pid}/fd").iterdir()
                 if fd.is_symlink()]
        assert [name for name in files if name.startswith("/") and not name.startswith("/dev/")
                and name != str(service.stderr_path)] == []
        service.kill()
        traffic.over.set()
        traffic.join()
        assert sorted(os.listdir(directory)) == sorted([service.log_path.name, service.stderr_path.name])


@row("FP12", lag_excepted="aborts the process")
def test_an_abort_leaves_no_core(emulator, bff):
    service = bff(emulator)
    assert start(service).status == 200
    limits = pathlib.Path(f"/proc/{service.pid}/limits").read_text()
    assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.M)
    service.signal(signal.SIGABRT)
    ended = os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)
    assert ended.si_code == os.CLD_KILLED and ended.si_status == signal.SIGABRT
    service.kill()
    assert [name for name in os.listdir(service.log_path.parent) if "core" in name] == []


@row("FP13", lag_excepted="stops the process")
def test_after_a_pause_it_goes_on_with_tokens_that_are_good(start_emulator, bff, phone, long):
    """The long pause is longer than the life of the service's own token."""
    pause_s, token_ttl_s = (60, 40) if long else (5, 3600)
    emulator = start_emulator("--token-ttl", str(token_ttl_s))
    service = bff(emulator)
    user = phone(service, emulator).enroll()
    user.login()
    emulator.clear_calls()

    service.signal(signal.SIGSTOP)
    time.sleep(pause_s)  # the pause is the fault, not a wait for something
    service.signal(signal.SIGCONT)
    for _ in range(5):
        assert start(service).status == 200
    user.login()
    assert user.whoami().status == 200
    refused = [call for call in emulator.calls() if call["status"] in (401, 403)]
    assert refused == [], "an expired token was sent"
