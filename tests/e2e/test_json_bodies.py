# SPDX-License-Identifier: Apache-2.0
"""What counts as a JSON body (RFC 8259 and the stricter rules of this service), seen from outside:
every case is sent to two operations, and none of them may reach the vendor or make a 5xx."""
import json
import os

import pytest

from faults.marks import row
from harness import reports
from harness.device import unique
from harness.json_cases import own_cases, suite_cases

OPERATIONS = ["/v1/biometrics/start", "/v1/session/refresh"]
MAX_BODY_BYTES = 32768


def wrong_answer(case, answer):
    """None, or what is wrong with the answer."""
    if answer.status >= 500:
        return f"{case.name}: {answer}"
    wanted = {"invalid": ["invalid_json"], "object": ["invalid_request"],
              "value": ["invalid_request"], "either": ["invalid_json", "invalid_request"]}
    codes = wanted[case.verdict]
    if len(case.text) > MAX_BODY_BYTES:
        codes = ["payload_too_large"]
    return None if answer.code in codes else f"{case.name} is {case.verdict}, but: {answer}"


def send_all(shared, operation, cases):
    client = shared.service.client(keep_alive=True)
    try:
        answers = [(case, client.request("POST", operation, body=case.text)) for case in cases]
    finally:
        client.close()
    wrong = [found for found in (wrong_answer(*pair) for pair in answers) if found]
    assert not wrong, "\n".join(wrong)
    assert shared.emulator.call_count("start") == 0
    assert shared.emulator.call_count("refresh") == 0
    reports.count("JSON bodies judged", len(cases))


@row("FC10")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_grammar_case_is_judged_as_the_rfc_does(shared, operation):
    cases = own_cases()
    assert len(cases) >= 150
    send_all(shared, operation, cases)


# The suite is an npm package, so only those who have fetched it run this (continuous integration does);
# without it there is no such test, rather than one that is skipped.
if "JSON_TEST_SUITE_DIR" in os.environ:
    @row("FC10")
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_the_public_parsing_suite_is_judged_right_but_for_four_declared_cases(shared, operation):
        cases = suite_cases(os.environ["JSON_TEST_SUITE_DIR"])
        assert len(cases) >= 300
        send_all(shared, operation, cases)


def test_an_escaped_member_name_is_the_same_member(shared):
    user = shared.emulator.make_user()
    body = b'{"us\\u0065r_id": "%s"}' % user["user_id"].encode()
    answer = shared.api.post("/v1/biometrics/start", body=body)
    assert answer.status == 200, answer
    assert shared.emulator.executed_count("start") == 1


@row("FC11")
@pytest.mark.parametrize("second_name", ["user_id", "us\\u0065r_id", "\\u0075\\u0073er_id"])
def test_a_member_given_twice_reaches_nobody(shared, second_name):
    user = shared.emulator.make_user()
    body = '{"user_id": "%s", "%s": "somebody-else"}' % (user["user_id"], second_name)
    answer = shared.api.post("/v1/biometrics/start", body=body.encode())
    assert (answer.status, answer.code) == (400, "invalid_json"), answer
    assert shared.emulator.call_count("start") == 0


def test_a_member_in_another_case_is_an_unknown_member(shared):
    user = shared.emulator.make_user()
    document = {"user_id": user["user_id"], "USER_ID": "somebody-else"}
    answer = shared.api.post("/v1/biometrics/start", document)
    assert (answer.status, answer.code) == (400, "invalid_request"), answer
    assert [error["pointer"] for error in answer.json["errors"]] == ["/USER_ID"]


@pytest.mark.parametrize("escaped", [True, False])
def test_text_outside_ascii_arrives_at_the_vendor_unchanged(shared, escaped):
    email = unique("gr\u00fc\u00df\U0001f600") + "@example.com"
    shared.emulator.make_user(email=email)
    document = {"identifier": email, "identifier_type": "email"}
    body = json.dumps(document, ensure_ascii=escaped).encode()
    answer = shared.api.post("/v1/biometrics/start", body=body)
    assert answer.status == 200, answer
    assert shared.emulator.executed_count("start") == 1


@row("FC11")
def test_nesting_and_number_of_values_are_bounded(shared):
    deep = b'{"claims": ' + b'{"a": ' * 200 + b"1" + b"}" * 201
    wide = b'{"claims": [' + b"1," * 5000 + b"1]}"
    for body in (deep, wide):
        answer = shared.api.post("/v1/biometrics/authenticate", body=body)
        assert (answer.status, answer.code) == (400, "invalid_json"), answer


@row("FC04")
def test_a_body_of_the_largest_size_is_judged_and_one_byte_more_is_not(shared):
    frame = len(b'{"user_id": ""}')
    largest = b'{"user_id": "%s"}' % (b"x" * (MAX_BODY_BYTES - frame))
    assert len(largest) == MAX_BODY_BYTES
    answer = shared.api.post("/v1/biometrics/start", body=largest)
    assert (answer.status, answer.code) == (400, "invalid_request"), answer
    answer = shared.api.post("/v1/biometrics/start", body=largest + b" ")
    assert (answer.status, answer.code) == (413, "payload_too_large"), answer
