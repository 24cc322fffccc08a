# SPDX-License-Identifier: Apache-2.0
"""What the process gives up by itself, as the kernel sees it: rights, core dumps, its environment, and
where its secrets lie."""
import pathlib
import signal

from harness.waiting import until

_STRANGE = {"SSLKEYLOGFILE": "/nonexistent/keys", "LD_BIND_NOT": "1", "GCONV_PATH": "/nonexistent/gconv",
            "OPENSSL_CONF": "/nonexistent/openssl.cnf", "https_proxy": "http://127.0.0.1:9/",
            "CURL_HOME": "/nonexistent/curl", "MALLOC_CHECK_": "3",
            "AWS_SECRET_ACCESS_KEY": "canary-of-somebody-else"}


def _status(service):
    lines = pathlib.Path(f"/proc/{service.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_gains_no_rights_and_leaves_no_core(shared):
    service = shared.service
    assert _status(service)["NoNewPrivs"].strip() == "1"
    limits = pathlib.Path(f"/proc/{service.pid}/limits").read_text().splitlines()
    core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_what_steers_libraries_is_neither_obeyed_nor_shown(emulator, bff):
    def wrap(argv):
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in _STRANGE.items()), *argv]

    service = bff(emulator, wrap=wrap)
    shown = pathlib.Path(f"/proc/{service.pid}/environ").read_bytes().decode()
    assert "PATH=/" in shown
    assert [value for value in _STRANGE.values() if len(value) > 1 and value in shown] == []
    assert emulator.client_id not in shown
    assert service.client().get("/healthz").status == 200


def _flags_and_kib(pid):
    """[(flags, KiB)] of each mapping."""
    mappings, size = [], 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Size:"):
            size = int(line.split()[1])
        elif line.startswith("VmFlags:"):
            mappings.append((line.split()[1:], size))
    return mappings


def _secret_kib(pid):
    return sum(size for flags, size in _flags_and_kib(pid) if "dd" in flags and "wr" in flags)


def _seal_keys(tmp_path):
    path = tmp_path / "seal-keys"
    path.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    return path


def test_secrets_lie_on_locked_pages_and_are_not_in_a_dump(emulator, bff, tmp_path):
    service = bff(emulator, BFF_SEAL_KEYS_FILE=_seal_keys(tmp_path))
    assert service.events("secret.not_locked") == []
    assert int(_status(service)["VmLck"].split()[0]) >= 3 * 4
    assert all("lo" in flags for flags, _ in _flags_and_kib(service.pid) if "dd" in flags and "wr" in flags)
    before = _secret_kib(service.pid)
    service.signal(signal.SIGHUP)
    service.wait_event("config.reload", event_outcome="success")
    until(lambda: _secret_kib(service.pid) == before, "the old ones are given back")


def test_a_limit_of_no_locked_memory_is_told_and_no_obstacle(emulator, bff):
    def wrap(argv):
        return ["setpriv", "--bounding-set=-ipc_lock", "prlimit", "--memlock=0:0", *argv]

    service = bff(emulator, wrap=wrap)
    warning = service.wait_event("secret.not_locked")
    assert warning["log.level"] == "warn" and warning["bff.secret.unlocked_bytes"] > 0
    assert warning["bff.secret.locked_bytes"] == 0
    assert _secret_kib(service.pid) * 1024 == warning["bff.secret.unlocked_bytes"]
    assert service.client().get("/healthz").status == 200
