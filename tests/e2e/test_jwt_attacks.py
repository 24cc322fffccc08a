# SPDX-License-Identifier: Apache-2.0
"""The corpus of token attacks through HTTP: each as the app's Bearer token and as what a hostile vendor
returns from authenticate and refresh. What passes must be good; nothing may break the service; and good
tokens pass in the same run, or the refusals would mean nothing."""
import pytest

import attacks
from attacks import class_m
from attacks.case import ACCESS, BEARER, EITHER, EVERYWHERE, ID, REFUSE, Case
from attacks.controls import CONTROLS
from attacks.stage import GROUPS, SetStage, Stage
from harness import reports
from harness.stopping import stop_all

# The gate answers for what is no header value or too large for one.
BEARER_REFUSALS = {(401, "invalid_token"), (401, "token_expired"), (401, "missing_token"), (400, "invalid_request")}
LARGE_REFUSALS = {(431, "headers_too_large"), (431, None), (400, None)}
VENDOR_REFUSALS = {(502, "session_verification_failed"), (502, "upstream_invalid_response")}
ACCEPTED = (200, None)
NO_KEYS = (503, "keys_unavailable")
LARGE_BYTES = 8192


def verdict_of(answer):
    return (None, None) if answer is None else (answer.status, answer.code)


def refusals(way, token):
    if way != BEARER:
        return VENDOR_REFUSALS
    if len(token) > LARGE_BYTES:
        return BEARER_REFUSALS | LARGE_REFUSALS | {(None, None)}
    return BEARER_REFUSALS


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    """A stage whose first control passes before the first case and after the last."""
    made = Stage(tmp_path_factory.mktemp("stage"))
    try:
        for way in EVERYWHERE:
            assert_accepted(made, CONTROLS[0], way)
        yield made
        for way in EVERYWHERE:
            assert_accepted(made, CONTROLS[0], way)
    finally:
        made.stop()


@pytest.fixture(scope="session")
def set_stage(tmp_path_factory):
    """The stage of a group of key sets, made at its first case with its controls passing."""
    made = {}

    def of(number):
        if number not in made:
            made[number] = SetStage(tmp_path_factory.mktemp("sets"), GROUPS[number])
            for control in class_m.CONTROLS:
                assert verdict_of(made[number].bearer(made[number].token(control, BEARER))) == ACCEPTED
        return made[number]

    yield of
    stop_all(made.values())


def assert_accepted(stage, case, way):
    answer = stage.play(way, case.make(stage.workshop(way)))
    assert verdict_of(answer) == ACCEPTED, (case.name, way, answer)


@pytest.mark.parametrize("case", CONTROLS, ids=lambda case: case.name)
def test_good_tokens_are_accepted(stage, case):
    with reports.tally("JWT attack controls accepted"):
        for way in case.ways:
            assert_accepted(stage, case, way)


def play_attack(stage, case, way):
    token = case.make(stage.workshop(way))
    verdict = verdict_of(stage.play(way, token))
    allowed = refusals(way, token)
    if case.verdict == EITHER:
        allowed = allowed | {ACCEPTED}
    assert verdict in allowed, f"{case.name} as {way}: {verdict}"


@pytest.mark.parametrize("case", attacks.cases(), ids=lambda case: case.name)
def test_the_attack_is_refused(stage, case):
    with reports.tally("JWT attack cases refused"):
        for way in case.ways:
            play_attack(stage, case, way)
        assert stage.canary.visits() == 0, "the service went where the token sent it"


# ---- key sets ----

def set_verdicts(case, way):
    refused = VENDOR_REFUSALS if way != BEARER else BEARER_REFUSALS
    return {class_m.ACCEPT: {ACCEPTED}, REFUSE: refused | {NO_KEYS},
            EITHER: refused | {NO_KEYS, ACCEPTED}}[case.verdict]


@pytest.mark.parametrize("case", class_m.CONTROLS, ids=lambda case: case.name)
def test_good_key_sets_verify(set_stage, case):
    with reports.tally("JWT attack controls accepted"):
        for way in (BEARER, ACCESS, ID):
            answer = set_stage(0).play(way, set_stage(0).token(case, way))
            assert verdict_of(answer) == ACCEPTED, (way, answer)


@pytest.mark.parametrize("group, case", [(number, case) for number, group in enumerate(GROUPS) for case in group],
                         ids=lambda value: getattr(value, "name", str(value)))
def test_the_key_set_does_not_let_a_bad_token_in(set_stage, group, case):
    stage = set_stage(group)
    title = "controls accepted" if case.verdict == class_m.ACCEPT else "cases refused"
    with reports.tally(f"JWT attack {title}"):
        for way in (BEARER, ACCESS):
            answer = stage.play(way, stage.token(case, way))
            assert verdict_of(answer) in set_verdicts(case, way), (way, answer)


def test_every_class_has_its_cases():
    """As many as a reference corpus of this shape has."""
    wanted = {"A": 33, "B": 56, "C": 16, "D": 22, "E": 21, "F": 20, "G": 17, "H": 28, "I": 64, "L": 85}
    have = {letter: 0 for letter in wanted}
    for case in attacks.cases():
        assert isinstance(case, Case)
        have[case.name[0]] += 1
        if case.verdict == REFUSE:
            assert set(case.ways) - {BEARER}, f"{case.name} never comes from the vendor"
    assert all(have[letter] >= count for letter, count in wanted.items()), have
    assert len(class_m.CASES) >= 56
