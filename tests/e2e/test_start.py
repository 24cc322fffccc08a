# SPDX-License-Identifier: Apache-2.0
"""POST /v1/biometrics/start: what the vendor is asked, what the app gets, and what it must not learn."""
import string

import pytest

from faults.marks import row
from harness.hostile import Reply
from harness.scene import assert_problem, pointers

APPROVAL = {"amount": "100.00", "currency": "EUR"}


def test_an_app_gets_the_vendors_challenge_a_handle_and_its_life(scene):
    scene.vendor.on("start", Reply(document={"challenge": "the challenge ~"}), times=1)
    document = scene.started(scene.user())
    assert document.keys() == {"challenge", "challenge_id", "expires_in"}
    assert document["challenge"] == "the challenge ~"
    assert document["expires_in"] == 120


@pytest.mark.parametrize("asked, sent", [
    ({"user_id": "u-1"}, {"user_id": "u-1"}),
    ({"user_id": "u-1", "device_id": "d"}, {"user_id": "u-1", "device_id": "d"}),
    ({"identifier": "a@b.c", "identifier_type": "email"}, {"identifier": "a@b.c", "identifier_type": "email"}),
    ({"identifier": "u-1", "identifier_type": "user_id"}, {"user_id": "u-1"}),
    ({"user_id": "u-1", "timeout_s": 30}, {"user_id": "u-1", "timeout": 30}),
    ({"user_id": "u-1", "approval_data": APPROVAL}, {"user_id": "u-1", "approval_data": APPROVAL}),
    ({"user_id": "\u00fc \"\\"}, {"user_id": "\u00fc \"\\"}),
])
def test_the_vendor_gets_what_was_asked_and_nothing_else(scene, asked, sent):
    assert scene.api.post("/v1/biometrics/start", asked).status == 200
    call = scene.the_call("start")
    assert call.json == sent
    assert call.headers["content-type"] == "application/json"
    assert "x-request-id" not in call.headers


def test_the_life_of_the_handle_is_what_the_app_asked_for(scene):
    assert scene.started(scene.user(), timeout_s=600)["expires_in"] == 600


def test_the_handle_shows_nothing_and_is_never_the_same(scene):
    scene.vendor.on("start", Reply(document={"challenge": "visible-challenge"}))
    handles = {scene.started("visible-user")["challenge_id"] for _ in range(3)}
    assert len(handles) == 3
    for handle in handles:
        assert set(handle) <= set(string.ascii_letters + string.digits + "-_")
        assert "visible" not in handle


def approval(count=1, key="k", value="v"):
    return {f"{key}{number}": value for number in range(count)}


@pytest.mark.parametrize("document, wanted", [
    ({}, {"/user_id"}),
    ({"user_id": "u", "identifier": "i", "identifier_type": "email"}, {"/identifier"}),
    ({"user_id": "u", "identifier_type": "email"}, {"/identifier_type"}),
    ({"identifier": "i"}, {"/identifier_type"}),
    ({"identifier_type": "email"}, {"/user_id"}),
    ({"user_id": ""}, {"/user_id"}),
    ({"user_id": "a" * 256}, {"/user_id"}),
    ({"user_id": "a\nb"}, {"/user_id"}),
    ({"user_id": None}, {"/user_id"}),
    ({"user_id": 7}, {"/user_id"}),
    ({"identifier": "i", "identifier_type": "e mail"}, {"/identifier_type"}),
    ({"user_id": "u", "device_id": "d" * 81}, {"/device_id"}),
    ({"user_id": "u", "timeout_s": 29}, {"/timeout_s"}),
    ({"user_id": "u", "timeout_s": 601}, {"/timeout_s"}),
    ({"user_id": "u", "timeout_s": 60.5}, {"/timeout_s"}),
    ({"user_id": "u", "timeout_s": "60"}, {"/timeout_s"}),
    ({"user_id": "u", "approval_data": {}}, {"/approval_data"}),
    ({"user_id": "u", "approval_data": []}, {"/approval_data"}),
    ({"user_id": "u", "approval_data": approval(11)}, {"/approval_data"}),
    ({"user_id": "u", "approval_data": {"sum": 100}}, {"/approval_data/sum"}),
    ({"user_id": "u", "approval_data": {"sum": "1 000"}}, {"/approval_data/sum"}),
    ({"user_id": "u", "approval_data": {"sum": {"a": "b"}}}, {"/approval_data/sum"}),
    ({"user_id": "u", "approval_data": {"k" * 65: "v"}}, {"/approval_data"}),
    ({"user_id": "u", "approval_data": {"k": "v" * 257}}, {"/approval_data/k"}),
    ({"user_id": "u", "challenge": "mine", "a/b": 1}, {"/challenge", "/a~1b"}),
])
def test_a_bad_request_is_refused_with_a_pointer_to_each_fault(scene, document, wanted):
    answer = scene.api.post("/v1/biometrics/start", document)
    assert_problem(answer, 400, "invalid_request", "never")
    assert pointers(answer) == wanted
    assert scene.vendor.calls("start") == []


@pytest.mark.parametrize("document", [
    {"user_id": "a" * 255, "device_id": "d" * 80, "approval_data": approval(10, "k" * 63, "v" * 256)},
    {"identifier": "i" * 255, "identifier_type": "t" * 64, "timeout_s": 600},
])
def test_sizes_at_their_limits_pass(scene, document):
    assert scene.api.post("/v1/biometrics/start", document).status == 200


UNKNOWN = [
    Reply(404, {"message": "User not found", "error_code": 404}),
    Reply(404, {"error_code": "user_not_found", "message": "x"}),
    Reply(404, body=b"<html>", headers={"Content-Type": "text/html"}),
    Reply(400, {"error_code": 400, "message": "x", "ts_error_code": "user_not_found"}),
    Reply(400, {"error_code": "400", "message": "User not found"}),
    Reply(403, {"error_code": "user_not_active", "message": "x"}),
    Reply(403, {"error_code": "auth_locked", "message": "x"}),
    Reply(400, {"error_code": 400, "message": "x", "ts_error_code": "auth_locked"}),
]


@pytest.mark.parametrize("reply", UNKNOWN)
@row("FU19")
def test_an_unknown_locked_or_inactive_user_looks_like_any_other(scene, reply):
    genuine = scene.started("user-0001", device_id="d-1", approval_data=APPROVAL)
    scene.vendor.on("start", reply, times=1)
    answer = scene.start("user-0002", device_id="d-1", approval_data=APPROVAL)
    assert answer.status == 200
    decoy = answer.json
    assert decoy.keys() == genuine.keys()
    assert decoy["expires_in"] == genuine["expires_in"]
    assert len(decoy["challenge"]) == len(genuine["challenge"])
    assert len(decoy["challenge_id"]) == len(genuine["challenge_id"])
    assert decoy["challenge"] != genuine["challenge"]


@pytest.mark.parametrize("genuine, alphabet", [
    ("f2b7c0d59c0a4e6b8d1e7a3c5b9f4d20", "0123456789abcdef"),
    ("mJ4f-P0qAz9Gb3Cd7Ey_wQtttt", string.ascii_letters + string.digits + "-_"),
    ("3f6c2d1e-9a00-4bcd-8e1f-0123456789ab", "0123456789abcdef-"),
])
def test_a_decoy_has_the_alphabet_of_the_last_genuine_challenge(scene, genuine, alphabet):
    scene.vendor.on("start", Reply(document={"challenge": genuine}), Reply(404))
    assert scene.started(scene.user())["challenge"] == genuine
    decoys = {scene.started(scene.user())["challenge"] for _ in range(10)}
    assert len(decoys) == 10
    for decoy in decoys:
        assert len(decoy) == len(genuine) and set(decoy) <= set(alphabet)


def test_a_decoy_before_the_first_genuine_challenge_is_a_plausible_one(scene):
    scene.vendor.on("start", Reply(404))
    api = scene.other("fresh").client()
    challenge = scene.start(scene.user(), api=api).json["challenge"]
    assert len(challenge) == 43


@pytest.mark.parametrize("reply, upstream_code", [
    (Reply(400, {"error_code": 400, "message": "SECRET", "ts_error_code": "system_invalid_input"}),
     "system_invalid_input"),
    (Reply(400, {"error_code": 400, "message": ["SECRET"], "ts_error_code": "brand_new_code"}), None),
    (Reply(400, {"error_code": "invalid_request", "message": "SECRET"}), None),
    (Reply(400, body=b"SECRET"), None),
])
@row("FU19")
def test_any_other_400_is_the_vendors_considered_refusal(scene, reply, upstream_code):
    scene.vendor.on("start", reply)
    answer = scene.start(scene.user())
    assert_problem(answer, 422, "request_rejected", "never")
    assert answer.json.get("upstream_code") == upstream_code
    assert b"SECRET" not in answer.body


@row("FU16")
def test_a_401_renews_our_token_once_and_the_app_never_sees_it(scene):
    scene.vendor.on("start", Reply(401, {"message": "Invalid token", "error_code": 401}), times=1)
    assert scene.start(scene.user()).status == 200
    first, second = scene.vendor.calls("start")
    assert first.bearer != second.bearer
    assert len(scene.vendor.calls("token")) == 1


@row("FU16")
def test_a_second_401_is_ours_to_repair(scene):
    scene.vendor.on("start", Reply(401, {"message": "Unauthorized", "error_code": 401}))
    assert_problem(scene.start(scene.user()), 502, "upstream_refused_credentials", "same")
    assert len(scene.vendor.calls("start")) == 2


def test_a_client_that_the_vendor_does_not_know_is_no_unknown_user(scene):
    scene.vendor.on("start", Reply(404, {"error_code": "client_not_found", "message": "x"}))
    assert_problem(scene.start(scene.user()), 502, "upstream_refused_credentials", "same")


@row("FU18")
def test_a_403_about_our_rights_is_not_the_users(scene):
    scene.vendor.on("start", Reply(403, {"message": "Forbidden", "error_code": 403}))
    assert_problem(scene.start(scene.user()), 502, "upstream_refused_credentials", "same")
    assert len(scene.vendor.calls("start")) == 1


@pytest.mark.parametrize("reply", [
    Reply(200, {}),
    Reply(200, {"challenge": ""}),
    Reply(200, {"challenge": 7}),
    Reply(200, {"challenge": "a\nb"}),
    Reply(200, {"challenge": "c" * 4097}),
    Reply(200, ["challenge"]),
    Reply(200, body=b'{"challenge":"a","challenge":"b"}', headers={"Content-Type": "application/json"}),
    Reply(200, body=b'{"challenge":"a"', headers={"Content-Type": "application/json"}),
    Reply(200, body=b"<html>", headers={"Content-Type": "text/html"}),
    Reply(200, {"challenge": "a"}, headers={"Content-Type": None}),
    Reply(200, {"challenge": "a"}, headers={"Content-Type": "application/json; charset=utf-16"}),
    Reply(200, {"challenge": "a"}, headers={"Content-Encoding": "gzip"}),
    Reply(204),
    Reply(302, headers={"Location": "https://elsewhere.example/"}),
    Reply(418, {"message": "x"}),
])
@row("FU10", "FU11")
def test_an_answer_that_cannot_be_used_is_never_passed_on(scene, reply):
    scene.vendor.on("start", reply)
    assert_problem(scene.start(scene.user()), 502, "upstream_invalid_response", "same")


@pytest.mark.parametrize("reply, code, least_s", [
    (Reply(500, {"message": "x", "error_code": 500}), "upstream_unavailable", 1),
    (Reply(503, body=b"<html>", headers={"Retry-After": "7"}), "upstream_unavailable", 7),
    (Reply(429), "upstream_rate_limited", 1),
    (Reply(429, headers={"Retry-After": "9"}), "upstream_rate_limited", 9),
])
@row("FU20", "FU21")
def test_a_vendor_that_cannot_now_is_a_503_that_says_when(scene, reply, code, least_s):
    scene.vendor.on("start", reply)
    answer = scene.start(scene.user())
    assert_problem(answer, 503, code, "same")
    assert least_s <= int(answer.headers["Retry-After"]) <= 60
    assert len(scene.vendor.calls("start")) == 1


@row("FU05", "FU06")
def test_a_broken_start_is_sent_once_more(scene):
    scene.vendor.on("start", Reply(raw=b"", then="reset"), times=1)
    assert scene.start(scene.user()).status == 200
    assert len(scene.vendor.calls("start")) == 2


@row("FU05")
def test_a_start_that_keeps_breaking_is_not_sent_a_third_time(scene):
    scene.vendor.on("start", Reply(raw=b"", then="close"))
    assert_problem(scene.start(scene.user()), 503, "upstream_unavailable", "same")
    assert len(scene.vendor.calls("start")) == 2


def test_the_limit_counts_each_user_and_unknown_ones_alike(scene):
    api = scene.other("strict", BFF_RATE_PER_USER="3/h").client()
    scene.vendor.on("start", Reply(404))
    for known_to_us in ("user-a", "user-b"):
        assert [scene.start(known_to_us, api=api).status for _ in range(3)] == [200] * 3
        assert_problem(scene.start(known_to_us, api=api), 429, "rate_limited", "same")
    assert len(scene.vendor.calls("start")) == 6


def test_our_share_of_the_vendors_limit_is_kept_before_anything_is_sent(scene):
    api = scene.other("modest", BFF_UPSTREAM_MAX_PER_SECOND=1).client()
    answers = [scene.start(scene.user(), api=api) for _ in range(5)]
    refused = [answer for answer in answers if answer.status != 200]
    assert refused
    for answer in refused:
        assert_problem(answer, 503, "upstream_rate_limited", "same")
    assert len(scene.vendor.calls("start")) == len(answers) - len(refused)


def test_the_audit_line_names_the_decoy_and_hides_the_user(scene):
    scene.vendor.on("start", Reply(404))
    answer = scene.start("a-user-to-hide")
    line = scene.service.wait_event("ceremony.start", http_request_id=answer.headers["X-Request-Id"])
    assert line["bff.outcome"] == "decoy" and line["event.outcome"] == "success"
    assert len(line["user.hash"]) == 24
    assert "a-user-to-hide" not in scene.service.output
