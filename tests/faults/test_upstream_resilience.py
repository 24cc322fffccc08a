# SPDX-License-Identifier: Apache-2.0
"""A vendor that fails again and again: the circuit breaker, the budget for repeats, the governor that
learns from 429, and what is done about refusals of our own token (docs/resilience.md)."""
import concurrent.futures
import threading
import time

import pytest

from faults.calls import ready
from faults.marks import row
from harness.hostile import Reply
from harness.scene import assert_problem
from harness.waiting import until

GOOD = (200, 201, 204)
BAD_TOKEN = {"message": "Invalid token", "error_code": 401}


def at_once(makes):
    with concurrent.futures.ThreadPoolExecutor(len(makes)) as pool:
        return [future.result() for future in [pool.submit(make) for make in makes]]


# ---- the circuit breaker

TROUBLE = {"5xx": Reply(503), "reset": Reply(raw=b"", then="reset")}


@row("FU01", "FU21")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_vendor_that_keeps_failing_is_left_alone_and_found_again(scene, trouble, record):
    service = scene.other(f"breaker-{trouble}", BFF_UPSTREAM_BREAKER_FAILURES="5")
    scene.vendor.on("register", TROUBLE[trouble])
    for _ in range(5):
        assert ready(scene, "register", service)().status in (502, 503)
    until(lambda: service.metric("bff_upstream_breaker_state", state="closed") == 0, "the breaker is open")
    opened = time.monotonic()
    assert service.wait_event("upstream.breaker_opened")["log.level"] == "error"
    # Nothing of a ceremony is lost: the handle is not used up.
    authenticate = ready(scene, "authenticate", service)
    calls = len(scene.vendor.calls())
    for operation in ("register", "start", "delete", "logout", "refresh"):
        assert_problem(ready(scene, operation, service)(), 503, "upstream_unavailable", "same")
    assert_problem(authenticate(), 503, "upstream_unavailable", "same")
    # All but the probe that may have been due.
    assert len(scene.vendor.calls()) - calls <= (1 if time.monotonic() < opened + 2 else 3)
    scene.vendor.behave()
    until(lambda: ready(scene, "delete", service)().status == 204, "a probe finds the vendor well")
    record(f"{trouble}: open after 5 failures, closed again {time.monotonic() - opened:.1f} s later")
    assert service.metric("bff_upstream_breaker_state", state="closed") == 1
    assert authenticate().status == 200
    assert ready(scene, "register", service)().status == 201
    service.wait_idle()


@row("FU01")
def test_an_open_breaker_lets_one_probe_out_at_a_time(scene):
    service = scene.other("probed", BFF_UPSTREAM_BREAKER_FAILURES="3")
    scene.vendor.on("start", Reply(500))
    for _ in range(3):
        ready(scene, "start", service)()
    until(lambda: service.metric("bff_upstream_breaker_state", state="closed") == 0, "the breaker is open")
    scene.vendor.forget_calls()
    begin = time.monotonic()
    answers = []
    while time.monotonic() < begin + 4.5:
        answers += at_once([ready(scene, "start", service)] * 8)
    assert {answer.code for answer in answers} == {"upstream_unavailable"}
    assert len(answers) > 20
    seconds = time.monotonic() - begin
    assert 1 <= len(scene.vendor.calls("start")) <= seconds / 2 + 1


@row("FU19", "FU20")
@pytest.mark.parametrize("reply", [Reply(400), Reply(403), Reply(404), Reply(409), Reply(429)])
def test_a_considered_refusal_opens_no_breaker(scene, reply):
    service = scene.other(f"unimpressed-{reply.status}", BFF_UPSTREAM_BREAKER_FAILURES="3")
    scene.vendor.on("register", reply)
    for _ in range(8):
        assert ready(scene, "register", service)().code != "upstream_unavailable"
    assert len(scene.vendor.calls("register")) == 8
    assert service.metric("bff_upstream_breaker_state", state="closed") == 1


# ---- the budget for repeats


@row("FU05")
def test_repeats_are_no_more_than_a_tenth_of_the_calls(scene, record):
    count = 200
    service = scene.other("thrifty", BFF_UPSTREAM_REPEATS_PERCENT="10", BFF_UPSTREAM_BREAKER_FAILURES="0")
    scene.vendor.on("start", Reply(raw=b"", then="reset"))
    began_s = time.monotonic()
    for _ in range(count // 8):
        for answer in at_once([ready(scene, "start", service) for _ in range(8)]):
            assert_problem(answer, 503, "upstream_unavailable", "same")
    calls = len(scene.vendor.calls("start"))
    record(f"{count} broken starts: {calls - count} repeats")
    # A tenth of all calls, the repeats among them; ten are in the budget at the start; a free one each ten seconds.
    free = 1 + (time.monotonic() - began_s) // 10
    assert 0 < calls - count <= calls / 10 + 10 + free
    assert service.metric("bff_upstream_repeats_total", result="refused") > 0
    scene.vendor.behave()
    assert ready(scene, "start", service)().status == 200


# ---- our own token


@row("FU16")
def test_a_late_401_about_an_old_token_renews_nothing(scene):
    """It is repeated with the token that came meanwhile."""
    service = scene.other("late-401")
    assert ready(scene, "start", service)().status == 200
    held = threading.Event()
    scene.vendor.forget_calls()
    scene.vendor.on("start", Reply(401, BAD_TOKEN, hold=held), Reply(401, BAD_TOKEN), None, times=5)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        late = pool.submit(ready(scene, "start", service))
        scene.vendor.wait_calls("start")
        assert ready(scene, "start", service)().status == 200
        assert len(scene.vendor.calls("token")) == 1
        held.set()
        assert late.result().status == 200
    assert len(scene.vendor.calls("token")) == 1
    assert len(scene.vendor.calls("start")) == 4
    service.wait_idle()


@row("FU18")
def test_a_403_is_an_alarm_and_costs_no_token(scene):
    service = scene.other("forbidden")
    scene.vendor.forget_calls()
    scene.vendor.on("start", Reply(403, {"message": "Forbidden", "error_code": 403}))
    scene.vendor.on("logout", Reply(403, {"message": "Forbidden", "error_code": 403}))
    for operation in ("start", "logout"):
        for answer in at_once([ready(scene, operation, service) for _ in range(10)]):
            assert_problem(answer, 502, "upstream_refused_credentials", "same")
        assert len(scene.vendor.calls(operation)) == 10
    assert scene.vendor.calls("token") == []
    assert service.wait_event("token.alarm")["log.level"] == "error"
    assert len(service.events("token.alarm")) == 1
    assert service.metric("bff_token_alarm_total", status="403") == 20
    # It may be good for other calls.
    assert ready(scene, "refresh", service)().status == 200


@row("FU17")
@pytest.mark.parametrize("operation", ["register", "delete", "face_revoke_me"])
def test_a_refused_token_of_a_user_is_the_users_affair(scene, operation):
    scene.vendor.on(operation, Reply(401, BAD_TOKEN))
    assert_problem(ready(scene, operation)(), 401, "invalid_token", "login")
    assert scene.vendor.calls("token") == []
    assert len(scene.vendor.calls(operation)) == 1
    assert ready(scene, "start")().status == 200


# ---- 429


@row("FU20")
def test_a_429_slows_all_calls_down_and_the_limit_comes_back(scene, record, long):
    service = scene.other("governed", BFF_UPSTREAM_MAX_PER_SECOND="100")
    assert service.metric("bff_upstream_limit_per_second") == 100
    scene.vendor.on("start", Reply(429, headers={"Retry-After": "1"}))
    assert_problem(ready(scene, "start", service)(), 503, "upstream_rate_limited", "same")
    assert len(scene.vendor.calls("start")) == 1
    lowered = time.monotonic()
    assert service.wait_event("upstream.limit_lowered")["log.level"] == "warn"
    assert service.metric("bff_upstream_limit_per_second") == 50
    scene.vendor.behave()

    def back():
        ready(scene, "delete", service)()
        return service.metric("bff_upstream_limit_per_second") >= (100 if long else 60)

    until(back, "the limit rises again", 30)
    record(f"429: the limit halves, and {'is back' if long else 'has risen to 60 %'} after "
           f"{time.monotonic() - lowered:.0f} s")
    service.wait_idle()


@row("FU20")
def test_a_login_passes_when_others_have_to_wait(scene):
    service = scene.other("classes", BFF_UPSTREAM_MAX_PER_SECOND="8")
    logins = [ready(scene, "authenticate", service) for _ in range(2)]
    answers = at_once([ready(scene, "delete", service) for _ in range(8)])
    refused = [answer for answer in answers if answer.code == "upstream_rate_limited"]
    assert refused and len(refused) < len(answers)
    assert [login().status for login in logins] == [200, 200]
    assert service.metric("bff_upstream_shed_total", reason="limit") == len(refused)


@row("FU20")
def test_replayed_handles_cost_nobody_a_share_of_the_limit(scene):
    api = scene.other("replayed", BFF_UPSTREAM_MAX_PER_SECOND="10").client()
    user = scene.user()
    answer = scene.start(api=api, identifier="a@example.com", identifier_type="email")
    assert scene.authenticate(answer.json, user, api=api).status == 200
    for n in range(100):
        assert_problem(scene.authenticate(answer.json, f"{user}-{n}", api=api), 409, "challenge_used")
    assert [scene.start(scene.user(), api=api).status for _ in range(3)] == [200] * 3
