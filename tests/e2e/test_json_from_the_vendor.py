# SPDX-License-Identifier: Apache-2.0
"""The vendor's answers are held to the same JSON as the app's requests: what is not strict JSON, or not
what the operation needs, is 502 and never a session, a crash or a 500."""
import pytest

from faults.marks import row
from harness import reports
from harness.device import unique
from harness.hostile import Reply
from harness.json_cases import own_cases

CODE = "upstream_invalid_response"


def json_reply(text):
    return Reply(body=text, headers={"Content-Type": "application/json"})


@pytest.fixture
def vendor(hostile, bff):
    """(upstream, client of a service without a limit on its calls)"""
    service = bff(hostile, BFF_UPSTREAM_MAX_PER_SECOND=0)
    client = service.client(keep_alive=True)
    yield hostile, client
    client.close()


def start(client):
    return client.post("/v1/biometrics/start", {"user_id": unique("user")})


@row("FU09")
def test_no_grammar_case_passes_for_an_answer_of_start(vendor):
    upstream, client = vendor
    wrong = []
    cases = own_cases()
    for case in cases:
        upstream.on("start", json_reply(case.text), times=1)
        answer = start(client)
        if (answer.status, answer.code) != (502, CODE):
            wrong.append(f"{case.name}: {answer}")
    assert not wrong, "\n".join(wrong)
    assert start(client).status == 200
    reports.count("vendor answers judged", len(cases))


@pytest.mark.parametrize("text", [
    b'{"challenge": "first", "challenge": "second"}',
    b'{"challenge": "first", "ch\\u0061llenge": "second"}',
    b'{"challenge": "a\\u0000b"}',
    b'{"challenge": "\\ud800"}',
    b'{"challenge": "\xff"}',
    b'\xef\xbb\xbf{"challenge": "c"}',
    b'{"challenge": "c"}{"challenge": "d"}',
    b'{"challenge": "c"} x',
    b"{'challenge': 'c'}",
    b'{"challenge": ["c"]}',
    b'{"challenge": 1}',
    b'{"challenge": null}',
    b'{"challenge": ""}',
    b'{"Challenge": "c"}',
    b'[{"challenge": "c"}]',
    b"null",
    b"",
])
@row("FU09")
def test_a_challenge_that_two_readers_could_read_differently_is_refused(vendor, text):
    upstream, client = vendor
    upstream.on("start", json_reply(text), times=1)
    answer = start(client)
    assert (answer.status, answer.code) == (502, CODE), answer
    assert start(client).status == 200


@pytest.mark.parametrize("change", [
    (b'"token_type"', b'"session_id": "other", "token_type"'),
    (b'"access_token"', b'"access_token": "x", "access_token"'),
    (b'"expires_in": 3600', b'"expires_in": 1e400'),
    (b'"expires_in": 3600', b'"expires_in": "3600"'),
    (b'"token_type": "Bearer"', b'"token_type": "MAC"'),
    (b'"access_token"', b'"Access_Token"'),
    (b'"session_id"', b'"no_session_id"'),
    (b"}", b""),
    (b"}", b"}}"),
])
@row("FU09", "FU11")
def test_a_session_in_damaged_json_is_no_session(vendor, change):
    upstream, client = vendor
    user_id = unique("user")
    started = client.post("/v1/biometrics/start", {"user_id": user_id}).json
    whole = Reply(document=upstream.session(user_id)).encoded().split(b"\r\n\r\n", 1)[1]
    assert change[0] in whole
    upstream.on("authenticate", json_reply(whole.replace(*change)), times=1)
    answer = client.post("/v1/biometrics/authenticate", {
        "challenge_id": started["challenge_id"], "user_id": user_id, "key_id": "key-1",
        "signature": "c2lnbmF0dXJl"})
    assert (answer.status, answer.code) == (502, CODE), answer
    assert b"access_token" not in answer.body
