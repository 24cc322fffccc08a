# SPDX-License-Identifier: Apache-2.0
"""What the process gives up by itself, as the kernel sees it: rights, core dumps, its environment; and
where in its memory its secrets lie, and for how long."""
import base64
import hashlib
import pathlib
import signal
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from harness.front import NGINX, Front
from harness.image import ROOT, UID
from harness.jose import rsa_private_key
from harness.memory import find, mappings, secret_mappings
from harness.paths import SANITIZER
from harness.waiting import until

_STRANGE = {"SSLKEYLOGFILE": "/nonexistent/keys", "LD_BIND_NOT": "1", "GCONV_PATH": "/nonexistent/gconv",
            "OPENSSL_CONF": "/nonexistent/openssl.cnf", "https_proxy": "http://127.0.0.1:9/",
            "CURL_HOME": "/nonexistent/curl", "MALLOC_CHECK_": "3",
            "AWS_SECRET_ACCESS_KEY": "canary-of-somebody-else"}
_FIRST, _SECOND = "canary-first-0123456789abcdef", "canary-second-0123456789abcdef"

whole_memory = pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer maps terabytes and keeps what is freed")
locks = pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer makes nothing of mlock()")


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


# ---- where secrets lie

def _secret_bytes(service):
    return sum(mapping.bytes for mapping in secret_mappings(service.pid))


def _reload(service):
    service.signal(signal.SIGHUP)
    service.wait_event("config.reload", event_outcome="success")


@locks
def test_secrets_lie_on_locked_pages_and_are_given_back(emulator, bff, tmp_path):
    keys = tmp_path / "seal-keys"
    keys.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    service = bff(emulator, BFF_SEAL_KEYS_FILE=keys)
    assert service.events("secret.not_locked") == []
    # A page may come or go while the other figure is read.
    until(lambda: int(_status(service)["VmLck"].split()[0]) * 1024 >= _secret_bytes(service) > 0, "all are locked")
    before = _secret_bytes(service)
    assert all("lo" in mapping.flags for mapping in secret_mappings(service.pid))
    _reload(service)
    until(lambda: _secret_bytes(service) == before, "the old ones are given back")


@locks
def test_a_limit_of_no_locked_memory_is_told_and_no_obstacle(emulator, bff):
    def wrap(argv):
        return ["setpriv", "--bounding-set=-ipc_lock", "prlimit", "--memlock=0:0", *argv]

    service = bff(emulator, wrap=wrap)
    warning = service.wait_event("secret.not_locked")
    assert warning["log.level"] == "warn" and warning["bff.secret.locked_bytes"] == 0
    assert 0 < warning["bff.secret.unlocked_bytes"] <= _secret_bytes(service), "the keeper's come later"
    assert service.client().get("/healthz").status == 200


def _allow_no_locked_memory(service):
    """As the user of the service (that of an image is another): root alone may not where it lacks CAP_SYS_RESOURCE."""
    as_user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"] if ROOT else []
    subprocess.run([*as_user, "prlimit", "--pid", str(service.pid), "--memlock=0:0"], check=True, timeout=20)


@locks
def test_secrets_of_a_reload_that_cannot_be_locked_are_told_once(emulator, bff, tmp_path):
    keys = tmp_path / "seal-keys"
    keys.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    service = bff(emulator, BFF_SEAL_KEYS_FILE=keys,
                  wrap=lambda argv: ["setpriv", "--bounding-set=-ipc_lock", *argv])
    assert service.events("secret.not_locked") == []
    _allow_no_locked_memory(service)
    service.signal(signal.SIGHUP)
    assert service.wait_event("secret.not_locked")["bff.secret.unlocked_bytes"] > 0
    service.signal(signal.SIGHUP)
    until(lambda: len(service.events("config.reload")) == 2, "a second reload")
    service.stop()
    assert len(service.events("secret.not_locked")) == 1


def _assert_only_on_its_pages(service, secret, forms=()):
    """Where the configuration and the keeper have it; and in none of the forms in which it is sent."""
    places = find(service.pid, secret)
    assert places, "the search finds what is there"
    assert [mapping.name or mapping.flags for mapping in places if "dd" not in mapping.flags] == []
    assert [form for form in forms if find(service.pid, form)] == []


def _assert_gone(service, secret, forms=()):
    until(lambda: not find(service.pid, secret), "the old secret is nowhere")
    assert [form for form in forms if find(service.pid, form)] == []


@whole_memory
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_client_secret_is_nowhere_else_in_memory_and_gone_once_it_is_rotated(hostile, bff, tmp_path, method):
    file = tmp_path / "secret"
    file.write_text(_FIRST)
    service = bff(hostile, BFF_CLIENT_SECRET=None, BFF_CLIENT_SECRET_FILE=file, BFF_CLIENT_AUTH=method)
    basic = base64.b64encode(f"{hostile.client_id}:{_FIRST}".encode()).rstrip(b"=")[:-1]
    _assert_only_on_its_pages(service, _FIRST.encode(), [basic])
    file.write_text(_SECOND)
    _reload(service)
    _assert_gone(service, _FIRST.encode(), [basic])
    _assert_only_on_its_pages(service, _SECOND.encode())


@whole_memory
@pytest.mark.skipif(NGINX is None, reason="no nginx")
def test_nor_where_calls_go_over_http2(start_emulator, bff, keep, tmp_path):
    directory = tmp_path / "front"
    directory.mkdir()
    front = keep(Front(directory, start_emulator("--client-secret", _FIRST, tls=False)))
    service = bff(front)
    _assert_only_on_its_pages(service, _FIRST.encode())


def _key(label):
    """(PEM, the bytes by which the key would show that was read from it)"""
    key = rsa_private_key(label)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    numbers = key.private_numbers()
    parts = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    # As DER has them, and as OpenSSL computes with them; the ends may be shorter than the number.
    traces = [part.to_bytes(256, order).strip(b"\0")[8:72] for part in parts for order in ("big", "little")]
    return pem, traces


@whole_memory
def test_a_private_key_is_in_memory_as_the_text_of_its_file_alone_and_gone_once_it_is_rotated(hostile, bff, tmp_path):
    old, traces = _key("old-client-key")
    new, _ = _key("new-client-key")
    in_use = tmp_path / "client.pem"
    in_use.write_bytes(old)
    service = bff(hostile, BFF_CLIENT_AUTH="private_key_jwt", BFF_CLIENT_SECRET=None,
                  BFF_CLIENT_KEY_FILE=in_use, BFF_CLIENT_KEY_ID="key-1")
    line = old.splitlines()[5]
    _assert_only_on_its_pages(service, line, traces)
    in_use.write_bytes(new)
    _reload(service)
    _assert_gone(service, line, traces)


@whole_memory
def test_old_sealing_keys_are_gone_once_they_are_rotated(emulator, bff, tmp_path):
    raw, keys = hashlib.sha256(b"a sealing key").digest(), tmp_path / "seal-keys"
    keys.write_bytes(base64.b64encode(raw) + b"\n")
    service = bff(emulator, BFF_SEAL_KEYS_FILE=keys)
    _assert_only_on_its_pages(service, raw, [base64.b64encode(raw)])
    keys.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    _reload(service)
    _assert_gone(service, raw)


def test_the_search_sees_the_heap(shared):
    """A control: what is on the heap is found, e.g. the client's id."""
    found = find(shared.service.pid, shared.emulator.client_id.encode()) if SANITIZER == "none" else [None]
    assert found and mappings(shared.service.pid)
