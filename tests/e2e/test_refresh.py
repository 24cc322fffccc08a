# SPDX-License-Identifier: Apache-2.0
"""POST /v1/session/refresh: a rotating token is sent once however many bring it, and what comes back
is verified before anyone gets it."""
import concurrent.futures
import threading

import pytest

from faults.marks import row
from harness import jose, seal
from harness.device import unique
from harness.hostile import OMIT, Reply
from harness.scene import assert_problem, pointers
from harness.waiting import until


def token_of(user_id):
    return f"{unique('refresh')}~{user_id}"


def refresh(scene, refresh_token, api=None, **members):
    return (api or scene.api).post("/v1/session/refresh", {"refresh_token": refresh_token, **members})


def waiting(scene, count):
    """Waits until the service has so many requests in hand, besides the one that asks."""
    until(lambda: scene.service.metric("http_server_active_requests") > count, f"{count} requests in hand")


def with_tokens(scene, user_id, **members):
    document = scene.vendor.session(user_id, session_id=OMIT, **members)
    scene.vendor.on("refresh", Reply(document=document))
    return document


def test_a_refresh_gives_a_verified_session(scene):
    user_id = scene.user()
    document = with_tokens(scene, user_id)
    refresh_token = token_of(user_id)
    answer = refresh(scene, refresh_token)
    assert answer.status == 200, answer
    assert answer.json.keys() == {"user", "access_token", "token_type", "expires_in", "expires_at", "id_token",
                                  "refresh_token", "authenticated_at"}
    assert answer.json["user"] == {"id": user_id}
    assert answer.json["refresh_token"] == document["refresh_token"]
    call = scene.the_call("refresh")
    assert call.json == {"refresh_token": refresh_token}
    assert jose.claims_of(call.bearer)["sub"] == scene.vendor.client_id


def test_the_session_handle_comes_back_when_it_was_sent(scene):
    user_id = scene.user()
    handle = seal.session(scene.seal_key, "the-session", user_id)
    answer = refresh(scene, token_of(user_id), session=handle)
    assert answer.status == 200, answer
    answer = scene.api.post("/v1/session/logout", {"session": answer.json["session"]},
                            token=answer.json["access_token"])
    assert answer.status == 204
    assert scene.the_call("logout").json == {"session_id": "the-session"}


def test_tokens_of_another_user_than_the_handles_are_not_handed_out(scene):
    handle = seal.session(scene.seal_key, "the-session", scene.user())
    answer = refresh(scene, token_of(scene.user()), session=handle)
    assert_problem(answer, 403, "forbidden")
    assert b"eyJ" not in answer.body and b"refresh-" not in answer.body


def test_a_handle_that_does_not_open_is_found_before_anything_is_sent(scene):
    assert_problem(refresh(scene, token_of("u"), session="Zm9yZWlnbg"), 409, "session_invalid", "never")
    assert scene.vendor.calls("refresh") == []


@pytest.mark.parametrize("document, wanted", [
    ({}, {"/refresh_token"}),
    ({"refresh_token": ""}, {"/refresh_token"}),
    ({"refresh_token": "a b"}, {"/refresh_token"}),
    ({"refresh_token": "a" * 8193}, {"/refresh_token"}),
    ({"refresh_token": "a", "scope": "x"}, {"/scope"}),
])
def test_a_bad_body_is_refused(scene, document, wanted):
    answer = scene.api.post("/v1/session/refresh", document)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == wanted
    assert scene.vendor.calls("refresh") == []


# ---- one call for all

def test_two_hundred_at_once_make_one_call(scene):
    user_id = scene.user()
    refresh_token = token_of(user_id)
    held = threading.Event()
    scene.vendor.on("refresh", Reply(document=scene.vendor.session(user_id, session_id=OMIT), hold=held))
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(refresh, scene, refresh_token) for _ in range(200)]
        scene.vendor.wait_calls("refresh")
        waiting(scene, 200)
        held.set()
        results = [answer.result() for answer in answers]
    assert {answer.status for answer in results} == {200}
    assert len({answer.json["access_token"] for answer in results}) == 1
    assert len(scene.vendor.calls("refresh")) == 1


def test_two_hundred_at_once_rotate_the_emulators_token_once(shared):
    phone = shared.phone().enroll()
    refresh_token = phone.login()["refresh_token"]
    shared.emulator.clear_calls()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: shared.api.post("/v1/session/refresh", {"refresh_token": refresh_token}),
                                range(200)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert shared.emulator.call_count("refresh") == shared.emulator.executed_count("refresh") == 1


def test_a_repeat_soon_after_gets_the_same_answer(scene):
    user_id = scene.user()
    refresh_token = token_of(user_id)
    first, second = refresh(scene, refresh_token), refresh(scene, refresh_token)
    assert first.status == second.status == 200
    assert first.json["refresh_token"] == second.json["refresh_token"]
    assert len(scene.vendor.calls("refresh")) == 1


def test_after_the_replay_window_the_vendor_is_asked_again(scene):
    api = scene.other("forgetful", BFF_REFRESH_REPLAY_S=1).client()
    user_id = scene.user()
    refresh_token = token_of(user_id)
    assert refresh(scene, refresh_token, api=api).status == 200

    def asked_again():
        assert refresh(scene, refresh_token, api=api).status == 200
        return len(scene.vendor.calls("refresh")) == 2

    until(asked_again, "a second call")


def test_followers_of_a_failure_get_it_too(scene):
    refresh_token = token_of(scene.user())
    held = threading.Event()
    scene.vendor.on("refresh", Reply(400, {"message": "x", "error_code": 400}, hold=held))
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(refresh, scene, refresh_token) for _ in range(20)]
        scene.vendor.wait_calls("refresh")
        waiting(scene, 20)
        held.set()
        for answer in answers:
            assert_problem(answer.result(), 401, "session_expired", "login")
    assert len(scene.vendor.calls("refresh")) == 1


def test_the_client_that_came_first_may_leave(scene):
    user_id = scene.user()
    refresh_token = token_of(user_id)
    held = threading.Event()
    scene.vendor.on("refresh", Reply(document=scene.vendor.session(user_id, session_id=OMIT), hold=held))
    body = f'{{"refresh_token":"{refresh_token}"}}'
    with scene.api.raw() as first:
        first.send(f"POST /v1/session/refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}")
        scene.vendor.wait_calls("refresh")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            second = pool.submit(refresh, scene, refresh_token)
            waiting(scene, 2)
            first.close()
            scene.service.wait_event("ceremony.refresh", bff_outcome="client_gone")
            held.set()
            assert second.result().status == 200
    assert len(scene.vendor.calls("refresh")) == 1


# ---- what the vendor says

@pytest.mark.parametrize("reply", [
    Reply(400, {"message": "Invalid refresh token", "error_code": 400}),
    Reply(400, {"error": "invalid_grant", "error_description": "x"}),
    Reply(401, {"message": "Unauthorized", "error_code": 401}),
    Reply(403), Reply(404), Reply(418),
])
@row("FU19")
def test_a_refusal_ends_the_session(scene, reply):
    scene.vendor.on("refresh", reply)
    refresh_token = token_of(scene.user())
    for _ in range(2):
        assert_problem(refresh(scene, refresh_token), 401, "session_expired", "login")
    assert len(scene.vendor.calls("refresh")) == 1


@row("FU16")
def test_a_401_about_our_token_is_renewed_and_sent_once_more(scene):
    scene.vendor.on("refresh", Reply(401, {"message": "Invalid token", "error_code": 401}), times=1)
    assert refresh(scene, token_of(scene.user())).status == 200
    first, second = scene.vendor.calls("refresh")
    assert first.bearer != second.bearer


def test_a_401_about_our_new_token_did_not_use_up_the_refresh_token(scene):
    scene.vendor.on("refresh", Reply(401, {"error_code": "unauthorized_request", "message": "x"}))
    refresh_token = token_of(scene.user())
    assert_problem(refresh(scene, refresh_token), 502, "upstream_refused_credentials", "same")
    scene.vendor.behave()
    assert refresh(scene, refresh_token).status == 200


def test_a_429_did_not_either(scene):
    scene.vendor.on("refresh", Reply(429, headers={"Retry-After": "3"}))
    refresh_token = token_of(scene.user())
    answer = refresh(scene, refresh_token)
    assert_problem(answer, 503, "upstream_rate_limited", "same")
    assert answer.headers["Retry-After"] == "3"
    scene.vendor.behave()
    assert refresh(scene, refresh_token).status == 200


@pytest.mark.parametrize("reply, status, code", [
    (Reply(500), 503, "upstream_unavailable"),
    (Reply(200, {}), 502, "upstream_invalid_response"),
    (Reply(200, body=b"<html>", headers={"Content-Type": "text/html"}), 502, "upstream_invalid_response"),
    (Reply(302, headers={"Location": "https://x.example/"}), 502, "upstream_invalid_response"),
    (Reply(raw=b"", then="reset"), 502, "upstream_outcome_unknown"),
    (Reply(raw=b"", then="close"), 502, "upstream_outcome_unknown"),
])
@row("FU06", "FU21")
def test_an_unclear_end_needs_a_login_and_is_never_repeated(scene, reply, status, code):
    assert refresh(scene, token_of(scene.user())).status == 200
    scene.vendor.forget_calls()
    scene.vendor.on("refresh", reply)
    refresh_token = token_of(scene.user())
    for _ in range(2):
        assert_problem(refresh(scene, refresh_token), status, code, "login")
    assert len(scene.vendor.calls("refresh")) == 1


@row("FU03")
def test_a_vendor_that_says_nothing_is_a_timeout(scene):
    api = scene.other("hasty", BFF_REQUEST_TIMEOUT_MS=500).client()
    scene.vendor.on("refresh", Reply(raw=b"", then="hang"))
    assert_problem(refresh(scene, token_of(scene.user()), api=api), 504, "upstream_timeout", "login")


@row("FU01")
def test_a_vendor_that_was_not_reached_may_be_asked_again(scene):
    service = scene.other("unreachable", wait_ready=False, BFF_UPSTREAM_URL="https://127.0.0.1:1",
                          BFF_TOKEN_URL=f"{scene.vendor.url}/oidc/token",
                          BFF_JWKS_URL=f"{scene.vendor.url}/cis/oidc/jwks")
    service.wait_event("service.ready")
    refresh_token = token_of(scene.user())
    for _ in range(2):
        assert_problem(refresh(scene, refresh_token, api=service.client()), 503, "upstream_unavailable", "same")


@pytest.mark.parametrize("changes", [
    {"access": {"aud": "elsewhere"}}, {"access": {"sub": "client-1"}}, {"access": {"iat": 1000, "exp": 1300}},
    {"identity": {"sub": "somebody-else"}}, {"identity": {"aud": "elsewhere"}},
])
def test_tokens_that_fail_verification_reach_nobody(scene, changes):
    user_id = scene.user()
    with_tokens(scene, user_id, access_token=scene.vendor.access_token(user_id, **changes.get("access", {})),
                id_token=scene.vendor.id_token(user_id, **changes.get("identity", {})))
    answer = refresh(scene, token_of(user_id))
    assert_problem(answer, 502, "session_verification_failed", "login")
    assert b"eyJ" not in answer.body


def test_a_session_survives_many_rotations(shared):
    phone = shared.phone().enroll()
    phone.login()
    seen = {phone.session["refresh_token"]}
    for _ in range(5):
        answer = phone.refresh(session=phone.session["session"])
        assert answer.status == 200, answer
        phone.session = answer.json
        seen.add(answer.json["refresh_token"])
    assert len(seen) == 6
    assert phone.whoami().json["user"]["id"] == phone.user_id
    assert phone.logout().status == 204
    assert_problem(phone.refresh(), 401, "session_expired", "login")


def test_refresh_tokens_are_in_no_log(scene):
    refresh_token = token_of(scene.user())
    answer = refresh(scene, refresh_token)
    scene.service.access_line(answer.headers["X-Request-Id"])
    assert refresh_token not in scene.service.output
    assert answer.json["refresh_token"] not in scene.service.output
