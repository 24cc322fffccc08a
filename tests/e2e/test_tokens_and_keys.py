# SPDX-License-Identifier: Apache-2.0
"""Our own tokens and the vendor's keys, when the vendor is late, wrong, away or changes its mind. What
counts is the number of calls that it gets, and that nobody is let in or kept out by its trouble."""
import threading
import time

import pytest

from faults.marks import row
from harness import jose
from harness.crowd import UNLIMITED, Together, get_session, post_start
from harness.fetches import grant, numbered_grants, wait_out_cool_down, with_random_kid
from harness.hostile import OMIT, Reply
from harness.waiting import until

START = {"user_id": "user-1"}


# ---- our token


@row("FK06")
def test_a_thousand_requests_on_an_empty_cache_cost_one_token_call(bff, start_hostile):
    upstream = start_hostile(tls=False)
    release = threading.Event()
    upstream.on("token", Reply(document=grant(), hold=release))
    service = bff(upstream, wait_ready=False, **UNLIMITED)
    with Together(service, 1000) as many:
        many.send(post_start(f"user-{n}") for n in range(1000))
        service.wait_metric(1000, "http_server_active_requests")
        release.set()
        assert many.statuses() == [200] * 1000
    assert len(upstream.calls("token")) == 1
    assert {call.bearer for call in upstream.calls("start")} == {"t-1"}


@row("FK01")
def test_a_token_endpoint_that_is_away_at_start_is_asked_again_and_again(bff, hostile):
    hostile.on("token", Reply(503))
    service = bff(hostile, wait_ready=False)
    hostile.wait_calls("token", 3)
    management = service.management()
    assert management.get("/livez").status == 200
    assert management.get("/readyz").status == 503
    refused = service.client().post("/v1/biometrics/start", START)
    assert (refused.status, refused.code) == (503, "token_unavailable")
    assert refused.json["retry"] == "same"
    assert int(refused.headers["Retry-After"]) >= 1
    hostile.behave()
    service.wait_event("service.ready")
    assert service.client().post("/v1/biometrics/start", START).status == 200


@row("FK02")
def test_a_token_is_renewed_while_it_is_good(bff, hostile):
    hostile.on("token", numbered_grants(expires_in=3))
    service = bff(hostile)
    hostile.wait_calls("token", 3)
    first, second = (call.at for call in hostile.calls("token")[:2])
    assert 3 * 0.7 < second - first < 3
    assert service.metric("bff_token_fetch_total", client="client", result="ok") >= 2


@row("FK03")
def test_an_expired_token_is_never_sent(bff, hostile):
    hostile.on("token", Reply(document=grant("short", expires_in=2)), Reply(500))
    service = bff(hostile, **UNLIMITED)
    api = service.client()
    assert api.post("/v1/biometrics/start", START).status == 200
    got = time.monotonic()
    until(lambda: api.post("/v1/biometrics/start", START).code == "token_unavailable",
          "the token's end")
    assert all(call.at < got + 2 for call in hostile.calls("start"))
    hostile.on("token", Reply(document=grant("fresh")))
    until(lambda: api.post("/v1/biometrics/start", START).status == 200, "a fresh token")
    assert hostile.calls("start")[-1].bearer == "fresh"


@row("FK04")
@pytest.mark.parametrize("reply", [
    Reply(document=grant(expires_in=OMIT)),
    Reply(document=grant(expires_in=0)),
    Reply(document=grant(expires_in=-1)),
    Reply(document=grant(expires_in="3600")),
    Reply(document=grant(token_type="MAC")),
    Reply(document=grant(token_type=OMIT)),
    Reply(document=grant(access_token="")),
    Reply(document=grant(access_token="a\r\nX-Evil: 1")),
    Reply(document=grant(access_token="x" * 65536)),
    Reply(document=grant(), headers={"Content-Type": "text/html"}),
    Reply(document=grant(), headers={"Content-Encoding": "gzip"}),
    Reply(body=b'{"access_token":"a","access_token":"b","token_type":"Bearer","expires_in":60}',
          headers={"Content-Type": "application/json"}),
    Reply(302, headers={"Location": "/oidc/token2"}),
    Reply(200, body=b""),
], ids=["no-expiry", "zero", "negative", "text", "mac", "no-type", "empty", "crlf", "64-KiB", "html",
        "gzip", "twice", "redirect", "nothing"])
def test_a_token_answer_that_is_wrong_is_no_token(bff, hostile, reply):
    hostile.on("token", reply)
    service = bff(hostile, wait_ready=False)
    service.wait_event("token.fetch_failed")
    refused = service.client().post("/v1/biometrics/start", START)
    assert (refused.status, refused.code) == (503, "token_unavailable")
    assert not hostile.calls("start")
    assert not hostile.calls("unknown")
    hostile.behave()
    service.wait_event("service.ready")
    assert service.client().post("/v1/biometrics/start", START).status == 200


@row("FK04")
def test_a_very_long_expiry_is_clamped(bff, hostile):
    hostile.on("token", Reply(document=grant(expires_in=10**9)))
    service = bff(hostile)
    assert service.wait_event("token.fetched")["token.expires_in_s"] == 3600


@row("FK05")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_loud_and_tried_rarely(bff, hostile, status):
    hostile.on("token", Reply(status, {"error": "invalid_client"}))
    service = bff(hostile, wait_ready=False)
    line = service.wait_event("token.fetch_failed")
    assert line["log.level"] == "error"
    assert "invalid_client" in line["error.reason"]
    assert line["token.retry_in_ms"] >= 29000
    for _ in range(20):
        refused = service.client().post("/v1/biometrics/start", START)
        assert (refused.status, refused.code) == (502, "upstream_refused_credentials")
    assert len(hostile.calls("token")) == 1
    assert service.management().get("/readyz").status == 503


@row("FK05")
def test_what_never_came_shows_in_the_metrics(bff, hostile):
    hostile.on("token", Reply(401, {"error": "invalid_client"}))
    hostile.on("jwks", Reply(503))
    service = bff(hostile, wait_ready=False)
    service.wait_event("token.fetch_failed")
    service.wait_event("jwks.fetch_failed")
    shown = {(name, labels.get("client")): value for name, labels, value in service.metrics()}
    assert shown["bff_token_expiry_timestamp_seconds", "client"] == 0
    assert shown["bff_token_renewal_timestamp_seconds", "client"] == 0
    assert shown["bff_jwks_keys", None] == 0
    assert ("bff_token_expiry_timestamp_seconds", "admin") not in shown


@row("FU20")
def test_retry_after_of_the_token_endpoint_is_honoured(bff, hostile):
    hostile.on("token", Reply(429, headers={"Retry-After": "3"}), times=1)
    service = bff(hostile)
    first, second = (call.at for call in hostile.calls("token"))
    assert second - first >= 2.9
    assert service.metric("bff_token_fetch_total", result="rate_limited") == 1


@row("FU16")
def test_a_token_that_the_vendor_refuses_is_renewed_once_for_all(bff, hostile):
    hostile.on("token", numbered_grants())
    hostile.on("start", lambda call: Reply(401, {"message": "Invalid token", "error_code": 401})
               if call.bearer == "t-1" else None)
    service = bff(hostile, **UNLIMITED)
    with Together(service, 50) as many:
        assert many.send(post_start(f"user-{n}") for n in range(50)).statuses() == [200] * 50
    assert len(hostile.calls("token")) == 2


@row("FU16")
def test_tokens_that_are_refused_one_after_the_other_are_no_loop(bff, hostile):
    hostile.on("token", numbered_grants())
    hostile.on("start", Reply(401, {"message": "Invalid token", "error_code": 401}))
    service = bff(hostile)
    for _ in range(20):
        refused = service.client().post("/v1/biometrics/start", START)
        assert (refused.status, refused.code) == (502, "upstream_refused_credentials")
    assert len(hostile.calls("token")) == 5
    assert len(hostile.calls("start")) == 4 * 2 + 16
    assert service.wait_event("token.refused")["log.level"] == "error"


@row("FK16")
def test_the_first_call_after_a_night_succeeds(bff, hostile):
    service = bff(hostile)
    assert service.client().post("/v1/biometrics/start", START).status == 200
    connections = hostile.connection_count
    hostile.reset_connections()
    assert service.client().post("/v1/biometrics/start", START).status == 200
    assert hostile.connection_count > connections


# ---- the vendor's keys


@row("FK11")
def test_unknown_kids_during_the_first_fetch_wait_for_it(bff, start_hostile):
    upstream = start_hostile(tls=False)
    release = threading.Event()
    upstream.on("jwks", lambda call: Reply(document=upstream.key_set(), hold=release))
    service = bff(upstream, wait_ready=False, **UNLIMITED)
    upstream.wait_calls("jwks")
    requests = [get_session(with_random_kid(upstream, n)) for n in range(199)]
    with Together(service, 200) as many:
        many.send(requests + [get_session(upstream.access_token("user-1"))])
        service.wait_metric(200, "http_server_active_requests")
        release.set()
        assert many.statuses() == [401] * 199 + [200]
    assert len(upstream.calls("jwks")) == 1


@pytest.mark.waits
@row("FK09", "FK11")
def test_unknown_kids_cost_one_fetch_after_the_cool_down_and_none_within(bff, start_hostile):
    upstream = start_hostile(tls=False)
    service = bff(upstream, **UNLIMITED)
    old = upstream.access_token("user-1")
    with Together(service, 200) as many:
        many.send(get_session(with_random_kid(upstream, n)) for n in range(200))
        assert many.statuses() == [401] * 200
    assert len(upstream.calls("jwks")) == 1

    wait_out_cool_down(service)
    new_key = jose.SigningKey("key-2", upstream.key.alg, label="other")
    upstream.published.append(new_key)
    new = new_key.sign(upstream.access_claims("user-2"))
    requests = [get_session(with_random_kid(upstream, n)) for n in range(998)]
    with Together(service, 1000) as many:
        many.send(requests + [get_session(new), get_session(old)])
        assert many.statuses() == [401] * 998 + [200, 200]
    assert len(upstream.calls("jwks")) == 2

    answer = service.client().get("/v1/session", token=with_random_kid(upstream, 0))
    assert (answer.status, answer.code) == (401, "invalid_token")
    assert len(upstream.calls("jwks")) == 2


def test_a_client_that_leaves_together_with_the_answer_harms_nobody(bff, hostile):
    """Within the cool-down the answer to an unknown kid is there at once: often in the same moment in which
    the service notices that the client has gone."""
    service = bff(hostile, **UNLIMITED)
    for number in range(200):
        with service.raw() as connection:
            connection.send(get_session(with_random_kid(hostile, number)))
    assert service.client().get("/v1/session", token=hostile.access_token("user-1")).status == 200
    until(lambda: service.metric("http_server_active_requests") == 1, "only the scrape is active")


@pytest.mark.waits
@row("FK08", "FK10", "FK14")
def test_the_old_keys_serve_while_the_vendor_is_away_and_go_when_withdrawn(bff, hostile):
    service = bff(hostile)
    api = service.client()
    old = hostile.access_token("user-1")
    wait_out_cool_down(service)
    hostile.on("jwks", Reply(302, headers={"Location": "/cis/oidc/jwks2"}),
               Reply(body=b"<html>", headers={"Content-Type": "text/html"}), Reply(500))
    unknown = api.get("/v1/session", token=with_random_kid(hostile, 1))
    assert (unknown.status, unknown.code) == (503, "keys_unavailable")
    assert int(unknown.headers["Retry-After"]) >= 1
    hostile.wait_calls("jwks", 4)
    until(lambda: api.get("/v1/session", token=old).status == 200
          and service.metric("bff_token_memory_total", result="hit") > 0, "the old token is remembered")
    assert not hostile.calls("unknown")

    new_key = jose.SigningKey("key-2", hostile.key.alg, label="other")
    hostile.published[:] = [new_key]
    hostile.behave()
    new = new_key.sign(hostile.access_claims("user-2"))
    until(lambda: api.get("/v1/session", token=new).status == 200, "the new key", 60)
    assert api.get("/v1/session", token=old).status == 401


def key_sets(hostile):
    good = hostile.key.jwk()
    return {
        "empty": Reply(document={"keys": []}),
        "no-keys": Reply(document={}),
        "array": Reply(document=[good]),
        "not-json": Reply(body=b"{", headers={"Content-Type": "application/json"}),
        "html": Reply(document={"keys": [good]}, headers={"Content-Type": "text/html"}),
        "giant": Reply(document={"keys": [good], "pad": "x" * 300_000}),
        "symmetric": Reply(document={"keys": [{"kty": "oct", "kid": "key-1", "k": "AAAA"}]}),
        "private": Reply(document={"keys": [{**good, "d": "AAAA"}]}),
        "twice": Reply(document={"keys": [good, good]}),
        "redirect": Reply(307, headers={"Location": "/cis/oidc/jwks2"}),
        "forbidden": Reply(403, {"message": "no"}),
    }


@row("FK08", "FK14")
@pytest.mark.parametrize("name", ["empty", "no-keys", "array", "not-json", "html", "giant", "symmetric",
                                  "private", "twice", "redirect", "forbidden"])
def test_a_key_set_that_is_wrong_is_no_key_set(bff, hostile, name):
    hostile.on("jwks", key_sets(hostile)[name])
    service = bff(hostile, wait_ready=False)
    assert service.wait_event("jwks.fetch_failed")["log.level"] == "error"
    token = hostile.access_token("user-1")
    answer = service.client().get("/v1/session", token=token)
    assert (answer.status, answer.code) == (503, "keys_unavailable")
    assert not hostile.calls("unknown")
    hostile.behave()
    service.wait_event("service.ready")
    assert service.client().get("/v1/session", token=token).status == 200


@row("FK13")
def test_a_key_counts_for_its_own_issuer_alone(bff, start_hostile):
    first, second = start_hostile(tls=False), start_hostile(tls=False)
    second.issuer = "https://second.test"
    second.key = jose.SigningKey("key-2", label="second")
    second.published = [second.key]
    issuers = ",".join(f"{one.issuer}={one.url}/cis/oidc/jwks" for one in (first, second))
    service = bff(first, BFF_ISSUERS=issuers)
    api = service.client()
    assert api.get("/v1/session", token=first.access_token("u")).status == 200
    assert api.get("/v1/session", token=second.access_token("u")).status == 200
    crossed = second.access_token("u", iss=first.issuer)
    assert api.get("/v1/session", token=crossed).status == 401
    renamed = second.key.sign(second.access_claims("u", iss=first.issuer), kid=first.key.kid)
    assert api.get("/v1/session", token=renamed).status == 401
    assert len(first.calls("jwks")) == 1
    assert len(second.calls("jwks")) == 1
