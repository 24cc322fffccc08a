# SPDX-License-Identifier: Apache-2.0
"""GET /v1/session: what the verified access token says, and nobody is asked."""
import datetime
import time

import pytest

from harness import jose
from harness.hostile import OMIT, Reply
from harness.scene import assert_problem
from harness.waiting import until


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


# ---- tokens that are remembered

def memory_of(service, result):
    return service.metric("bff_token_memory_total", result=result)


def verified(service):
    return service.metric("bff_jwt_verify_total", result="ok")


def test_a_token_that_comes_again_is_not_verified_again(scene):
    service = scene.other("remembers", BFF_WORKERS="1")
    token, api = scene.vendor.access_token(scene.user(), scope="openid email"), service.client()
    first = api.get("/v1/session", token=token)
    before = verified(service), memory_of(service, "hit")
    again = api.get("/v1/session", token=token)
    assert (again.status, again.json) == (200, first.json)
    assert (verified(service), memory_of(service, "hit")) == (before[0], before[1] + 1)
    assert service.metric("bff_token_memory_entries") >= 1


def test_without_a_memory_every_token_is_verified(scene):
    service = scene.other("forgets", BFF_WORKERS="1", BFF_TOKEN_MEMORY_MAX="0")
    token, api = scene.vendor.access_token(scene.user()), service.client()
    before = verified(service)
    for _ in range(3):
        assert api.get("/v1/session", token=token).status == 200
    assert verified(service) == before + 3
    assert memory_of(service, "hit") + memory_of(service, "miss") == 0


def test_the_memory_holds_so_many_tokens_and_no_more(scene):
    service = scene.other("remembers-few", BFF_WORKERS="1", BFF_TOKEN_MEMORY_MAX="4")
    api = service.client()
    for _ in range(6):
        assert api.get("/v1/session", token=scene.vendor.access_token(scene.user())).status == 200
    assert service.metric("bff_token_memory_entries") == 4
    assert service.metric("bff_token_memory_dropped_total", reason="full") == 2


def test_a_remembered_token_expires_like_any_other(scene):
    service = scene.other("no-leeway", BFF_WORKERS="1", BFF_JWT_LEEWAY_S="0")
    now, api = int(time.time()), service.client()
    token = scene.vendor.access_token(scene.user(), iat=now, exp=now + 5)
    until(lambda: api.get("/v1/session", token=token).status == 200 and memory_of(service, "hit") > 0,
          "the token is remembered")
    until(lambda: api.get("/v1/session", token=token).status == 401, "its expiry")
    assert_problem(api.get("/v1/session", token=token), 401, "token_expired")


def test_what_authenticate_and_refresh_hand_out_is_always_verified(scene):
    """The vendor's session carries a token that is remembered: it is verified all the same."""
    service = scene.other("remembers", BFF_WORKERS="1")
    user_id, api = scene.user(), service.client()
    started = scene.started(user_id, api=api)
    session = scene.vendor.session(user_id)
    for _ in range(2):
        assert api.get("/v1/session", token=session["access_token"]).status == 200
    scene.vendor.on("authenticate", Reply(document=session))
    scene.vendor.on("refresh", Reply(document=session))

    before = verified(service), memory_of(service, "hit")
    assert scene.authenticate(started, user_id, api=api).status == 200
    assert verified(service) == before[0] + 2
    refresh = {"refresh_token": session["refresh_token"]}
    assert api.post("/v1/session/refresh", refresh).status == 200
    assert (verified(service), memory_of(service, "hit")) == (before[0] + 4, before[1])
