# SPDX-License-Identifier: Apache-2.0
"""Our own tokens and the vendor's keys on a bad day: what tests/e2e/test_tokens_and_keys.py leaves over."""
import threading

import pytest

from faults.marks import row
from harness import jose
from harness.crowd import UNLIMITED, Together, get_session, post_start
from harness.fetches import grant, wait_out_cool_down
from harness.hostile import Reply
from harness.waiting import until

START = {"user_id": "user-1"}


# ---- our token


@row("FK02")
def test_a_token_serves_to_its_end_while_no_other_is_to_be_had(bff, hostile):
    hostile.on("token", Reply(document=grant(expires_in=8)), Reply(503))
    service = bff(hostile, **UNLIMITED)
    renewals = hostile.wait_calls("token", 3)
    assert 8 * 0.74 < renewals[1].at - renewals[0].at < 8 * 0.86
    assert service.client().post("/v1/biometrics/start", START).status == 200
    assert service.management().get("/readyz").status == 200
    assert service.wait_event("token.fetch_failed")["token.cached"] is True
    assert service.metric("bff_token_fetch_total", client="client", result="unavailable") >= 1


@row("FK04")
@pytest.mark.parametrize("expires_in, lasts_s", [
    (59.9, 59), ("59", None), (True, None), (None, None), ([3600], None), (0.5, None), (1e300, 3600), (-1e9, None),
    (10**30, 3600)], ids=str)
def test_an_expiry_is_a_number_of_seconds_within_bounds_or_no_expiry(bff, hostile, expires_in, lasts_s):
    hostile.on("token", Reply(document=grant(expires_in=expires_in)))
    service = bff(hostile, wait_ready=False)
    if lasts_s:
        assert service.wait_event("token.fetched")["token.expires_in_s"] == lasts_s
    else:
        service.wait_event("token.fetch_failed")
        assert not service.events("token.fetched")


@row("FK06")
def test_those_who_wait_for_a_token_are_half_of_all_at_most(bff, start_hostile):
    upstream = start_hostile(tls=False)
    release = threading.Event()
    upstream.on("token", Reply(document=grant(), hold=release))
    service = bff(upstream, wait_ready=False, **{**UNLIMITED, "BFF_MAX_IN_FLIGHT": "40"})
    assert service.metric("bff_keeper_waiting_max_requests", **{"for": "token"}) == 20
    with Together(service, 20) as waiting, Together(service, 20) as too_many:
        waiting.send(post_start(f"user-{n}") for n in range(20))
        service.wait_metric(20, "bff_keeper_waiting_requests", **{"for": "token"})
        too_many.send(post_start(f"user-{n}") for n in range(20, 40))
        answers = [too_many.answer(n) for n in range(20)]
        assert {(answer.status, answer.code) for answer in answers} == {(503, "overloaded")}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
        needs_no_token = service.client().get("/v1/session", token=upstream.access_token("user-1"))
        assert needs_no_token.status == 200
        release.set()
        assert waiting.statuses() == [200] * 20
    assert service.metric("bff_keeper_wait_refused_total", **{"for": "token"}) == 20
    assert service.metric("bff_keeper_waiting_requests") == 0
    assert len(upstream.calls("token")) == 1


# ---- the vendor's keys


@row("FK01", "FK08")
def test_a_service_without_keys_lives_is_not_ready_and_heals(bff, hostile):
    hostile.on("jwks", Reply(503))
    service = bff(hostile, wait_ready=False)
    hostile.wait_calls("jwks", 3)
    pauses = [line["jwks.retry_in_ms"] for line in service.events("jwks.fetch_failed")]
    assert all(0 < pause <= 500 * 2**n for n, pause in enumerate(pauses))
    management = service.management()
    assert (management.get("/livez").status, management.get("/readyz").status) == (200, 503)
    token = hostile.access_token("user-1")
    assert service.client().get("/v1/session", token=token).code == "keys_unavailable"
    hostile.behave()
    service.wait_event("service.ready")
    assert service.client().get("/v1/session", token=token).status == 200


def forged(hostile, number):
    """A token with the kid of a good key, signed with another one."""
    return jose.SigningKey("key-1", label="forger").sign(hostile.access_claims(f"user-{number}"))


@row("FK12")
def test_bad_signatures_under_a_known_kid_cost_one_fetch_a_cool_down(bff, start_hostile, record):
    upstream = start_hostile(tls=False)
    service = bff(upstream, **UNLIMITED)
    old = upstream.access_token("user-1")
    with Together(service, 300) as many:
        many.send(get_session(forged(upstream, n)) for n in range(300))
        assert many.statuses() == [401] * 300
    assert len(upstream.calls("jwks")) == 1

    # The vendor puts another key under the same kid. The first tokens with it are among bad ones.
    wait_out_cool_down(service)
    replaced = jose.SigningKey("key-1", upstream.key.alg, label="replaced")
    upstream.published[:] = [replaced]
    release = threading.Event()
    upstream.on("jwks", lambda call: Reply(document=upstream.key_set(), hold=release), times=1)
    new = replaced.sign(upstream.access_claims("user-2"))
    with Together(service, 101) as many:
        many.send([get_session(new)] + [get_session(forged(upstream, n)) for n in range(100)])
        service.wait_metric(101, "bff_keeper_waiting_requests", **{"for": "new_keys"})
        assert service.client().get("/v1/session", token=old).status == 200, "good tokens do not wait"
        release.set()
        assert many.statuses() == [200] + [401] * 100
    assert service.client().get("/v1/session", token=old).code == "invalid_token"

    for number in range(100):
        answer = service.client().get("/v1/session", token=forged(upstream, number))
        assert (answer.status, answer.code) == (401, "invalid_token")
    assert len(upstream.calls("jwks")) == 2
    record("500 bad signatures over a cool-down: 1 fetch of the key set")


@row("FK12")
def test_bad_signatures_are_401_also_while_the_vendor_is_slow_and_when_it_fails(bff, start_hostile):
    """On a replica of 160 places, 10 wait for the keys; whoever has a good token passes."""
    upstream = start_hostile(tls=False)
    service = bff(upstream, **{**UNLIMITED, "BFF_MAX_IN_FLIGHT": "160"})
    api, good = service.client(), upstream.access_token("user-1")
    wait_out_cool_down(service)
    release = threading.Event()
    upstream.on("jwks", Reply(500, headers={"Retry-After": "60"}, hold=release))
    with Together(service, 60) as many:
        many.send(get_session(forged(upstream, n)) for n in range(60))
        until(lambda: service.metric("bff_jwt_verify_total", result="signature") == 50, "50 are refused")
        assert service.metric("bff_keeper_waiting_requests", **{"for": "new_keys"}) == 10
        assert api.get("/v1/session", token=good).status == 200
        release.set()
        assert many.statuses() == [401] * 60
    assert service.metric("bff_keeper_wait_refused_total", **{"for": "new_keys"}) == 50

    for number in range(20):
        answer = api.get("/v1/session", token=forged(upstream, number))
        assert (answer.status, answer.code) == (401, "invalid_token")
        assert api.get("/v1/session", token=good).status == 200
    assert len(upstream.calls("jwks")) == 2
