# SPDX-License-Identifier: Apache-2.0
"""The emulator alone, over TLS: every operation of the vendor, each answer held against the vendor's
description, signatures judged by another library, the key set, the faults. What the other tests
believe of it is checked here."""
import base64
import http.client
import json
import ssl
import time
import urllib.parse

import openapi_contract
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from harness.device import DeviceKey, unique
from harness.http import Client
from harness.jose import SigningKey, at_hash, b64url, b64url_decode, claims_of, header_of
from harness.paths import ROOT

BIOMETRICS = "/cis/v1/auth/mobile-biometrics"
CONTRACT = openapi_contract.load(ROOT / "emulator" / "upstream.openapi.yaml")


class HeldToContract(Client):
    """Asserts that every answer of an operation is one that the vendor's description allows."""

    def request(self, method, path, **options):
        answer = super().request(method, path, **options)
        operation = openapi_contract.find(CONTRACT, method, path)
        if operation:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            flaws = operation.flaws(answer.status, headers, answer.body)
            assert not flaws, flaws
        return answer


class Vendor:
    """A client that calls the vendor directly, as the service does."""

    def __init__(self, emulator):
        self.emulator = emulator
        address = urllib.parse.urlsplit(emulator.url)
        tls = ssl.create_default_context(cafile=emulator.ca_file) if emulator.ca_file else None
        self.http = HeldToContract(address.hostname, address.port, tls=tls)
        self.unchecked = Client(address.hostname, address.port, tls=tls)

    def post_token(self, path="/oidc/token", headers=None, **form):
        fields = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.http.request("POST", path, body=urllib.parse.urlencode(form), headers=fields)

    def client_token(self, admin=False):
        prefix = "admin_client" if admin else "client"
        answer = self.post_token(grant_type="client_credentials",
                                 client_id=self.emulator.ready[f"{prefix}_id"],
                                 client_secret=self.emulator.ready[f"{prefix}_secret"])
        assert answer.status == 200, answer
        return answer.json["access_token"]

    def keys(self):
        return {key["kid"]: key for key in self.http.get("/cis/oidc/jwks").json["keys"]}

    def start(self, token, **members):
        answer = self.http.post(f"{BIOMETRICS}/start", members, token=token)
        assert answer.status == 200, answer
        return answer.json["challenge"]

    def register(self, user_token, key, **members):
        document = {"publicKey": key.public_base64(), "publicKeyId": key.key_id, "os": "iOS",
                    "encryptionType": key.kind, **members}
        return self.http.post(f"{BIOMETRICS}/register", document, token=user_token)

    def authenticate(self, token, user_id, key, challenge, signature=None, **members):
        document = {"user_id": user_id, "key_id": key.key_id, "challenge": challenge,
                    "signature": signature or key.sign(challenge), **members}
        return self.http.post(f"{BIOMETRICS}/authenticate", document, token=token)


class Stage:
    """A vendor with one user, who is logged in by another method."""

    def __init__(self, emulator, **members):
        self.emulator = emulator
        self.vendor = Vendor(emulator)
        self.http = self.vendor.http
        self.token = self.vendor.client_token()
        self.user_id = emulator.make_user(**members)["user_id"]
        self.user_token = emulator.login(self.user_id)["access_token"]

    def enrolled(self, kind="ec"):
        key = DeviceKey(kind)
        answer = self.vendor.register(self.user_token, key)
        assert answer.status == 200, answer
        return key

    def authenticated(self, key, **members):
        challenge = self.vendor.start(self.token, user_id=self.user_id)
        answer = self.vendor.authenticate(self.token, self.user_id, key, challenge, **members)
        assert answer.status == 200, answer
        return answer.json


@pytest.fixture
def stage(emulator):
    return Stage(emulator, email=f"{unique('user')}@example.com", face=True)


def verified_claims(token, keys):
    """The claims, once the signature holds under the key of the set that the header names."""
    head, body, signature = token.split(".")
    header = header_of(token)
    jwk, data, raw = keys[header["kid"]], f"{head}.{body}".encode(), b64url_decode(signature)
    assert header["alg"] == jwk["alg"]
    number = lambda name: int.from_bytes(b64url_decode(jwk[name]), "big")  # noqa: E731
    if jwk["alg"] == "ES256":
        key = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                         int.from_bytes(raw[32:], "big"))
        key.verify(der, data, ec.ECDSA(hashes.SHA256()))
    else:
        key = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
        pad = padding.PKCS1v15() if jwk["alg"] == "RS256" else padding.PSS(
            padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        key.verify(raw, data, pad, hashes.SHA256())
    return claims_of(token)


# ---- tokens, keys, discovery --------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/oidc/token", "/cis/oidc/token"])
def test_both_token_addresses_give_a_client_token(emulator, path):
    answer = Vendor(emulator).post_token(path, grant_type="client_credentials",
                                         client_id=emulator.client_id,
                                         client_secret=emulator.client_secret)
    assert answer.status == 200
    assert answer.json["token_type"] == "Bearer"
    assert claims_of(answer.json["access_token"])["sub"] == emulator.client_id


def test_a_wrong_secret_and_a_stray_field_are_refused_by_the_token_endpoint(emulator):
    vendor = Vendor(emulator)
    wrong = vendor.post_token(grant_type="client_credentials", client_id=emulator.client_id,
                              client_secret="wrong")
    stray = vendor.post_token(grant_type="client_credentials", client_id=emulator.client_id,
                              client_secret=emulator.client_secret, scope="openid")
    assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
    assert stray.status == 400


def test_a_secret_in_the_header_is_decoded_as_the_standard_says(start_emulator):
    emulator = start_emulator("--client-auth", "client_secret_basic", "--client-secret", "s p+%:c")
    vendor = Vendor(emulator)
    pair = f"{emulator.client_id}:{urllib.parse.quote_plus('s p+%:c')}"
    header = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    assert vendor.post_token(headers=header, grant_type="client_credentials",
                             client_id=emulator.client_id).status == 200
    assert vendor.post_token(grant_type="client_credentials", client_id=emulator.client_id,
                             client_secret="s p+%:c").status == 401


class TestAssertions:
    @pytest.fixture
    def signer(self):
        return SigningKey("client-key", "PS256")

    @pytest.fixture
    def vendor(self, start_emulator, signer, tmp_path):
        jwks = tmp_path / "client-keys.json"
        jwks.write_text(json.dumps({"keys": [signer.jwk()]}))
        return Vendor(start_emulator("--client-auth", "private_key_jwt", "--client-key", jwks))

    def ask(self, vendor, signer, **changes):
        now = int(time.time())
        client = vendor.emulator.client_id
        claims = {"iss": client, "sub": client, "aud": vendor.emulator.url + "/oidc/token",
                  "iat": now, "exp": now + 60, "jti": unique("jti"), **changes}
        return vendor.post_token(
            grant_type="client_credentials", client_id=client,
            client_assertion=signer.sign(claims),
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer").status

    def test_a_good_assertion_is_taken_once(self, vendor, signer):
        assert self.ask(vendor, signer, jti="one") == 200
        assert self.ask(vendor, signer, jti="one") == 401
        assert self.ask(vendor, signer, jti="two") == 200

    @pytest.mark.parametrize("changes", [
        {"exp": 1}, {"aud": "https://elsewhere.example/oidc/token"}, {"iss": "somebody"},
        {"sub": "somebody"}, {"jti": ""}, {"iat": int(time.time()) + 3600}], ids=lambda c: next(iter(c)))
    def test_an_assertion_with_one_wrong_claim_is_refused(self, vendor, signer, changes):
        assert self.ask(vendor, signer, **changes) == 401

    def test_an_assertion_of_another_key_is_refused(self, vendor):
        assert self.ask(vendor, SigningKey("client-key", "PS256", label="stranger")) == 401


def test_a_client_certificate_proves_the_client(start_emulator):
    emulator = start_emulator("--client-auth", "tls_client_auth")
    form = {"grant_type": "client_credentials", "client_id": emulator.client_id}
    bare = Vendor(emulator)
    assert bare.post_token("/cis/oidc/token", **form).status == 401
    shown = Vendor(emulator)
    shown.http.tls.load_cert_chain(emulator.ready["client_cert_file"],
                                   emulator.ready["client_key_file"])
    assert shown.post_token("/cis/oidc/token", **form).status == 200


def test_discovery_names_the_issuer_and_a_key_set_that_answers(stage):
    found = stage.http.get("/cis/oidc/.well-known/openid-configuration").json
    assert found["issuer"] == stage.emulator.issuer
    assert found["jwks_uri"] == stage.emulator.url + "/cis/oidc/jwks"
    assert len(stage.vendor.keys()) == 1


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_tokens_verify_under_the_published_key(start_emulator, alg):
    emulator = start_emulator("--alg", alg)
    stage = Stage(emulator, email="ada@example.com", phone_number="+491701234567")
    tokens = stage.authenticated(stage.enrolled())
    keys = stage.vendor.keys()
    access = verified_claims(tokens["access_token"], keys)
    identity = verified_claims(tokens["id_token"], keys)
    assert [key["alg"] for key in keys.values()] == [alg]
    assert access["aud"] == "userid-api" and access["client_id"] == emulator.client_id
    assert access["iss"] == identity["iss"] == emulator.issuer
    assert access["tid"] == identity["tid"] == emulator.tenant_id
    assert access["sub"] == identity["sub"] == stage.user_id
    assert identity["aud"] == emulator.client_id
    assert identity["email"] == "ada@example.com"
    assert identity["phone_number"] == "+491701234567"
    assert identity["at_hash"] == at_hash(tokens["access_token"])


def test_rotation_signs_with_a_new_key_and_withdrawal_unpublishes_the_old(stage):
    old = next(iter(stage.vendor.keys()))
    new = stage.emulator.rotate_keys()["kid"]
    assert set(stage.vendor.keys()) == {old, new}
    token = stage.emulator.login(stage.user_id)["access_token"]
    assert verified_claims(token, stage.vendor.keys())["sub"] == stage.user_id
    stage.emulator.withdraw_key(old)
    assert set(stage.vendor.keys()) == {new}
    assert set(stage.vendor.keys()) != {stage.emulator.rotate_keys(withdraw_old=True)["kid"]}
    assert len(stage.vendor.keys()) == 1


# ---- mobile biometrics --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("form", ["public_base64", "public_pem"])
def test_a_key_registers_and_its_signature_is_accepted_once(stage, kind, form):
    key = DeviceKey(kind)
    assert stage.vendor.register(stage.user_token, key,
                                 publicKey=getattr(key, form)()).status == 200
    challenge = stage.vendor.start(stage.token, user_id=stage.user_id)
    first = stage.vendor.authenticate(stage.token, stage.user_id, key, challenge)
    again = stage.vendor.authenticate(stage.token, stage.user_id, key, challenge)
    assert first.status == 200 and first.json["session_id"]
    assert (again.status, again.json["error_code"]) == (400, "auth_invalid_credentials")


def test_a_pss_signature_in_base64url_is_accepted_too(stage):
    key = stage.enrolled("rsa")
    challenge = stage.vendor.start(stage.token, user_id=stage.user_id)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    signature = b64url(key.private.sign(challenge.encode(), pss, hashes.SHA256()))
    assert stage.vendor.authenticate(stage.token, stage.user_id, key, challenge,
                                     signature=signature).status == 200


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_signature_of_another_text_or_key_is_refused(stage, kind):
    key, other = stage.enrolled(kind), DeviceKey(kind)
    for signer, suffix in ((key, "x"), (other, "")):
        challenge = stage.vendor.start(stage.token, user_id=stage.user_id)
        answer = stage.vendor.authenticate(stage.token, stage.user_id, key, challenge,
                                           signature=signer.sign(challenge + suffix))
        assert (answer.status, answer.json["error_code"]) == (400, "auth_invalid_credentials")


def test_a_challenge_belongs_to_its_user_and_its_device_and_expires(stage):
    key = stage.enrolled()
    other = stage.emulator.make_user()["user_id"]
    foreign = stage.vendor.start(stage.token, user_id=other)
    assert stage.vendor.authenticate(stage.token, stage.user_id, key, foreign).status == 400
    bound = stage.vendor.start(stage.token, user_id=stage.user_id, device_id="one")
    assert stage.vendor.authenticate(stage.token, stage.user_id, key, bound,
                                     device_id="two").status == 400
    short = stage.vendor.start(stage.token, user_id=stage.user_id, timeout=30)
    stage.emulator.shift_clock(31)
    assert stage.vendor.authenticate(stage.token, stage.user_id, key, short).status == 400


def test_a_user_is_found_by_each_identifier(stage):
    members = {"email": "eve@example.com", "phone_number": "+4930123456", "username": "eve"}
    stage.emulator.make_user(**members)
    for kind, value in members.items():
        assert stage.vendor.start(stage.token, identifier=value, identifier_type=kind)


@pytest.mark.parametrize("status, answer", [
    ("inactive", (403, "user_not_active")), ("locked", (403, "auth_locked"))])
def test_a_user_who_may_not_log_in_is_told_so(stage, status, answer):
    stage.emulator.set_user(stage.user_id, status=status)
    got = stage.http.post(f"{BIOMETRICS}/start", {"user_id": stage.user_id}, token=stage.token)
    assert (got.status, got.json["error_code"]) == answer


def test_an_unknown_user_is_not_found_unless_the_tenant_hides_it(stage):
    ask = lambda: stage.http.post(f"{BIOMETRICS}/start", {"user_id": "nobody"},  # noqa: E731
                                  token=stage.token)
    assert (ask().status, ask().json["error_code"]) == (404, "user_not_found")
    stage.emulator.settings(decoy_for_unknown_user=True)
    assert ask().status == 200


def test_approval_data_comes_back_when_it_was_asked_for(stage):
    key, data = stage.enrolled(), {"sum": "200", "payee": "bank.42"}
    answers = []
    for claims in ({"id_token": {"approval_data": None}}, {}):
        challenge = stage.vendor.start(stage.token, user_id=stage.user_id, approval_data=data)
        answer = stage.vendor.authenticate(stage.token, stage.user_id, key, challenge, claims=claims)
        answers.append(claims_of(answer.json["id_token"]).get("approval_data"))
    assert answers == [data, None]


def test_a_request_with_a_stray_member_or_a_wrong_type_is_refused(stage):
    for document in ({"user_id": stage.user_id, "extra": 1}, {"user_id": 7}, {},
                     {"user_id": stage.user_id, "identifier": "a", "identifier_type": "email"},
                     {"user_id": stage.user_id, "timeout": 29},
                     {"user_id": stage.user_id, "approval_data": {"a": "b c"}}):
        answer = stage.http.post(f"{BIOMETRICS}/start", document, token=stage.token)
        assert (answer.status, answer.json["ts_error_code"]) == (400, "system_invalid_input")
    text = stage.http.request("POST", f"{BIOMETRICS}/start", body=b"{}", token=stage.token,
                              headers={"Content-Type": "text/plain"})
    assert text.status == 400


def test_registration_is_refused_with_the_documented_codes(stage):
    key = DeviceKey("ec")
    code = lambda **m: stage.vendor.register(stage.user_token, key, **m).json.get(  # noqa: E731
        "ts_error_code")
    assert code(encryptionType="rsa") == "auth_invalid_key_type"
    assert code(publicKey="AAAA") == "auth_invalid_key_encoding"
    assert code(challenge="never-made") == "auth_invalid_attestation"
    assert stage.vendor.register(stage.user_token, key).status == 200
    assert stage.vendor.register(stage.user_token, key).status == 409
    stage.emulator.settings(keys_per_user_max=1)
    over = stage.vendor.register(stage.user_token, DeviceKey("ec"))
    assert over.json["ts_error_code"] == "auth_max_authenticators_count_exceeded"


def test_only_ones_own_key_is_deleted(stage):
    key = stage.enrolled()
    other = stage.emulator.login(stage.emulator.make_user()["user_id"])["access_token"]
    delete = lambda token: stage.http.delete(  # noqa: E731
        f"{BIOMETRICS}/delete", document={"publicKeyId": key.key_id}, token=token).status
    assert [delete(other), delete(stage.user_token), delete(stage.user_token)] == [404, 204, 404]


# ---- face, refresh, sessions --------------------------------------------------------------------


def test_a_face_is_revoked_once_by_the_user_or_by_the_client(stage):
    mine = lambda: stage.http.post("/cis/v1/users/me/face/revoke",  # noqa: E731
                                   token=stage.user_token).status
    assert [mine(), mine()] == [204, 404]
    stage.emulator.set_user(stage.user_id, face=True)
    by_id = lambda token: stage.http.post("/cis/v1/users/face/revoke",  # noqa: E731
                                          {"user_id": stage.user_id}, token=token).status
    assert [by_id(stage.vendor.client_token(admin=True)), by_id(stage.token)] == [204, 404]


def test_a_refresh_token_rotates_and_its_reuse_ends_the_family(stage):
    first = stage.authenticated(stage.enrolled())["refresh_token"]
    refresh = lambda token: stage.http.post("/cis/v1/auth/token/refresh",  # noqa: E731
                                            {"refresh_token": token}, token=stage.token)
    second = refresh(first)
    assert second.status == 200 and "session_id" not in second.json
    assert verified_claims(second.json["access_token"], stage.vendor.keys())
    assert refresh(first).status == 400
    assert refresh(second.json["refresh_token"]).status == 400


def test_a_session_answers_silently_until_it_is_logged_out(stage):
    tokens = stage.authenticated(stage.enrolled())
    body = {"session_id": tokens["session_id"]}
    silent = lambda: stage.http.post("/cis/v1/auth/session/authenticate", body,  # noqa: E731
                                     token=stage.token)
    logout = lambda: stage.http.post("/cis/v1/auth/session/logout", body,  # noqa: E731
                                     token=stage.token)
    assert silent().json["session_id"] == tokens["session_id"]
    assert logout().status == 204
    assert (silent().status, silent().json["message"]) == (400, "Session not found")
    assert logout().status == 400
    assert stage.http.post("/cis/v1/auth/token/refresh", {"refresh_token": tokens["refresh_token"]},
                           token=stage.token).status == 400


def test_a_second_factor_joins_a_session_of_the_same_user_only(stage):
    key = stage.enrolled()
    mine = stage.emulator.login(stage.user_id)["session_id"]
    joined = stage.authenticated(key, session_id=mine)
    assert joined["session_id"] == mine and "mfa" in claims_of(joined["id_token"])["amr"]
    theirs = stage.emulator.login(stage.emulator.make_user()["user_id"])["session_id"]
    challenge = stage.vendor.start(stage.token, user_id=stage.user_id)
    assert stage.vendor.authenticate(stage.token, stage.user_id, key, challenge,
                                     session_id=theirs).status == 400


# ---- who may call -------------------------------------------------------------------------------


def test_each_operation_wants_its_own_kind_of_token(stage):
    client_only = [("POST", f"{BIOMETRICS}/start"), ("POST", f"{BIOMETRICS}/authenticate"),
                   ("POST", "/cis/v1/auth/token/refresh"), ("POST", "/cis/v1/auth/session/logout"),
                   ("POST", "/cis/v1/auth/session/authenticate"),
                   ("POST", "/cis/v1/users/face/revoke")]
    user_only = [("POST", f"{BIOMETRICS}/register"), ("DELETE", f"{BIOMETRICS}/delete"),
                 ("POST", "/cis/v1/users/me/face/revoke")]
    id_token = stage.emulator.login(stage.user_id)["id_token"]
    for operations, wrong in ((client_only, stage.user_token), (user_only, stage.token)):
        for method, path in operations:
            for token in (wrong, None, id_token, "nonsense"):
                answer = stage.http.request(method, path, document={}, token=token)
                assert (answer.status, answer.json["error_code"]) == (401, 401), (path, token)


def test_revoked_and_expired_tokens_are_refused(stage):
    ask = lambda: stage.http.post(f"{BIOMETRICS}/start", {"user_id": stage.user_id},  # noqa: E731
                                  token=stage.token).status
    assert ask() == 200
    stage.emulator.revoke_tokens("client")
    assert ask() == 401
    stage.token = stage.vendor.client_token()
    assert ask() == 200
    stage.emulator.shift_clock(3601)
    assert ask() == 401


# ---- faults -------------------------------------------------------------------------------------


def fetch(stage):
    return stage.vendor.unchecked.get("/cis/oidc/jwks")


def test_a_fault_strikes_the_next_calls_and_then_no_more(stage):
    stage.emulator.fault("jwks", status=503, body="<html>", content_type="text/html", next=2, skip=1,
                         headers={"Retry-After": "7"})
    answers = [fetch(stage) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 503, 503, 200]
    assert answers[1].body == b"<html>"
    assert answers[1].headers["Content-Type"] == "text/html"
    assert answers[1].headers["Retry-After"] == "7"


def test_a_fault_with_a_seed_strikes_the_same_calls_each_time(stage):
    patterns = []
    for _ in range(2):
        stage.emulator.clear_faults()
        stage.emulator.fault("jwks", status=500, probability=0.5, seed=11)
        patterns.append([fetch(stage).status for _ in range(24)])
    assert patterns[0] == patterns[1]
    assert set(patterns[0]) == {200, 500}


@pytest.mark.parametrize("fault", [
    {"reset": "before_answer"}, {"reset": "after_headers"}, {"reset": "mid_body"}, {"close": True},
    {"cut_after_bytes": 3}, {"cut_head_after_bytes": 9}], ids=lambda fault: next(iter(fault)))
def test_a_broken_answer_is_broken_and_the_next_is_whole(stage, fault):
    stage.emulator.fault("jwks", **fault)
    with pytest.raises((http.client.HTTPException, OSError)):
        fetch(stage)
    assert fetch(stage).status == 200


def test_a_slow_answer_arrives_whole(stage):
    stage.emulator.fault("jwks", drip={"bytes": 100, "interval_ms": 20}, delay_ms=100)
    began = time.monotonic()
    assert fetch(stage).json["keys"]
    assert time.monotonic() - began >= 0.15


def test_the_effect_takes_place_or_not_as_the_fault_says(stage):
    for execute, effect in ((True, 1), (False, 0)):
        stage.emulator.clear_calls()
        stage.emulator.fault("start", reset="before_answer", execute=execute)
        with pytest.raises((http.client.HTTPException, OSError)):
            stage.vendor.start(stage.token, user_id=stage.user_id)
        assert stage.emulator.call_count("start") == 1
        assert stage.emulator.executed_count("start") == effect


@pytest.mark.parametrize("way, differs", [
    ("foreign_user", "sub"), ("wrong_issuer", "iss"), ("wrong_tenant", "tid"),
    ("expired", "exp"), ("wrong_audience", "aud")])
def test_a_wrong_token_is_wrong_in_its_one_claim(stage, way, differs):
    right = verified_claims(stage.emulator.login(stage.user_id)["id_token"], stage.vendor.keys())
    wrong = verified_claims(stage.emulator.login(stage.user_id, tokens=way)["id_token"],
                            stage.vendor.keys())
    changed = {name for name in right if right[name] != wrong.get(name)}
    always = {"jti", "at_hash", "iat", "exp", "auth_time"}
    assert right[differs] != wrong[differs]
    assert changed - always <= {differs}


def test_a_token_of_the_wrong_key_does_not_verify(stage):
    with pytest.raises(InvalidSignature):
        verified_claims(stage.emulator.login(stage.user_id, tokens="wrong_key")["access_token"],
                        stage.vendor.keys())
    unsigned = stage.emulator.login(stage.user_id, tokens="alg_none")["access_token"]
    assert header_of(unsigned)["alg"] == "none" and unsigned.endswith(".")


def test_the_list_of_calls_tells_members_but_no_secret(stage):
    stage.emulator.clear_calls()
    key = stage.enrolled()
    tokens = stage.authenticated(key, client_attributes={"user_agent": "ua", "ip_address": "192.0.2.1"})
    calls = stage.emulator.calls()
    assert [call["operation"] for call in calls] == ["register", "start", "authenticate"]
    assert calls[2]["values"]["client_attributes"]["ip_address"] == "192.0.2.1"
    assert "signature" in calls[2]["members"]
    told = json.dumps(calls)
    for secret in (tokens["access_token"], tokens["refresh_token"], tokens["session_id"], stage.token,
                   key.public_base64()):
        assert secret not in told


def test_one_connection_carries_many_calls(emulator):
    vendor = Vendor(emulator)
    vendor.http.keep_alive = True
    for _ in range(3):
        assert vendor.http.get("/cis/oidc/jwks").status == 200
    vendor.http.close()
    assert len({call["connection"] for call in emulator.calls("jwks")}) == 1


def test_what_is_no_operation_is_not_found_and_a_wrong_method_not_allowed(emulator):
    http_client = Vendor(emulator).http
    assert http_client.get("/cis/v1/nothing").status == 404
    assert http_client.request("GET", f"{BIOMETRICS}/start").status == 405
    assert http_client.get("/_emulator/nothing").status == 404
    assert http_client.get("/_emulator/health").json == {"status": "ok"}


def test_the_emulator_ends_with_its_standard_input(emulator):
    emulator.child.stdin.close()
    emulator.assert_clean(emulator.wait())


def test_every_operation_of_the_description_is_known(emulator):
    http_client = Vendor(emulator).http
    for operation in CONTRACT:
        answer = http_client.request(operation.method, operation.path)
        assert answer.status not in (404, 405), operation.name
    assert len(CONTRACT) == 13
