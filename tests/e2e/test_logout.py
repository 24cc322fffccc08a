# SPDX-License-Identifier: Apache-2.0
"""POST /v1/session/logout: only the own session, also with an expired token, and gone is gone."""
import time

import pytest

from faults.marks import row
from harness import jose, seal
from harness.hostile import Reply
from harness.scene import assert_problem, pointers

DAY_S = 24 * 3600


def logout(scene, user_id, session=None, token=None, **members):
    document = {"session": session or seal.session(scene.seal_key, "the-session", user_id), **members}
    token = token or scene.vendor.access_token(user_id)
    return scene.api.post("/v1/session/logout", document, token=token)


def test_the_session_of_a_login_is_ended_with_our_token(scene):
    user_id = scene.user()
    scene.vendor.on("authenticate", lambda call: Reply(
        document=scene.vendor.session(call.json["user_id"], session_id="from-the-login")))
    session = scene.login(user_id)
    answer = logout(scene, user_id, session["session"], session["access_token"])
    assert (answer.status, answer.body) == (204, b"")
    call = scene.the_call("logout")
    assert call.json == {"session_id": "from-the-login"}
    assert jose.claims_of(call.bearer)["sub"] == scene.vendor.client_id


def test_the_session_of_somebody_else_is_left_alone(scene):
    mine, other = scene.user(), scene.user()
    session = seal.session(scene.seal_key, "others", other)
    assert_problem(logout(scene, mine, session), 403, "forbidden", "never")
    assert scene.vendor.calls("logout") == []


@pytest.mark.parametrize("age_s, good", [(100, True), (13 * DAY_S, True), (15 * DAY_S, False)])
def test_a_token_that_expired_within_two_weeks_is_good_enough(scene, age_s, good):
    user_id, now = scene.user(), int(time.time())
    token = scene.vendor.access_token(user_id, iat=now - age_s - 600, exp=now - age_s)
    answer = logout(scene, user_id, token=token)
    if good:
        assert answer.status == 204, answer
    else:
        assert_problem(answer, 401, "token_expired", "refresh")


def test_a_forged_token_is_not(scene):
    user_id = scene.user()
    token = jose.SigningKey(scene.vendor.key.kid, label="stranger").sign(scene.vendor.access_claims(user_id))
    assert_problem(logout(scene, user_id, token=token), 401, "invalid_token", "login")
    assert_problem(scene.api.post("/v1/session/logout", {"session": "x"}), 401, "missing_token", "login")
    assert scene.vendor.calls("logout") == []


@pytest.mark.parametrize("handle", ["Zm9yZWlnbg", "x", "%%"])
def test_a_handle_that_does_not_open_is_told_apart(scene, handle):
    assert_problem(logout(scene, scene.user(), handle), 409, "session_invalid", "never")


def test_a_challenge_handle_is_no_session(scene):
    user_id = scene.user()
    handle = scene.started(user_id)["challenge_id"]
    assert_problem(logout(scene, user_id, handle), 409, "session_invalid", "never")


def test_a_bad_body_is_refused(scene):
    answer = logout(scene, scene.user(), all_sessions=True)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == {"/all_sessions"}


@pytest.mark.parametrize("reply", [
    Reply(204), Reply(200, {}), Reply(404),
    Reply(400, {"message": "Session not found", "error_code": 400}),
    Reply(400, {"message": ["Session not found"], "error_code": 400}),
    Reply(400, {"error_code": "400", "message": "Session not found"}),
])
def test_ended_and_gone_are_the_same(scene, reply):
    scene.vendor.on("logout", reply)
    assert logout(scene, scene.user()).status == 204
    assert len(scene.vendor.calls("logout")) == 1


@pytest.mark.parametrize("reply, status, code, calls", [
    (Reply(400, {"message": "x", "error_code": 400}), 422, "request_rejected", 1),
    (Reply(401), 502, "upstream_refused_credentials", 2),
    (Reply(403), 502, "upstream_refused_credentials", 1),
    (Reply(429), 503, "upstream_rate_limited", 1),
    (Reply(500), 503, "upstream_unavailable", 1),
])
def test_what_the_vendor_says_is_mapped(scene, reply, status, code, calls):
    scene.vendor.on("logout", reply)
    assert_problem(logout(scene, scene.user()), status, code)
    assert len(scene.vendor.calls("logout")) == calls


@row("FU06")
def test_a_logout_that_broke_is_sent_once_more(scene):
    scene.vendor.on("logout", Reply(raw=b"", then="reset"), Reply(404))
    assert logout(scene, scene.user()).status == 204
    assert len(scene.vendor.calls("logout")) == 2


def test_a_handle_is_good_on_every_replica_with_the_key(scene):
    user_id = scene.user()
    session = scene.login(user_id)
    api = scene.other("replica").client()
    answer = api.post("/v1/session/logout", {"session": session["session"]}, token=session["access_token"])
    assert answer.status == 204
