# SPDX-License-Identifier: Apache-2.0
"""DNS on a bad day, with a real name server behind the C library's resolver. The vendor's business calls go
by a name, its tokens and keys come from an address, so each test sees both."""
import contextlib
import socket
import subprocess
import threading
import time

import pytest

from faults.calls import ready
from faults.marks import row
from harness import dns
from harness.hostile import Hostile
from harness.paths import PATIENCE, SERVICE
from harness.process import kept_environment
from harness.scene import Scene, assert_problem
from harness.waiting import until

NAME = "api.vendor.test"
# Look-ups often and old addresses for long enough that a test sees them used.
SOON = {"BFF_DNS_REFRESH_S": "1", "BFF_DNS_STALE_MAX_S": "4"}


@pytest.fixture(scope="module")
def name_server():
    server = dns.start_name_server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def named(tmp_path_factory, name_server):
    directory = tmp_path_factory.mktemp("named")
    scene = Scene(directory, Hostile(directory, tls=False))
    yield scene
    scene.stop()


@pytest.fixture
def start(named, name_server, tmp_path, request):
    """start(answer, BFF_X=value ...) -> a service that has to find the vendor by a name with that answer."""
    named.calm()

    def begin(answer, **config):
        name_server.set(NAME, answer)
        service = named.other(request.node.name, wait_ready=False, wrap=name_server.wrap(tmp_path),
                              BFF_UPSTREAM_URL=f"http://{NAME}:{named.vendor.port}",
                              BFF_TOKEN_URL=f"{named.vendor.url}/oidc/token",
                              BFF_JWKS_URL=f"{named.vendor.url}/cis/oidc/jwks", **{**SOON, **config})
        service.wait_event("service.ready")
        return service

    return begin


def call(scene, service):
    return ready(scene, "start", service)()


def wait_answered(scene, service):
    until(lambda: call(scene, service).status == 200, "the name is resolved again")


@contextlib.contextmanager
def forwarder(address, port):
    """The vendor at another loopback address; gives a function that tells how many connections came, and
    one that cuts those that are open."""
    with socket.create_server((address, port), backlog=64) as listener:
        taken = []

        def pipe(source, sink):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def accept():
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                far = socket.create_connection(("127.0.0.1", port))
                taken.append((near, far))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=pipe, args=ends, daemon=True).start()

        def cut():
            for ends in taken:
                for end in ends:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield (lambda: len(taken)), cut
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            cut()
            for near, far in taken:
                near.close()
                far.close()


# ---- names that fail


@row("FU23")
@pytest.mark.parametrize("answer,reason", [
    (dns.NO_SUCH_NAME, "not_found"), (dns.SERVER_FAILURE, "temporary"), ([], "not_found"),
    (["169.254.169.254"], "refused")], ids=["no-such-name", "server-failure", "empty", "metadata"])
def test_a_name_that_cannot_be_resolved_is_told_at_once_and_recovers(named, name_server, start, answer, reason):
    service = start(answer)
    service.wait_event("dns.lookup_failed", server_domain=NAME, event_reason=reason)
    begin = time.monotonic()
    assert_problem(call(named, service), 503, "upstream_unavailable", "same")
    assert time.monotonic() - begin < 0.5 * PATIENCE
    assert not named.vendor.calls("start")
    service.wait_metric(1, "bff_dns_lookups_total", host="upstream", result=reason)
    name_server.set(NAME, ["127.0.0.1"])
    wait_answered(named, service)
    service.wait_event("dns.addresses_changed", server_domain=NAME)


@row("FU23")
def test_a_resolver_that_hangs_for_half_a_minute_holds_nobody_up(named, start):
    service = start(dns.SILENCE, BFF_UPSTREAM_CONNECT_TIMEOUT_MS="400")
    token = named.vendor.access_token("bystander")
    client = service.client()
    begin = time.monotonic()
    answers = []
    caller = threading.Thread(target=lambda: answers.append(call(named, service)))
    caller.start()
    while caller.is_alive():
        asked = time.monotonic()
        assert client.get("/v1/session", token=token).status == 200
        assert time.monotonic() - asked < 0.3 * PATIENCE
    caller.join()
    assert 0.35 < time.monotonic() - begin < 2 * PATIENCE
    assert_problem(answers[0], 503, "upstream_unavailable", "same")
    begin = time.monotonic()
    service.stop()
    assert time.monotonic() - begin < 5 * PATIENCE


@row("FU23")
def test_the_last_good_addresses_serve_until_they_are_too_old(named, name_server, start):
    service = start(["127.0.0.1"])
    assert call(named, service).status == 200
    name_server.set(NAME, dns.SERVER_FAILURE)
    gone = time.monotonic()
    service.wait_event("dns.lookup_failed", server_domain=NAME)
    assert call(named, service).status == 200
    until(lambda: call(named, service).status == 503, "the addresses are too old")
    # The last good look-up was up to a second before the name went.
    assert time.monotonic() - gone > int(SOON["BFF_DNS_STALE_MAX_S"]) - 1.5
    name_server.set(NAME, ["127.0.0.1"])
    wait_answered(named, service)


# ---- many addresses, other addresses, forbidden ones


@row("FU23")
def test_of_fifty_addresses_sixteen_are_used(named, start):
    dead = [f"127.0.77.{n}" for n in range(1, 50)]
    service = start(["127.0.0.1", *dead])
    wait_answered(named, service)
    dropped = service.wait_event("dns.addresses_dropped", server_domain=NAME)
    assert (dropped["bff.dns.used"], dropped["bff.dns.dropped"]) == (16, 34)
    used = service.wait_event("dns.addresses_changed", server_domain=NAME)
    assert len(used["bff.dns.addresses"].split(", ")) == 16


@row("FU23")
def test_new_connections_follow_a_change_of_addresses_while_old_ones_serve_on(named, name_server, start):
    port = named.vendor.port
    with forwarder("127.0.0.2", port) as (old_count, cut_old), forwarder("127.0.0.3", port) as (new_count, _):
        service = start(["127.0.0.2"], BFF_WORKERS="1")
        assert call(named, service).status == 200
        assert (old_count(), new_count()) == (1, 0)
        name_server.set(NAME, ["127.0.0.3"])
        until(lambda: len(service.events("dns.addresses_changed")) == 2, "the change is seen")
        assert call(named, service).status == 200
        assert (old_count(), new_count()) == (1, 0)
        cut_old()
        assert call(named, service).status == 200
        assert (old_count(), new_count()) == (1, 1)


@row("FU23")
def test_a_dead_address_is_passed_over_and_counted(named, start):
    service = start(["127.0.0.9"], BFF_WORKERS="1")
    assert_problem(call(named, service), 503, "upstream_unavailable", "same")
    service.wait_event("upstream.address_down", server_address="127.0.0.9")
    service.wait_metric(1, "bff_upstream_address_down_total", host="upstream")


@row("FU23")
def test_a_public_name_of_the_vendor_may_not_lead_to_a_private_address(named, name_server, tmp_path):
    name_server.set("api.eu.transmitsecurity.io", ["127.0.0.1", "10.0.0.1"])
    service = named.other("public-name", wait_ready=False, wrap=name_server.wrap(tmp_path), BFF_REGION="eu",
                          BFF_UPSTREAM_URL=None)
    for address, why in ("127.0.0.1", "loopback"), ("10.0.0.1", "private"):
        service.wait_event("dns.address_refused", server_address=address, event_reason=why)
    failed = service.wait_event("token.fetch_failed")
    assert "name not resolved: api.eu.transmitsecurity.io" in failed["error.reason"]
    answer = service.management().get("/readyz")
    assert answer.status == 503


@row("FU23")
def test_the_doctor_says_which_name_cannot_be_resolved(named, name_server, tmp_path):
    name_server.set(NAME, dns.NO_SUCH_NAME)
    settings = {**named.vendor.config(), "BFF_UPSTREAM_URL": f"http://{NAME}:{named.vendor.port}"}
    done = subprocess.run(name_server.wrap(tmp_path)([SERVICE, "doctor"]), capture_output=True, check=False,
                          env={**kept_environment(), **settings}, timeout=30 * PATIENCE, text=True)
    assert done.returncode == 1, done
    assert f"FAIL dns        {NAME}: Name or service not known" in done.stdout
