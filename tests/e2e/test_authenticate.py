# SPDX-License-Identifier: Apache-2.0
"""POST /v1/biometrics/authenticate: a handle is used once, a session is verified or there is none, and
the app is told the truth about what to do next and nothing about who exists."""
import concurrent.futures
import datetime
import time

import pytest

from faults.marks import row
from harness import jose, seal
from harness.hostile import OMIT, Reply
from harness.scene import SIGNATURE, assert_problem, pointers
from harness.waiting import until

APPROVAL = {"amount": "100.00", "payee": "DE89"}
BAD_TOKEN = {"message": "Invalid token", "error_code": 401}
BARE_401 = {"message": "Unauthorized", "error_code": 401}
WRONG = Reply(400, {"error_code": "auth_invalid_credentials", "message": "SECRET"})


def ceremony(scene, user_id=None, **members):
    """(user, document of start)"""
    user_id = user_id or scene.user()
    return user_id, scene.started(user_id, **members)


def with_session(scene, **members):
    """The vendor answers authenticate with a session changed like this; claims by *_claims."""
    access, identity = members.pop("access_claims", {}), members.pop("id_claims", {})

    def reply(call):
        user_id = call.json["user_id"]
        document = {"access_token": scene.vendor.access_token(user_id, **access),
                    "id_token": scene.vendor.id_token(user_id, **identity), **members}
        return Reply(document=scene.vendor.session(user_id, **document))

    scene.vendor.on("authenticate", reply)


# ---- the good case

def test_a_verified_session_has_these_members_and_no_others(scene):
    user_id, started = ceremony(scene)
    session = {}

    def reply(call):
        session.update(scene.vendor.session(call.json["user_id"], surprise="not for the app"))
        return Reply(document=session)

    scene.vendor.on("authenticate", reply)
    answer = scene.authenticate(started, user_id)
    assert answer.status == 200, answer
    document = answer.json
    claims = jose.claims_of(session["access_token"])
    assert document.pop("user") == {"id": user_id}
    assert document.pop("session") not in ("", session["session_id"])
    assert document == {
        "access_token": session["access_token"], "token_type": "Bearer", "expires_in": 3600,
        "expires_at": rfc3339(claims["exp"]), "authenticated_at": rfc3339(claims["iat"]),
        "id_token": session["id_token"], "refresh_token": session["refresh_token"], "key_id": "key-1"}


def rfc3339(seconds):
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_optional_tokens_are_left_out_when_there_are_none(scene):
    user_id, started = ceremony(scene)
    with_session(scene, id_token=OMIT, refresh_token=OMIT)
    document = scene.authenticate(started, user_id).json
    assert "id_token" not in document and "refresh_token" not in document


def test_expires_in_is_never_longer_than_the_token_lives(scene):
    user_id, started = ceremony(scene)
    with_session(scene, access_claims={"exp": int(time.time()) + 600}, expires_in=3600)
    assert 590 <= scene.authenticate(started, user_id).json["expires_in"] <= 600


def test_only_allowed_claims_of_the_id_token_are_shown(scene):
    user_id, started = ceremony(scene)
    with_session(scene, id_claims={"email": "a@b.c", "email_verified": True, "name": "Ada", "id": "x",
                                   "salary": 7, "roles": ["x"]})
    assert scene.authenticate(started, user_id).json["user"] == {
        "id": user_id, "email": "a@b.c", "email_verified": True, "name": "Ada"}


def test_the_vendor_gets_the_challenge_from_inside_the_handle(scene):
    user_id, started = ceremony(scene)
    scene.authenticate(started, user_id, headers={"User-Agent": "Demo/1.0"})
    assert scene.the_call("authenticate").json == {
        "user_id": user_id, "key_id": "key-1", "challenge": started["challenge"], "signature": SIGNATURE,
        "client_attributes": {"user_agent": "Demo/1.0", "ip_address": "127.0.0.1"}}


@pytest.mark.parametrize("agent, sent", [
    ("a" * 600, "a" * 512),
    (None, None),
])
def test_the_user_agent_is_bounded(scene, agent, sent):
    user_id, started = ceremony(scene)
    scene.authenticate(started, user_id, headers={"User-Agent": agent} if agent else {"User-Agent": ""})
    assert scene.the_call("authenticate").json["client_attributes"].get("user_agent") == sent


def test_the_address_of_the_client_comes_from_the_proxy_chain_alone(scene):
    api = scene.other("behind", BFF_TRUSTED_PROXIES="127.0.0.0/8").client()
    user_id, started = ceremony(scene)
    scene.authenticate(started, user_id, api=api, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})
    assert scene.the_call("authenticate").json["client_attributes"]["ip_address"] == "203.0.113.7"


@pytest.mark.parametrize("claims, approval, sent", [
    (None, None, None),
    ({"id_token": {"email": None}}, None, {"id_token": {"email": None}}),
    (None, APPROVAL, {"id_token": {"approval_data": None}}),
    ({"id_token": {"email": None}}, APPROVAL, {"id_token": {"email": None, "approval_data": None}}),
    ({"access_token": {"x": {"essential": True}}}, APPROVAL,
     {"id_token": {"approval_data": None}, "access_token": {"x": {"essential": True}}}),
])
def test_claims_go_along_and_approval_data_is_asked_for(scene, claims, approval, sent):
    user_id, started = ceremony(scene, approval_data=approval)
    scene.authenticate(started, user_id, claims=claims)
    assert scene.the_call("authenticate").json.get("claims") == sent


def test_an_allowed_resource_and_the_organisation_go_along(scene):
    user_id, started = ceremony(scene)
    assert scene.authenticate(started, user_id, resource="userid-api", org_id="org-7").status == 200
    sent = scene.the_call("authenticate").json
    assert (sent["resource"], sent["org_id"]) == ("userid-api", "org-7")


# ---- what is refused before anything is sent, and leaves the handle unused

@pytest.mark.parametrize("members, wanted", [
    ({"resource": "https://elsewhere"}, {"/resource"}),
    ({"key_id": None}, {"/key_id"}),
    ({"signature": ""}, {"/signature"}),
    ({"signature": "s" * 4097}, {"/signature"}),
    ({"signature": "a b"}, {"/signature"}),
    ({"challenge": "mine"}, {"/challenge"}),
    ({"client_attributes": {"ip_address": "6.6.6.6"}}, {"/client_attributes"}),
    ({"ip_address": "6.6.6.6", "session_id": "s"}, {"/ip_address", "/session_id"}),
    ({"claims": {}}, {"/claims"}),
    ({"claims": {"userinfo": {}}}, {"/claims"}),
    ({"claims": {"id_token": []}}, {"/claims/id_token"}),
    ({"claims": {"access_token": None}}, {"/claims/access_token"}),
    ({"claims": {"id_token": {"a": "x" * 4096}}}, {"/claims"}),
])
def test_a_bad_request_leaves_the_handle_unused(scene, members, wanted):
    user_id, started = ceremony(scene)
    answer = scene.authenticate(started, user_id, **members)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == wanted
    assert scene.vendor.calls("authenticate") == []
    assert scene.authenticate(started, user_id).status == 200


def test_a_session_handle_of_another_user_leaves_the_challenge_unused(scene):
    foreign = scene.login(scene.user())["session"]
    user_id, started = ceremony(scene)
    scene.vendor.forget_calls()
    assert_problem(scene.authenticate(started, user_id, session=foreign), 403, "forbidden", "never")
    assert_problem(scene.authenticate(started, user_id, session="bm90LW91cnM"), 409, "session_invalid", "never")
    assert_problem(scene.authenticate(started, user_id, session=started["challenge_id"]), 409, "session_invalid",
                   "never")
    assert scene.vendor.calls("authenticate") == []
    assert scene.authenticate(started, user_id).status == 200


def test_a_session_handle_of_the_same_user_adds_to_that_session(scene):
    user_id = scene.user()
    scene.vendor.on("authenticate", lambda call: Reply(
        document=scene.vendor.session(call.json["user_id"], session_id="the-session")))
    handle = scene.login(user_id)["session"]
    started = scene.started(user_id)
    scene.vendor.forget_calls()
    assert scene.authenticate(started, user_id, session=handle).status == 200
    assert scene.the_call("authenticate").json["session_id"] == "the-session"


def test_a_limit_leaves_the_handle_unused(scene):
    user_id, started = ceremony(scene)
    strict = scene.other("strict", BFF_RATE_PER_USER="1/h").client()
    other = scene.started(user_id)
    assert scene.authenticate(other, user_id, api=strict).status == 200
    assert_problem(scene.authenticate(started, user_id, api=strict), 429, "rate_limited", "same")
    assert scene.authenticate(started, user_id).status == 200


def test_a_missing_token_of_ours_leaves_the_handle_unused(scene):
    user_id, started = ceremony(scene)
    scene.vendor.on("token", Reply(503))
    service = scene.other("tokenless", wait_ready=False)
    answer = scene.authenticate(started, user_id, api=service.client())
    assert_problem(answer, 503, "token_unavailable", "same")
    assert scene.vendor.calls("authenticate") == []
    scene.vendor.behave("token")
    service.wait_event("service.ready", timeout_s=60)
    assert scene.authenticate(started, user_id, api=service.client()).status == 200


# ---- the handle

def test_a_handle_is_used_once(scene):
    user_id, started = ceremony(scene)
    assert scene.authenticate(started, user_id).status == 200
    assert_problem(scene.authenticate(started, user_id), 409, "challenge_used", "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 1


def test_a_handle_that_failed_is_used_too(scene):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", WRONG)
    assert scene.authenticate(started, user_id).status == 401
    assert_problem(scene.authenticate(started, user_id), 409, "challenge_used", "new_challenge")


def test_of_many_at_once_one_gets_through(scene):
    user_id, started = ceremony(scene)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: scene.authenticate(started, user_id), range(40)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 39
    assert len(scene.vendor.calls("authenticate")) == 1


@pytest.mark.parametrize("handle", ["x", "bm90LW91cnM", "A" * 8192, "%%%"])
def test_a_foreign_handle_does_not_open(scene, handle):
    answer = scene.authenticate({"challenge_id": handle}, scene.user())
    assert_problem(answer, 409, "challenge_invalid", "new_challenge")


def test_a_damaged_handle_does_not_open_wherever_the_damage_is(scene):
    user_id, started = ceremony(scene)
    handle = started["challenge_id"]
    for at in range(0, len(handle), 7):
        other = "A" if handle[at] != "A" else "B"
        damaged = handle[:at] + other + handle[at + 1:]
        answer = scene.authenticate({"challenge_id": damaged}, user_id)
        assert_problem(answer, 409, "challenge_invalid", "new_challenge")
    for cut in (handle[:-1], handle + "A", handle[1:]):
        assert_problem(scene.authenticate({"challenge_id": cut}, user_id), 409, "challenge_invalid")
    assert scene.authenticate(started, user_id).status == 200


def test_a_session_handle_is_no_challenge(scene):
    user_id = scene.user()
    session = scene.login(user_id)["session"]
    assert_problem(scene.authenticate({"challenge_id": session}, user_id), 409, "challenge_invalid")


def test_a_handle_of_another_key_ring_does_not_open(scene):
    user_id = scene.user()
    handle = seal.challenge(b"k" * 32, user_id)
    assert_problem(scene.authenticate({"challenge_id": handle}, user_id), 409, "challenge_invalid")


def test_a_handle_of_another_replica_with_the_same_key_opens(scene):
    user_id = scene.user()
    handle = seal.challenge(scene.seal_key, user_id, challenge_text="from-next-door")
    assert scene.authenticate({"challenge_id": handle}, user_id).status == 200
    assert scene.the_call("authenticate").json["challenge"] == "from-next-door"


def test_an_expired_handle_is_told_apart(scene):
    user_id = scene.user()
    handle = seal.challenge(scene.seal_key, user_id, expires_in_s=-1, started_ago_s=121)
    assert_problem(scene.authenticate({"challenge_id": handle}, user_id), 409, "challenge_expired",
                   "new_challenge")
    assert scene.vendor.calls("authenticate") == []


@pytest.mark.parametrize("started_with, presented_with", [
    ({}, {"user_id": "somebody-else"}),
    ({"device_id": "d-1"}, {"device_id": "d-2"}),
    ({"device_id": "d-1"}, {}),
])
def test_a_handle_of_another_user_or_device_is_a_mismatch(scene, started_with, presented_with):
    user_id, started = ceremony(scene, **started_with)
    members = {"user_id": user_id, **presented_with}
    answer = scene.authenticate(started, members.pop("user_id"), **members)
    assert_problem(answer, 409, "challenge_mismatch", "new_challenge")
    assert scene.vendor.calls("authenticate") == []
    assert scene.authenticate(started, user_id, device_id=started_with.get("device_id")).status == 200


def test_a_device_that_start_did_not_name_is_free(scene):
    user_id, started = ceremony(scene)
    assert scene.authenticate(started, user_id, device_id="any").status == 200


# ---- the vendor refuses

REFUSALS = [
    WRONG,
    Reply(400, {"message": "SECRET", "error_code": 400, "ts_error_code": "system_invalid_input"}),
    Reply(400, {"error_code": "400", "message": "User not found"}),
    Reply(401, {"error_code": "no_credentials_registered", "message": "SECRET"}),
    Reply(401, BARE_401),
    Reply(401, body=b"<html>SECRET", headers={"Content-Type": "text/html"}),
    Reply(403, {"error_code": "auth_locked", "message": "SECRET"}),
    Reply(403, {"message": "Forbidden", "error_code": 403}),
    Reply(404, {"error_code": "user_not_found", "message": "SECRET"}),
]


@pytest.mark.parametrize("reply", REFUSALS)
@row("FU19")
def test_all_refusals_look_the_same_and_are_never_repeated(scene, reply):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", reply)
    answer = scene.authenticate(started, user_id)
    assert_problem(answer, 401, "authentication_failed", "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 1
    document = answer.json
    assert document.pop("request_id")
    assert document == {
        "type": "/problems/authentication_failed", "title": "Authentication failed", "status": 401,
        "detail": "the vendor refused the signature, the key or the user", "code": "authentication_failed",
        "retry": "new_challenge"}
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="biometrics-bff"'


@pytest.mark.parametrize("document", [
    BAD_TOKEN,
    {"error_code": "unauthorized_request", "message": "x"},
    {"error": "invalid_token", "error_description": "x"},
])
@row("FU16")
def test_a_401_about_our_token_is_renewed_and_sent_once_more(scene, document):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", Reply(401, document), times=1)
    assert scene.authenticate(started, user_id).status == 200
    first, second = scene.vendor.calls("authenticate")
    assert first.body == second.body and first.bearer != second.bearer


@row("FU16")
def test_a_401_about_our_new_token_is_ours_to_repair(scene):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", Reply(401, BAD_TOKEN))
    assert_problem(scene.authenticate(started, user_id), 502, "upstream_refused_credentials", "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 2


@row("FU16")
def test_a_bare_401_renews_our_token_in_the_background(scene):
    service = scene.other("background")
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", Reply(401, BARE_401))
    scene.vendor.forget_calls()
    assert_problem(scene.authenticate(started, user_id, api=service.client()), 401, "authentication_failed")
    scene.vendor.wait_calls("token", 1)
    for _ in range(5):
        user_id, started = ceremony(scene)
        scene.authenticate(started, user_id, api=service.client())
    assert len(scene.vendor.calls("token")) == 1
    assert len(scene.vendor.calls("authenticate")) == 6


# ---- the vendor's answer is no session

BAD_SESSIONS = {
    "access token of another user": {"access_claims": {"sub": "somebody-else"}},
    "ID token of another user": {"id_claims": {"sub": "somebody-else"}},
    "both of another user": {"access_claims": {"sub": "x"}, "id_claims": {"sub": "x"}},
    "access token from before the start": {"access_claims": {"iat": 1000000, "exp": 1000300}},
    "stale access token": {"access_claims": {"iat": lambda now: now - 300}},
    "stale ID token": {"id_claims": {"iat": lambda now: now - 300}},
    "expired access token": {"access_claims": {"iat": lambda now: now - 3, "exp": lambda now: now - 100}},
    "expired ID token": {"id_claims": {"exp": lambda now: now - 100}},
    "foreign issuer": {"access_claims": {"iss": "https://elsewhere.test"}},
    "foreign audience": {"access_claims": {"aud": "elsewhere"}},
    "foreign client": {"access_claims": {"client_id": "other"}},
    "foreign tenant": {"access_claims": {"tid": "other"}},
    "ID token for another client": {"id_claims": {"aud": "other"}},
    "client token as access token": {"access_claims": {"sub": "client-1"}},
    "wrong at_hash": {"id_claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "garbage access token": {"access_token": "not.a.token"},
    "garbage ID token": {"id_token": "not.a.token"},
    "five-part ID token": {"id_token": "a.b.c.d.e"},
    "empty access token": {"access_token": ""},
    "access token with a line break": {"access_token": "eyJhbGciOiJSUzI1NiJ9\n.e30.c2ln"},
    "ID token that is not ASCII": {"id_token": "\u00e9.e30.c2ln"},
}


def at_now(claims):
    return {name: value(int(time.time())) if callable(value) else value for name, value in claims.items()}


@pytest.mark.parametrize("name", BAD_SESSIONS)
@row("FU11")
def test_a_session_that_fails_verification_never_reaches_the_app(scene, name):
    user_id, started = ceremony(scene)
    change = {key: at_now(value) if key.endswith("_claims") else value for key, value in BAD_SESSIONS[name].items()}
    with_session(scene, session_id=f"withdrawn {name}".replace(" ", "-"), **change)
    answer = scene.authenticate(started, user_id)
    assert_problem(answer, 502, "session_verification_failed", "new_challenge")
    assert b"eyJ" not in answer.body
    call = scene.vendor.wait_calls("logout")[0]
    assert call.json == {"session_id": f"withdrawn {name}".replace(" ", "-")}
    assert jose.claims_of(call.bearer)["sub"] == scene.vendor.client_id


def test_a_good_session_is_not_logged_out(scene):
    user_id, started = ceremony(scene)
    assert scene.authenticate(started, user_id).status == 200
    assert scene.start(scene.user()).status == 200
    assert scene.vendor.calls("logout") == []


@pytest.mark.parametrize("reply", [
    Reply(200, {}),
    Reply(204),
    Reply(200, {"error_code": 400, "message": "x"}),
    Reply(200, body=b"<html>", headers={"Content-Type": "text/html"}),
    Reply(200, body=b"{", headers={"Content-Type": "application/json"}),
    Reply(302, headers={"Location": "https://elsewhere.example/"}),
    Reply(409, {"message": "x"}),
    Reply(422, {"message": "x"}),
])
@row("FU10", "FU11")
def test_an_answer_that_cannot_be_used_needs_a_new_challenge(scene, reply):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", reply)
    assert_problem(scene.authenticate(started, user_id), 502, "upstream_invalid_response", "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 1


@pytest.mark.parametrize("member", ["access_token", "token_type", "expires_in", "session_id"])
@row("FU11")
def test_a_missing_member_is_an_unusable_answer(scene, member):
    user_id, started = ceremony(scene)
    with_session(scene, **{member: OMIT})
    assert_problem(scene.authenticate(started, user_id), 502, "upstream_invalid_response", "new_challenge")


def test_the_session_of_an_unusable_answer_is_ended(scene):
    user_id, started = ceremony(scene)
    with_session(scene, session_id="unusable", access_token=5)
    assert_problem(scene.authenticate(started, user_id), 502, "upstream_invalid_response", "new_challenge")
    assert scene.vendor.wait_calls("logout")[0].json == {"session_id": "unusable"}


# ---- the call goes wrong

@pytest.mark.parametrize("then", ["reset", "close"])
@row("FU06")
def test_a_broken_call_is_never_sent_again(scene, then):
    # Over a connection that was used before: there libraries like to send again by themselves.
    scene.login(scene.user())
    user_id, started = ceremony(scene)
    scene.vendor.forget_calls()
    scene.vendor.on("authenticate", Reply(raw=b"", then=then))
    assert_problem(scene.authenticate(started, user_id), 502, "upstream_outcome_unknown", "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 1


@row("FU07")
def test_an_answer_cut_short_is_not_read(scene):
    user_id, started = ceremony(scene)

    def reply(call):
        return Reply(document=scene.vendor.session(call.json["user_id"]), cut_after=200, then="close")

    scene.vendor.on("authenticate", reply)
    answer = scene.authenticate(started, user_id)
    assert answer.status == 502 and answer.json["retry"] == "new_challenge"
    assert len(scene.vendor.calls("authenticate")) == 1


@pytest.mark.parametrize("status, code", [(429, "upstream_rate_limited"), (500, "upstream_unavailable"),
                                          (503, "upstream_unavailable")])
@row("FU20", "FU21")
def test_a_vendor_that_cannot_now_has_cost_the_handle(scene, status, code):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", Reply(status))
    assert_problem(scene.authenticate(started, user_id), 503, code, "new_challenge")
    assert len(scene.vendor.calls("authenticate")) == 1


@row("FU03")
def test_a_vendor_that_says_nothing_is_a_timeout(scene):
    api = scene.other("hasty", BFF_REQUEST_TIMEOUT_MS=500).client()
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", Reply(raw=b"", then="hang"))
    assert_problem(scene.authenticate(started, user_id, api=api), 504, "upstream_timeout", "new_challenge")


def test_a_client_that_leaves_does_not_hide_how_it_ended(scene):
    user_id, started = ceremony(scene)
    scene.vendor.on("authenticate", lambda call: Reply(document=scene.vendor.session(call.json["user_id"]),
                                                       delay_s=0.3))
    body = ('{"challenge_id":"%s","user_id":"%s","key_id":"k","signature":"s"}'
            % (started["challenge_id"], user_id))
    with scene.api.raw() as connection:
        connection.send(f"POST /v1/biometrics/authenticate HTTP/1.1\r\nHost: a\r\nX-Request-Id: leaver\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        scene.vendor.wait_calls("authenticate")
    line = scene.service.wait_event("ceremony.authenticate", http_request_id="leaver")
    assert line["event.outcome"] == "success"


# ---- keys

def test_a_session_signed_with_a_new_key_is_accepted_after_one_fetch(scene):
    service = scene.other("rotating")
    user_id, started = ceremony(scene)
    old = scene.vendor.key
    scene.vendor.key = jose.SigningKey("key-2", label="second")
    scene.vendor.published = [old, scene.vendor.key]
    try:
        # The first fetch was a moment ago: the keeper does not believe in a new key so soon.
        answer = scene.authenticate(started, user_id, api=service.client())
        assert_problem(answer, 502, "session_verification_failed", "new_challenge")
    finally:
        scene.vendor.key, scene.vendor.published = old, [old]


def test_without_keys_no_session_is_given_and_none_is_left_behind(scene):
    service = scene.other("keyless", wait_ready=False, BFF_JWKS_URL=f"{scene.vendor.url}/nowhere/jwks")
    user_id, started = ceremony(scene)
    scene.vendor.forget_calls()
    answer = scene.authenticate(started, user_id, api=service.client())
    assert_problem(answer, 503, "keys_unavailable", "new_challenge")
    scene.vendor.wait_calls("logout")


# ---- approval data

def test_what_was_started_is_what_was_approved(scene):
    user_id, started = ceremony(scene, approval_data=APPROVAL)
    with_session(scene, id_claims={"approval_data": dict(reversed(APPROVAL.items()))})
    answer = scene.authenticate(started, user_id)
    assert answer.status == 200
    assert answer.json["approval_data"] == APPROVAL


@pytest.mark.parametrize("claim", [
    {**APPROVAL, "amount": "100.01"}, {**APPROVAL, "more": "x"}, {"amount": "100.00"}, {**APPROVAL, "amount": 100},
    {}, None, "x", OMIT])
def test_anything_else_is_not_approved(scene, claim):
    user_id, started = ceremony(scene, approval_data=APPROVAL)
    with_session(scene, id_claims={"approval_data": claim})
    assert_problem(scene.authenticate(started, user_id), 502, "session_verification_failed", "new_challenge")


def test_without_an_id_token_nothing_is_approved(scene):
    user_id, started = ceremony(scene, approval_data=APPROVAL)
    with_session(scene, id_token=OMIT)
    assert_problem(scene.authenticate(started, user_id), 502, "session_verification_failed", "new_challenge")


def test_approval_data_that_nobody_started_is_not_echoed(scene):
    user_id, started = ceremony(scene)
    with_session(scene, id_claims={"approval_data": APPROVAL})
    assert "approval_data" not in scene.authenticate(started, user_id).json


# ---- identifiers

@pytest.mark.parametrize("kind, identifier, claims, good", [
    ("email", "a@b.c", {"email": "a@b.c"}, True),
    ("email", "a@b.c", {"email": "x@b.c"}, False),
    ("email", "a@b.c", {}, True),
    ("phone_number", "+15551234", {"phone_number": "+1 555 1234"}, True),
    ("phone_number", "+15551234", {"phone_number": "+15551235"}, False),
    ("username", "ada", {"email": "x@b.c"}, True),
])
def test_an_identifier_must_not_be_contradicted(scene, kind, identifier, claims, good):
    started = scene.started(identifier=identifier, identifier_type=kind)
    with_session(scene, id_claims=claims)
    answer = scene.authenticate(started, scene.user())
    if good:
        assert answer.status == 200, answer
    else:
        assert_problem(answer, 502, "session_verification_failed", "new_challenge")


# ---- decoys

def test_a_decoy_makes_the_same_call_and_always_fails(scene):
    scene.vendor.on("start", Reply(404))
    user_id, decoy = ceremony(scene)
    scene.vendor.on("authenticate", Reply(404, {"error_code": "user_not_found", "message": "x"}))
    answer = scene.authenticate(decoy, user_id)
    assert_problem(answer, 401, "authentication_failed", "new_challenge")
    assert scene.the_call("authenticate").json["challenge"] == decoy["challenge"]
    assert_problem(scene.authenticate(decoy, user_id), 409, "challenge_used", "new_challenge")


def test_a_decoy_does_not_become_a_session_even_if_the_vendor_gives_one(scene):
    scene.vendor.on("start", Reply(404))
    user_id, decoy = ceremony(scene)
    with_session(scene, session_id="given-to-a-decoy")
    assert_problem(scene.authenticate(decoy, user_id), 401, "authentication_failed", "new_challenge")
    assert scene.vendor.wait_calls("logout")[0].json == {"session_id": "given-to-a-decoy"}


# ---- lockout

def attempts(scene, api, user_id, count, **members):
    answers = []
    for _ in range(count):
        answers.append(scene.authenticate(scene.started(user_id), user_id, api=api, **members))
    return [(answer.status, answer.code) for answer in answers]


FAILED, LOCKED = (401, "authentication_failed"), (429, "rate_limited")


@pytest.fixture
def guarded(scene):
    return scene.other("guarded", BFF_LOCKOUT_FAILURES=3, BFF_LOCKOUT_WINDOW_S=900).client()


def test_refused_signatures_lock_this_user_and_key_and_no_other(scene, guarded):
    user_id = scene.user()
    scene.vendor.on("authenticate", WRONG)
    assert attempts(scene, guarded, user_id, 4) == [FAILED] * 3 + [LOCKED]
    assert len(scene.vendor.calls("authenticate")) == 3
    scene.vendor.behave()
    started = scene.started(user_id)
    answer = scene.authenticate(started, user_id, api=guarded)
    assert_problem(answer, 429, "rate_limited", "same")
    assert scene.authenticate(started, user_id, api=guarded, key_id="key-2").status == 200


def test_unknown_users_are_locked_alike(scene, guarded):
    user_id = scene.user()
    scene.vendor.on("start", Reply(404))
    scene.vendor.on("authenticate", Reply(404, {"error_code": "user_not_found", "message": "x"}))
    assert attempts(scene, guarded, user_id, 4) == [FAILED] * 3 + [LOCKED]


@pytest.mark.parametrize("reply", [Reply(401, BARE_401), Reply(403, {"message": "Forbidden", "error_code": 403}),
                                   Reply(401, {"error": "Unauthorized"}), Reply(403, {"error": "Forbidden"})])
def test_what_may_be_about_our_client_locks_nobody(scene, guarded, reply):
    scene.vendor.on("authenticate", reply)
    assert attempts(scene, guarded, scene.user(), 5) == [FAILED] * 5


def test_a_success_wipes_the_slate(scene, guarded):
    user_id = scene.user()
    scene.vendor.on("authenticate", WRONG)
    assert attempts(scene, guarded, user_id, 2) == [FAILED] * 2
    scene.vendor.behave()
    assert attempts(scene, guarded, user_id, 1) == [(200, None)]
    scene.vendor.on("authenticate", WRONG)
    assert attempts(scene, guarded, user_id, 3) == [FAILED] * 3


# ---- what operators see

def test_the_audit_line_hides_user_and_key_and_says_why(scene):
    user_id = "someone-to-hide"
    scene.vendor.on("authenticate", WRONG)
    answer = scene.authenticate(scene.started(user_id), user_id, key_id="key-to-hide")
    line = scene.service.wait_event("ceremony.authenticate", http_request_id=answer.headers["X-Request-Id"])
    assert line["error.code"] == "authentication_failed"
    assert line["error.reason"] == "vendor 400 auth_invalid_credentials"
    assert line["user.hash"] and line["key.hash"]
    for hidden in (user_id, "key-to-hide", SIGNATURE, "SECRET"):
        assert hidden not in scene.service.output
    assert scene.service.metric("bff_ceremony_total", step="authenticate", outcome="authentication_failed") >= 1
