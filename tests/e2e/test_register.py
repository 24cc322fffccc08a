# SPDX-License-Identifier: Apache-2.0
"""POST /v1/biometrics/register: whose key it is, what kind of key it is, and that it is sent once."""
import base64
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from faults.marks import row
from harness import jose, seal
from harness.device import DeviceKey
from harness.hostile import Reply
from harness.scene import assert_problem, pointers

EC_KEY, RSA_KEY = DeviceKey("ec"), DeviceKey("rsa")
PKCS1 = RSA_KEY.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                  serialization.PublicFormat.PKCS1).decode()


def bare(public_key):
    return base64.b64encode(public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()


def register(scene, user_id=None, token=None, api=None, **members):
    document = {"key_id": "key-1", "public_key": EC_KEY.public_base64(), "key_type": "ec", "os": "ios", **members}
    document = {name: value for name, value in document.items() if value is not None}
    token = token or scene.vendor.access_token(user_id or scene.user())
    return (api or scene.api).post("/v1/biometrics/register", document, token=token)


@pytest.mark.parametrize("asked, sent", [
    ({}, {"encryptionType": "ec", "os": "iOS"}),
    ({"os": "IOS"}, {"encryptionType": "ec", "os": "iOS"}),
    ({"os": "Android"}, {"encryptionType": "ec", "os": "Android"}),
    ({"public_key": EC_KEY.public_pem()}, {"encryptionType": "ec", "publicKey": EC_KEY.public_pem(), "os": "iOS"}),
    ({"public_key": RSA_KEY.public_pem(), "key_type": "rsa"},
     {"encryptionType": "rsa", "publicKey": RSA_KEY.public_pem(), "os": "iOS"}),
    ({"public_key": PKCS1, "key_type": "rsa"}, {"encryptionType": "rsa", "publicKey": PKCS1, "os": "iOS"}),
    ({"device_id": "d", "display_name": "Ada's \u00fc", "attestation": "YXR0"},
     {"encryptionType": "ec", "os": "iOS", "device_id": "d", "displayName": "Ada's \u00fc",
      "attestation_encoded_result": "YXR0"}),
])
def test_the_vendor_gets_its_own_names_and_always_the_kind_of_key(scene, asked, sent):
    answer = register(scene, **asked)
    assert (answer.status, answer.json) == (201, {"key_id": "key-1"})
    expected = {"publicKey": EC_KEY.public_base64(), "publicKeyId": "key-1", **sent}
    assert scene.the_call("register").json == expected


def test_the_call_is_made_with_the_users_own_token(scene):
    token = scene.vendor.access_token(scene.user())
    assert register(scene, token=token).status == 201
    assert scene.the_call("register").bearer == token


@pytest.mark.parametrize("reply", [Reply(200), Reply(204), Reply(200, {}), Reply(201, {"id": 1}),
                                   Reply(200, body=b"OK", headers={"Content-Type": "text/plain"})])
def test_any_success_of_the_vendor_is_one(scene, reply):
    scene.vendor.on("register", reply)
    assert register(scene).status == 201


# ---- the bearer

def bad_bearers(scene):
    now, user_id = int(time.time()), scene.user()
    vendor = scene.vendor
    other = jose.SigningKey(vendor.key.kid, label="stranger")
    return {
        "an ID token": (vendor.id_token(user_id), "invalid_token"),
        "a client token": (vendor.access_token(vendor.client_id), "invalid_token"),
        "another client's": (vendor.access_token(user_id, client_id="other"), "invalid_token"),
        "another audience's": (vendor.access_token(user_id, aud="elsewhere"), "invalid_token"),
        "another issuer's": (vendor.access_token(user_id, iss="https://elsewhere.test"), "invalid_token"),
        "a forged one": (other.sign(vendor.access_claims(user_id)), "invalid_token"),
        "one of an unknown kid": (vendor.key.sign(vendor.access_claims(user_id), kid="unknown"), "invalid_token"),
        "one without alg": (vendor.key.sign(vendor.access_claims(user_id), alg="none"), "invalid_token"),
        "garbage": ("abc", "invalid_token"),
        "an expired one": (vendor.access_token(user_id, iat=now - 700, exp=now - 100), "token_expired"),
    }


@pytest.mark.parametrize("name", ["an ID token", "a client token", "another client's", "another audience's",
                                  "another issuer's", "a forged one", "one of an unknown kid",
                                  "one without alg", "garbage", "an expired one"])
def test_a_bearer_that_is_no_users_access_token_reaches_nobody(scene, name):
    token, code = bad_bearers(scene)[name]
    answer = register(scene, token=token)
    assert_problem(answer, 401, code, "refresh" if code == "token_expired" else "login")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert scene.vendor.calls("register") == []


@pytest.mark.parametrize("header, status, code", [
    (None, 401, "missing_token"),
    ("Basic dXNlcjpwYXNz", 401, "missing_token"),
    ("DPoP {token}", 401, "missing_token"),
    ("bearer {token}", 201, None),
    ("BEARER {token}", 201, None),
    ("Bearer  {token}", 401, "invalid_token"),
    ("Bearer {token},x", 401, "invalid_token"),
    ("Bearer", 401, "invalid_token"),
])
def test_the_authorization_field_is_read_strictly(scene, header, status, code):
    headers = {"Authorization": header.format(token=scene.vendor.access_token(scene.user()))} if header else {}
    document = {"key_id": "key-1", "public_key": EC_KEY.public_base64(), "key_type": "ec", "os": "ios"}
    answer = scene.api.post("/v1/biometrics/register", document, headers=headers)
    assert (answer.status, answer.code) == (status, code), answer
    if code == "missing_token":
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="biometrics-bff"'


def test_a_token_in_the_url_is_refused(scene):
    token = scene.vendor.access_token(scene.user())
    answer = scene.api.post(f"/v1/biometrics/register?access_token={token}", {}, token=token)
    assert_problem(answer, 400, "invalid_request")


def test_the_bearer_is_asked_for_before_the_body_is_looked_at(scene):
    answer = scene.api.post("/v1/biometrics/register", body=b"{")
    assert_problem(answer, 401, "missing_token", "login")


# ---- the body

@pytest.mark.parametrize("members, wanted", [
    ({"key_id": None}, {"/key_id"}),
    ({"public_key": None, "os": None}, {"/public_key", "/os"}),
    ({"key_id": "k" * 256}, {"/key_id"}),
    ({"key_type": "EC"}, {"/key_type"}),
    ({"key_type": "dsa"}, {"/key_type"}),
    ({"os": "windows"}, {"/os"}),
    ({"device_id": "d" * 81}, {"/device_id"}),
    ({"display_name": "n" * 256}, {"/display_name"}),
    ({"attestation": "a" * (24 * 1024 + 1)}, {"/attestation"}),
    ({"publicKeyId": "x"}, {"/publicKeyId"}),
    ({"sub": "somebody-else"}, {"/sub"}),
])
def test_a_bad_body_is_refused_with_a_pointer(scene, members, wanted):
    answer = register(scene, **members)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == wanted
    assert scene.vendor.calls("register") == []


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
FOREIGN_CURVE = ec.generate_private_key(ec.SECP256K1()).public_key()


@pytest.mark.parametrize("members", [
    {"public_key": RSA_KEY.public_base64()},
    {"key_type": "rsa"},
    {"public_key": bare(WEAK), "key_type": "rsa"},
    {"public_key": bare(FOREIGN_CURVE)},
    {"public_key": EC_KEY.public_base64()[:-8]},
    {"public_key": EC_KEY.public_base64() + "AAAA"},
    {"public_key": "bm90IGEga2V5"},
    {"public_key": EC_KEY.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                serialization.NoEncryption()).decode()},
])
def test_a_key_that_is_not_what_it_says_goes_nowhere(scene, members):
    answer = register(scene, **members)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == {"/public_key"}
    assert scene.vendor.calls("register") == []


# ---- the vendor refuses

def coded(code, status=400):
    return Reply(status, {"message": "SECRET", "error_code": status, "ts_error_code": code})


@pytest.mark.parametrize("reply, status, code, retry, upstream_code", [
    (coded("auth_max_authenticators_count_exceeded"), 422, "too_many_keys", "never",
     "auth_max_authenticators_count_exceeded"),
    (coded("auth_invalid_attestation"), 422, "attestation_rejected", "never", "auth_invalid_attestation"),
    (coded("auth_invalid_key_type"), 422, "key_rejected", "never", "auth_invalid_key_type"),
    (coded("auth_invalid_key_encoding"), 422, "key_rejected", "never", "auth_invalid_key_encoding"),
    (coded("system_invalid_input"), 422, "request_rejected", "never", "system_invalid_input"),
    (Reply(400, {"error_code": "invalid_request", "message": "SECRET"}), 422, "request_rejected", "never", None),
    (Reply(401, {"message": "Invalid token", "error_code": 401}), 401, "invalid_token", "login", None),
    (Reply(403, {"message": "SECRET", "error_code": 403}), 403, "forbidden", "never", None),
    (Reply(404, {"error_code": "client_not_found", "message": "x"}), 502, "upstream_refused_credentials", "same",
     None),
    (Reply(404, {"error_code": "user_not_found", "message": "x"}), 422, "request_rejected", "never", None),
    (Reply(409, {"message": "SECRET"}), 409, "key_already_registered", "never", None),
    (Reply(429), 503, "upstream_rate_limited", "same", None),
    (Reply(500), 503, "upstream_unavailable", "same", None),
    (Reply(302, headers={"Location": "https://x.example/"}), 502, "upstream_invalid_response", "same", None),
    (Reply(418), 502, "upstream_invalid_response", "same", None),
])
@row("FU17", "FU19")
def test_each_refusal_has_its_own_meaning_and_is_not_repeated(scene, reply, status, code, retry, upstream_code):
    scene.vendor.on("register", reply)
    answer = register(scene)
    assert_problem(answer, status, code, retry)
    assert answer.json.get("upstream_code") == upstream_code
    assert b"SECRET" not in answer.body
    assert len(scene.vendor.calls("register")) == 1
    assert scene.vendor.calls("token") == []


@pytest.mark.parametrize("then", ["reset", "close"])
@row("FU06")
def test_a_broken_registration_is_not_sent_again_and_the_app_may_ask_again(scene, then):
    register(scene)
    scene.vendor.forget_calls()
    scene.vendor.on("register", Reply(raw=b"", then=then))
    assert_problem(register(scene), 502, "upstream_outcome_unknown", "same")
    assert len(scene.vendor.calls("register")) == 1


def test_an_answer_that_ends_anywhere_too_early_leaves_the_outcome_unknown(scene):
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    for cut_after in range(len(answer)):
        scene.vendor.on("register", Reply(raw=answer[:cut_after], then="close"))
        assert_problem(register(scene), 502, "upstream_outcome_unknown", "same")
    scene.vendor.on("register", Reply(raw=answer, then="close"))
    assert register(scene).status == 201


# ---- the challenge for the attestation

def test_a_handle_sends_its_challenge_along_and_is_used_up(scene):
    user_id = scene.user()
    started = scene.started(user_id)
    assert register(scene, user_id, challenge_id=started["challenge_id"]).status == 201
    assert scene.the_call("register").json["challenge"] == started["challenge"]
    assert_problem(register(scene, user_id, challenge_id=started["challenge_id"]), 409, "challenge_used",
                   "new_challenge")
    assert len(scene.vendor.calls("register")) == 1


def test_a_handle_of_somebody_else_is_refused_unused(scene):
    user_id, other = scene.user(), scene.user()
    handle = scene.started(other)["challenge_id"]
    assert_problem(register(scene, user_id, challenge_id=handle), 409, "challenge_mismatch", "new_challenge")
    assert register(scene, other, challenge_id=handle).status == 201


def test_a_handle_that_names_no_user_id_is_nobodys(scene):
    handle = scene.started(identifier="a@b.c", identifier_type="email")["challenge_id"]
    assert_problem(register(scene, challenge_id=handle), 409, "challenge_mismatch", "new_challenge")


def test_a_handle_of_another_device_is_refused(scene):
    user_id = scene.user()
    handle = scene.started(user_id, device_id="d-1")["challenge_id"]
    assert_problem(register(scene, user_id, challenge_id=handle), 409, "challenge_mismatch")
    assert_problem(register(scene, user_id, challenge_id=handle, device_id="d-2"), 409, "challenge_mismatch")
    assert register(scene, user_id, challenge_id=handle, device_id="d-1").status == 201


def test_expired_and_foreign_handles_are_told_apart(scene):
    user_id = scene.user()
    expired = seal.challenge(scene.seal_key, user_id, expires_in_s=-1)
    assert_problem(register(scene, user_id, challenge_id=expired), 409, "challenge_expired", "new_challenge")
    assert_problem(register(scene, user_id, challenge_id="Zm9yZWlnbg"), 409, "challenge_invalid", "new_challenge")
    assert scene.vendor.calls("register") == []


def test_a_bad_key_leaves_the_handle_unused(scene):
    user_id = scene.user()
    handle = scene.started(user_id)["challenge_id"]
    assert register(scene, user_id, challenge_id=handle, key_type="rsa").status == 400
    assert register(scene, user_id, challenge_id=handle).status == 201


# ---- limits

def test_the_limit_counts_each_user_wherever_the_calls_come_from(scene):
    api = scene.other("strict", BFF_RATE_PER_USER="2/h", BFF_TRUSTED_PROXIES="127.0.0.0/8").client()
    token = scene.vendor.access_token(scene.user())
    statuses = [api.get("/v1/session", token=token, headers={"X-Forwarded-For": f"10.0.0.{n}"}).status
                for n in range(3)]
    assert statuses == [200, 200, 429]
    assert_problem(register(scene, token=token, api=api), 429, "rate_limited", "same")
    assert register(scene, api=api).status == 201
