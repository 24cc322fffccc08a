# SPDX-License-Identifier: Apache-2.0
"""Readiness and the ways to end: probes, the two phases of a drain, a second signal, what is still
under way."""
import json
import pathlib
import re
import signal
import threading
import time

import pytest

from faults.marks import row
from harness.background import InBackground
from harness.device import unique
from harness.hostile import Reply
from harness.http import RawConnection
from harness.paths import BUILD, SANITIZER
from harness.waiting import until

START = {"user_id": "user-1"}


# ---- readiness


def test_it_is_ready_once_it_had_a_token_and_keys(bff, hostile):
    hostile.on("jwks", Reply(503))
    service = bff(hostile, wait_ready=False)
    management = service.management()
    until(lambda: management.get("/readyz").json["checks"]["token"] == "ok", "a token")
    answer = management.get("/readyz")
    assert answer.status == 503
    assert answer.json["status"] == "not_ready"
    assert answer.json["checks"] == {"listening": "ok", "token": "ok", "keys": "waiting",
                                     "draining": "ok"}
    assert management.get("/startupz").status == 503
    alive = management.get("/livez")
    assert (alive.status, alive.json) == (200, {"status": "ok", "checks": {"process": "ok"}})
    assert service.client().get("/healthz").status == 503
    assert not service.events("service.ready")

    hostile.behave()
    service.wait_event("service.ready")
    assert management.get("/readyz").json["status"] == "ready"
    assert management.get("/startupz").status == 200
    assert service.client().get("/healthz").status == 200


def test_an_outage_of_the_vendor_does_not_make_it_unready(bff, start_hostile):
    upstream = start_hostile()
    service = bff(upstream)
    upstream.stop()
    assert service.client().post("/v1/biometrics/start", START).status in (502, 503)
    assert service.management().get("/readyz").status == 200


def test_probes_tell_people_more(shared):
    answer = shared.service.management().get("/readyz?verbose")
    assert answer.status == 200
    text = answer.body.decode()
    assert "[+]token ok\n" in text
    assert text.endswith("readyz check passed\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_healthz_is_bare(shared):
    answer = shared.api.get("/healthz")
    assert (answer.status, answer.body) == (200, b"")
    assert shared.api.request("HEAD", "/healthz").status == 200


def test_version_and_metrics_are_on_the_management_listener_alone(shared):
    version = shared.service.management().get("/version").json
    assert version["name"] == "biometrics-bff"
    assert set(version["libraries"]) == {"libmicrohttpd", "libcurl", "openssl"}
    metrics = shared.service.management().get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert shared.service.metric("bff_build_info", version=version["version"]) == 1
    for path in ("/metrics", "/version", "/readyz", "/livez"):
        assert shared.api.get(path).status == 404


def test_the_api_description_is_served(shared):
    answer = shared.api.get("/openapi.yaml")
    assert answer.status == 200
    assert answer.body.startswith(b"openapi: ") or b"\nopenapi: " in answer.body


@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's runtime must be the first library")
def test_a_start_looks_up_no_name_but_the_vendors(bff, hostile):
    """Not the machine's own, as libldap does in libcurl's place: that can take as long as the resolver likes."""
    deaf = {"LD_PRELOAD": BUILD / "tests" / "e2e" / "no_names.so"}
    assert bff(hostile, **deaf).stderr == ""
    named = bff(hostile, wait_ready=False, **deaf, BFF_UPSTREAM_URL=hostile.url.replace("127.0.0.1", "vendor.test"))
    named.wait_event("dns.lookup_failed")
    assert set(named.stderr.split("\n")) == {"getaddrinfo(vendor.test)", ""}


# ---- the end


@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's runtime must be the first library")
def test_a_system_that_keeps_the_door_open_is_told(bff, hostile):
    service = bff(hostile, LD_PRELOAD=BUILD / "tests" / "e2e" / "no_door.so")
    service.signal(signal.SIGTERM)
    assert service.wait() == 0
    assert service.wait_event("listener.stays_open", listener="public")["error.message"] == "Operation not permitted"


@pytest.fixture
def held(start_hostile):
    """An upstream that holds every start until the event is set."""
    upstream = start_hostile()
    release = threading.Event()
    upstream.on("start", Reply(document={"challenge": "c2lnbi10aGlz"}, hold=release))
    yield upstream, release
    release.set()


@row("FP01")
def test_during_the_delay_it_serves_but_is_not_ready(bff, hostile):
    service = bff(hostile, BFF_DRAIN_DELAY_S=60)
    service.signal(signal.SIGTERM)
    service.wait_event("service.draining")
    assert service.management().get("/readyz").status == 503
    assert service.management().get("/readyz").json["checks"]["draining"] == "draining"
    assert service.client().get("/healthz").status == 503
    assert service.management().get("/livez").status == 200
    answer = service.client().post("/v1/biometrics/start", START)
    assert answer.status == 200
    assert answer.headers["Connection"] == "close"
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


@row("FP01")
def test_no_request_fails_while_the_load_balancer_takes_it_out(bff, hostile):
    service = bff(hostile, BFF_DRAIN_DELAY_S=5, BFF_UPSTREAM_MAX_PER_SECOND=0)
    taken_out = threading.Event()

    def app():
        client = service.client(keep_alive=True)
        answers = []
        while not taken_out.is_set():
            answers.append(client.post("/v1/biometrics/start", {"user_id": unique("user")}).status)
        client.close()
        return answers

    apps = [InBackground(app) for _ in range(8)]
    hostile.wait_calls("start", 50)
    service.signal(signal.SIGTERM)
    until(lambda: service.client().get("/healthz").status == 503, "out of rotation")
    before = len(hostile.calls("start"))
    hostile.wait_calls("start", before + 50)
    taken_out.set()
    answers = [status for app in apps for status in app.answer()]
    assert set(answers) == {200}
    assert service.wait() == 0


@row("FP01")
def test_a_request_under_way_is_finished(bff, held):
    upstream, release = held
    service = bff(upstream, BFF_DRAIN_TIMEOUT_S=30)
    request = InBackground(lambda: service.client().post("/v1/biometrics/start", START))
    upstream.wait_calls("start")
    service.signal(signal.SIGTERM)
    service.wait_event("service.refusing")
    release.set()
    assert request.answer().status == 200
    assert service.wait() == 0
    assert service.events("service.stopped")[0]["bff.requests_cut"] is False


@row("FP01")
def test_new_requests_are_refused_while_the_last_ones_finish(bff, held):
    upstream, release = held
    service = bff(upstream, BFF_DRAIN_TIMEOUT_S=30)
    idle = service.client(keep_alive=True)
    assert idle.get("/healthz").status == 200
    request = InBackground(lambda: service.client().post("/v1/biometrics/start", START))
    upstream.wait_calls("start")
    service.signal(signal.SIGTERM)
    service.wait_event("service.refusing")
    answer = idle.post("/v1/biometrics/start", START)
    assert (answer.status, answer.code) == (503, "draining")
    assert answer.json["retry"] == "same"
    assert "Retry-After" in answer.headers
    release.set()
    assert request.answer().status == 200
    assert service.wait() == 0


def test_what_outlives_the_drain_timeout_is_answered_draining(bff, held):
    upstream, _ = held
    service = bff(upstream, BFF_DRAIN_TIMEOUT_S=1, BFF_REQUEST_TIMEOUT_MS=60000)
    request = InBackground(lambda: service.client().post("/v1/biometrics/start", START))
    upstream.wait_calls("start")
    service.signal(signal.SIGTERM)
    answer = request.answer()
    assert (answer.status, answer.code) == (503, "draining")
    assert service.wait() == 0
    assert service.events("service.stopped")[0]["bff.requests_cut"] is True


@row("FP01")
def test_hundreds_of_requests_under_way_all_get_an_answer(bff, held):
    upstream, _ = held
    service = bff(upstream, BFF_DRAIN_TIMEOUT_S=1, BFF_REQUEST_TIMEOUT_MS=60000,
                  BFF_UPSTREAM_MAX_PER_SECOND=0, BFF_UPSTREAM_MAX_CONNECTIONS=64)
    connections = []
    for _ in range(300):
        body = json.dumps({"user_id": unique("user")})
        connections.append(service.raw().send(
            "POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"))
    upstream.wait_calls("start", 64, timeout_s=30)
    service.wait_metric(300, "http_server_active_requests")
    service.signal(signal.SIGTERM)
    for connection in connections:
        answer = connection.read_answer()
        assert (answer.status, answer.code) == (503, "draining")
        connection.close()
    assert service.wait() == 0


@row("FP02")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once_but_orderly(bff, held, second):
    upstream, _ = held
    service = bff(upstream, BFF_DRAIN_DELAY_S=60, BFF_DRAIN_TIMEOUT_S=60,
                  BFF_REQUEST_TIMEOUT_MS=60000)
    request = InBackground(lambda: service.client().post("/v1/biometrics/start", START))
    upstream.wait_calls("start")
    service.signal(signal.SIGTERM)
    service.wait_event("service.draining")
    service.signal(second)
    answer = request.answer()
    assert (answer.status, answer.code) == (503, "draining")
    assert service.wait() == 0
    assert service.events("service.stopped")[0]["bff.drained"] is False


def test_who_connects_while_the_door_closes_is_answered_or_refused(bff, hostile):
    service = bff(hostile, BFF_UPSTREAM_MAX_PER_SECOND=0, BFF_RATE_PER_USER=0)
    host, port = service.address("public")
    body = json.dumps({"user_id": "user-1"})
    request = ("POST /v1/biometrics/start HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}")

    def app():
        """The statuses, until nobody can be connected to any more."""
        statuses = []
        while True:
            try:
                connection = RawConnection(host, port)
            except OSError:
                return statuses
            with connection:
                answer = connection.send(request).read_answer()
                statuses.append(answer.status if answer else "cut")

    apps = [InBackground(app) for _ in range(8)]
    hostile.wait_calls("start", 50)
    service.signal(signal.SIGTERM)
    statuses = [status for each in apps for status in each.answer()]
    assert service.wait() == 0
    assert set(statuses) <= {200, 503}, statuses
    assert 200 in statuses


@row("FP02")
def test_sigint_skips_the_delay(bff, hostile):
    service = bff(hostile, BFF_DRAIN_DELAY_S=60)
    began = time.monotonic()
    service.signal(signal.SIGINT)
    assert service.wait() == 0
    assert time.monotonic() - began < 30


def test_it_ends_while_the_vendor_cannot_be_reached(bff, start_hostile):
    upstream = start_hostile()
    url = upstream.url
    upstream.stop()
    service = bff(None, wait_ready=False, BFF_UPSTREAM_URL=url, BFF_ISSUERS="https://i",
                  BFF_CLIENT_ID="a", BFF_CLIENT_SECRET="b", BFF_UPSTREAM_CA_FILE=upstream.ca_file)
    service.wait_event("token.fetch_failed")
    service.stop()


@pytest.mark.parametrize("workers", [1, 4])
def test_it_ends_with_idle_connections_open(bff, hostile, workers):
    service = bff(hostile, BFF_WORKERS=workers)
    connections = [service.raw() for _ in range(20)]
    idle = service.client(keep_alive=True)
    assert idle.get("/healthz").status == 200
    service.stop()
    for connection in connections:
        connection.close()


# ---- memory

# A sanitizer's own memory would be counted too.
if SANITIZER == "none":
    def test_tables_for_the_worst_case_cost_little_until_it_comes(bff, hostile):
        service = bff(hostile, BFF_USED_CHALLENGES_MAX=1_000_000)
        status = pathlib.Path(f"/proc/{service.pid}/status").read_text()
        anonymous_kib = int(re.search(r"^RssAnon:\s+(\d+) kB$", status, re.M).group(1))
        assert anonymous_kib < 8 * 1024, status
