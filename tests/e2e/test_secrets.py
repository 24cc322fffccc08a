# SPDX-License-Identifier: Apache-2.0
"""No secret shows. The harness watches every service of the whole run (harness/canaries.py); here the
places are looked at one by one, with secrets of every kind in use, and the watch is shown to bite."""
import base64
import hashlib
import json
import pathlib
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from harness import canaries
from harness.device import Phone
from harness.http import Answer
from harness.jose import rsa_private_key
from harness.paths import SERVICE

SECRET = "canary-client-secret-0123456789abcdef"
ADMIN_SECRET = "canary-admin-secret-0123456789abcdef"
OPERATOR_KEY = "canary-operator-key-0123456789abcdef0123456789abcdef"


def _operator_keys(tmp_path):
    path = tmp_path / "operator-keys"
    path.write_text(f"canary:{hashlib.sha256(OPERATOR_KEY.encode()).hexdigest()}\n")
    return path


def _whole_life(service, emulator):
    """Good and bad ends of every operation; gives the phone."""
    phone = Phone(service, emulator, user=emulator.make_user(email="canary@example.com", face=True))
    phone.enroll()
    started = phone.started(approval_data={"amount": "12.50"})
    phone.login(started)
    assert phone.authenticate(started).code == "challenge_used"
    assert phone.authenticate(phone.started(), signature="AAAA").code == "authentication_failed"
    assert phone.whoami().status == 200
    assert phone.api.get("/v1/session", token=phone.token + "x").code == "invalid_token"
    assert phone.refresh(session=phone.session["session"]).status == 200
    assert phone.api.post("/v1/session/refresh", {"refresh_token": "canary-not-a-refresh-token"}
                          ).code == "session_expired"
    assert phone.api.post("/v1/face/revoke", token=phone.token).status == 204
    operator = service.operator()
    path = f"/v1/users/{phone.user_id}/face/revoke"
    assert operator.post(path, token=OPERATOR_KEY).status == 204
    assert operator.post(path, token=OPERATOR_KEY + "x").status == 401
    assert phone.delete_key().status == 204
    assert phone.logout().status == 204
    return phone


@pytest.fixture
def life(start_emulator, bff, tmp_path):
    """A service at level debug that has seen everything, and the values that it must not show."""
    emulator = start_emulator("--client-secret", SECRET, "--admin-client-secret", ADMIN_SECRET)
    service = bff(emulator, BFF_LOG_LEVEL="debug", BFF_OPERATOR_LISTEN="127.0.0.1:0",
                  BFF_OPERATOR_KEYS_FILE=_operator_keys(tmp_path),
                  BFF_ADMIN_CLIENT_ID=emulator.ready["admin_client_id"],
                  BFF_ADMIN_CLIENT_SECRET=ADMIN_SECRET)
    assert service.settings["BFF_CLIENT_SECRET"] == SECRET
    phone = _whole_life(service, emulator)
    session = phone.session
    values = {"client secret": SECRET, "admin secret": ADMIN_SECRET, "operator key": OPERATOR_KEY,
              "access token": session["access_token"], "id token": session["id_token"],
              "refresh token": session["refresh_token"], "session handle": session["session"],
              "user id": phone.user_id, "e-mail": "canary@example.com",
              "signature of a token": session["access_token"].rsplit(".", 1)[1]}
    return service, values


def _shown(values, text):
    return [name for name, value in values.items() if value in text]


def test_no_secret_and_no_personal_id_is_in_the_log_at_level_debug(life):
    service, values = life
    assert service.management().get("/livez").status == 200
    service.wait_record(lambda record: record.get("log.level") == "debug", "level debug")
    assert _shown(values, service.output) == []


def test_no_secret_and_no_personal_id_is_in_the_metrics(life):
    service, values = life
    text = service.management().get("/metrics").body.decode()
    assert "bff_ceremony_total" in text
    assert _shown(values, text) == []


def test_no_secret_is_in_the_command_line_or_the_environment_of_the_running_process(life):
    service, values = life
    proc = pathlib.Path(f"/proc/{service.pid}")
    assert b"biometrics-bff" in (proc / "cmdline").read_bytes()
    for name in ("cmdline", "environ"):
        assert _shown(values, (proc / name).read_bytes().decode("latin-1")) == []


def test_no_secret_is_in_what_print_config_and_check_say(life):
    service, values = life
    for command in ("print-config", "check"):
        run = subprocess.run([SERVICE, command], env=service.settings, capture_output=True,
                             text=True, stdin=subprocess.DEVNULL, check=False)
        assert run.returncode == 0, run.stderr
        assert _shown(values, run.stdout + run.stderr) == []


def test_a_private_key_and_its_assertions_are_not_in_the_log(start_emulator, bff, tmp_path):
    key = rsa_private_key("canary-assertion")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM,
                                           serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(public)
    (tmp_path / "private.pem").write_text(pem)
    emulator = start_emulator("--client-auth", "private_key_jwt", "--client-key",
                              tmp_path / "public.pem")
    service = bff(emulator, BFF_LOG_LEVEL="debug", BFF_CLIENT_AUTH="private_key_jwt",
                  BFF_CLIENT_SECRET=None, BFF_CLIENT_KEY_FILE=tmp_path / "private.pem",
                  BFF_CLIENT_KEY_ID="canary")
    Phone(service, emulator).enroll().login()
    body_of_key = "".join(pem.splitlines()[1:-1])
    assert body_of_key[:40] not in service.output.replace("\\n", "")
    assert "BEGIN" not in service.output
    canaries.check_text(service.output, service.settings, "the log")


@pytest.mark.parametrize("text", [
    "before " + SECRET + " after",
    "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJlcw",
    "-----BEGIN PRIVATE KEY-----",
])
def test_the_watch_bites_on_a_log_that_shows_one(text):
    with pytest.raises(canaries.SecretShown):
        canaries.check_text(text, {"BFF_CLIENT_SECRET": SECRET}, "the log")


def test_the_watch_bites_on_an_answer_that_carries_the_services_own_token():
    part = base64.urlsafe_b64encode(json.dumps({"sub": "client-1", "pad": "x" * 8}).encode())
    token = "eyJhbGciOiJSUzI1NiJ9." + part.decode().rstrip("=") + ".c2lnbmF0dXJl"
    settings = {"BFF_CLIENT_ID": "client-1"}
    with pytest.raises(canaries.SecretShown):
        canaries.check_answer(Answer(200, {}, token.encode()), settings)
    canaries.check_answer(Answer(200, {}, b"{}"), settings)
