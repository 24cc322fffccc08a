# SPDX-License-Identifier: Apache-2.0
"""GET /v1/session: what the verified access token says, and nobody is asked."""
import datetime
import time

import pytest

from harness import jose
from harness.hostile import OMIT
from harness.scene import assert_problem


def rfc3339(seconds):
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_answer_is_the_tokens(scene):
    user_id, now = scene.user(), int(time.time())
    token = scene.vendor.access_token(user_id, iat=now - 10, exp=now + 100, scope="openid email")
    answer = scene.api.get("/v1/session", token=token)
    assert (answer.status, answer.json) == (200, {
        "user": {"id": user_id}, "expires_at": rfc3339(now + 100), "issued_at": rfc3339(now - 10),
        "client_id": scene.vendor.client_id, "tenant_id": scene.vendor.tenant_id, "scope": "openid email"})
    assert scene.vendor.calls() == []


def test_what_the_token_does_not_say_is_left_out(scene):
    api = scene.other("tenantless", BFF_JWT_TENANT_CLAIM="optional").client()
    token = scene.vendor.access_token(scene.user(), tid=OMIT, scope=OMIT)
    answer = api.get("/v1/session", token=token)
    assert answer.json.keys() == {"user", "expires_at", "issued_at", "client_id"}


def test_head_is_get_without_a_body(scene):
    answer = scene.api.request("HEAD", "/v1/session", token=scene.vendor.access_token(scene.user()))
    assert (answer.status, answer.body) == (200, b"")


def test_the_audience_may_be_one_of_a_list(scene):
    token = scene.vendor.access_token(scene.user(), aud=["elsewhere", "userid-api"])
    assert scene.api.get("/v1/session", token=token).status == 200


@pytest.mark.parametrize("changes, code", [
    ({"aud": ["elsewhere"]}, "invalid_token"),
    ({"client_id": OMIT}, "invalid_token"),
    ({"tid": OMIT}, "invalid_token"),
    ({"exp": OMIT}, "invalid_token"),
    ({"iat": OMIT}, "invalid_token"),
    ({"sub": ""}, "invalid_token"),
    ({"sub": "a\nb"}, "invalid_token"),
    ({"sub": "client-1"}, "invalid_token"),
    ({"azp": "other"}, "invalid_token"),
    ({"exp": "soon"}, "invalid_token"),
    ({"nbf": 32503680000}, "invalid_token"),
    ({"exp": 1000100, "iat": 1000000}, "token_expired"),
])
def test_a_token_that_fails_is_told_apart_only_by_its_expiry(scene, changes, code):
    answer = scene.api.get("/v1/session", token=scene.vendor.access_token(scene.user(), **changes))
    assert_problem(answer, 401, code, "refresh" if code == "token_expired" else "login")


def test_the_reason_is_in_the_log_and_not_in_the_answer(scene):
    answer = scene.api.get("/v1/session", token=scene.vendor.access_token(scene.user(), aud="elsewhere"))
    assert b"aud" not in answer.body
    assert scene.service.access_line(answer.headers["X-Request-Id"])["error.reason"] == "aud"
    assert scene.service.metric("bff_jwt_verify_total", result="aud") >= 1


def test_a_new_key_is_asked_for_once_however_many_tokens_carry_it(scene):
    service = scene.other("bogus-kids")
    scene.vendor.forget_calls()
    key = jose.SigningKey("bogus", label="stranger")
    for number in range(50):
        token = key.sign(scene.vendor.access_claims(scene.user()), kid=f"bogus-{number}")
        assert_problem(service.client().get("/v1/session", token=token), 401, "invalid_token")
    assert len(scene.vendor.calls("jwks")) <= 1
