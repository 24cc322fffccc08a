# SPDX-License-Identifier: Apache-2.0
"""Clients that leave, are slow, or ask for odd things: what tests/e2e leaves over."""
import json
import socket
import threading

import pytest

from faults.marks import row
from harness.crowd import UNLIMITED, get_session, post_start
from harness.device import DeviceKey
from harness.hostile import Reply
from harness.paths import PATIENCE, SANITIZER
from harness.usage import resident_kib
from harness.waiting import until

DOCUMENT = "GET /openapi.yaml HTTP/1.1\r\nHost: t\r\n\r\n"


def nothing_is_left(service):
    """No connection, no call, nobody who waits, and no request but the scrape itself."""
    seen = service.metrics()
    total = {name: sum(value for found, _, value in seen if found == name) for name in
             ("http_server_active_requests", "http_client_active_requests", "bff_keeper_waiting_requests")}
    public = sum(value for found, labels, value in seen
                 if found == "bff_connections" and labels["listener"] == "public")
    return public == 0 and list(total.values()) == [1, 0, 0]


def statuses(service):
    return [line["http.response.status_code"] for line in service.events("http.request")]


def outcomes(service, action):
    return [line["bff.outcome"] for line in service.events(action)]


# ---- leaving


def register(upstream, user_id):
    body = json.dumps({"key_id": "key-1", "key_type": "ec", "os": "ios", "public_key": DeviceKey().public_base64()})
    return (f"POST /v1/biometrics/register HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {upstream.access_token(user_id)}\r\nContent-Length: {len(body)}\r\n\r\n{body}")


@row("FC01")
@pytest.mark.parametrize("way", ["close", "reset"])
def test_clients_that_leave_before_the_call_leave_nothing_behind(bff, start_hostile, way):
    upstream = start_hostile(tls=False)
    release = threading.Event()
    upstream.on("token", lambda call: Reply(503, hold=release))
    service = bff(upstream, wait_ready=False, **UNLIMITED)
    clients = [service.raw().send(post_start(f"user-{n}")) for n in range(20)]
    service.wait_metric(20, "bff_keeper_waiting_requests", **{"for": "token"})
    for client in clients:
        getattr(client, way)()
    until(lambda: service.metric("bff_keeper_waiting_requests") == 0, "nobody waits")
    release.set()
    until(lambda: nothing_is_left(service), "nothing is left")
    until(lambda: statuses(service) == [499] * 20, "each has its access line")
    assert not upstream.calls("start")


@row("FC01")
@pytest.mark.parametrize("way", ["close", "reset"])
def test_clients_that_leave_during_the_call_end_it_unless_it_may_have_run(bff, start_hostile, way):
    upstream = start_hostile(tls=False)
    release = threading.Event()
    for operation in ("start", "register"):
        upstream.on(operation, Reply(document={"challenge": "c"}, hold=release))
    service = bff(upstream, **UNLIMITED)
    starting = [service.raw().send(post_start(f"user-{n}")) for n in range(5)]
    registering = [service.raw().send(register(upstream, f"user-{n}")) for n in range(5)]
    upstream.wait_calls("start", 5)
    upstream.wait_calls("register", 5)
    for client in starting + registering:
        getattr(client, way)()
    until(lambda: service.metric("http_client_active_requests") == 5, "the calls of start are given up")
    until(lambda: outcomes(service, "ceremony.start") == ["client_gone"] * 5, "each start has its audit line")
    release.set()
    until(lambda: nothing_is_left(service), "nothing is left")
    until(lambda: outcomes(service, "ceremony.register") == ["ok"] * 5, "each register has its audit line")
    assert len(upstream.calls("register")) == 5


@row("FC01")
@pytest.mark.parametrize("way", ["close", "reset"])
def test_clients_that_leave_during_the_answer_leave_nothing_behind(bff, start_hostile, way):
    service = bff(start_hostile(tls=False))
    clients = [service.raw().send(DOCUMENT * 200) for _ in range(20)]
    for client in clients:
        client.socket.recv(1)
        getattr(client, way)()
    until(lambda: nothing_is_left(service), "nothing is left")


@row("FC01", "FC12")
@pytest.mark.parametrize("sent", ["", "GET /hea", DOCUMENT[:-5], post_start("user-1")[:-5], post_start("user-1")[:60],
                                  "POST /v1/biometrics/start HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 30000\r\n\r\n" + " " * 29000],
                         ids=["nothing", "line", "header", "body", "half a header", "most of a large body"])
def test_an_unfinished_request_of_a_client_that_left_is_not_waited_for(bff, start_hostile, sent):
    """The end of the stream comes together with the bytes, on new connections and on kept ones. The deadlines are
    far away."""
    service = bff(start_hostile(tls=False), BFF_HEADER_TIMEOUT_MS="60000", BFF_BODY_TIMEOUT_MS="60000")
    for number in range(30):
        connection = service.raw()
        if number % 2:
            assert connection.send("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").read_answer().status == 200
        connection.send(sent).close()
    until(lambda: service.metric("bff_connections", listener="public") == 0, "no connection is left")


# ---- slow ones


@row("FC02")
def test_a_client_that_does_not_read_its_answers_is_cut(bff, start_hostile):
    service = bff(start_hostile(tls=False), BFF_BODY_TIMEOUT_MS="500")
    with small_reader(service) as connection:
        connection.settimeout(0.1)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:  # until the service takes no more
                connection.sendall(DOCUMENT.encode() * 100)
        until(lambda: service.metric("bff_shed_total", reason="slow_reader") == 1, "it is cut")
    until(lambda: nothing_is_left(service), "nothing is left")


@row("FC02")
def test_a_client_that_reads_a_byte_now_and_then_is_cut(bff, start_hostile):
    """The deadline is the answer's, not that of each byte."""
    service = bff(start_hostile(tls=False), BFF_BODY_TIMEOUT_MS="500")
    with small_reader(service) as connection:
        connection.settimeout(0.1)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                connection.sendall(DOCUMENT.encode() * 100)

        until(lambda: connection.recv(1) and service.metric("bff_shed_total", reason="slow_reader") == 1, "it is cut")
    until(lambda: nothing_is_left(service), "nothing is left")


def small_reader(service):
    """A connection that the kernel holds little of."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(service.address("public"))
    return connection


@row("FC02")
def test_a_thousand_slow_clients_are_cut_in_time_and_an_honest_one_does_not_notice(bff, start_hostile, record):
    """A third each at the header, at the body, and silent. tests/stress has the long form."""
    deadline_ms = int(1500 * PATIENCE)  # all must be there before the first is cut
    service = bff(start_hostile(tls=False), BFF_HEADER_TIMEOUT_MS=deadline_ms, BFF_BODY_TIMEOUT_MS=deadline_ms,
                  **UNLIMITED)
    before_kib = resident_kib(service)
    slow = []
    for number in range(999):
        connection = service.raw()
        slow.append(connection)
        if number % 3:
            connection.send(post_start("slow")[:40 if number % 3 == 1 else -5])
    service.wait_metric(999, "bff_connections", listener="public")
    each_kib = (resident_kib(service) - before_kib) / 999
    for _ in range(20):
        assert service.client(timeout_s=5).post("/v1/biometrics/start", {"user_id": "honest"}).status == 200
    until(lambda: nothing_is_left(service), "all are cut")
    assert service.metric("bff_shed_total", reason="header_timeout") == 333
    assert service.metric("bff_shed_total", reason="body_timeout") == 333
    for connection in slow:
        connection.close()
    record(f"{each_kib:.1f} KiB for each of 999 slow connections")
    assert each_kib < 24 or SANITIZER != "none"


# ---- bodies


@row("FC04")
def test_bodies_without_end_do_not_grow_the_memory(bff, start_hostile, record):
    service = bff(start_hostile(tls=False), BFF_BODY_TIMEOUT_MS="1000")
    head = "POST /v1/biometrics/start HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"

    def endless(_):
        with service.raw() as connection:
            try:
                connection.send(head + "Transfer-Encoding: chunked\r\n\r\n")
                for _ in range(64):
                    connection.send("1000\r\n" + " " * 4096 + "\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = connection.read_answer()
            assert answer is None or answer.code == "payload_too_large"

    def declared(_):
        with service.raw() as connection:
            connection.send(head + "Content-Length: 1073741824\r\n\r\n")
            assert connection.read_answer().code == "payload_too_large"
            assert connection.is_closed_by_peer()

    for kind in (endless, declared):
        kind(0)
    before_kib = resident_kib(service)
    for number in range(200):
        (endless, declared)[number % 2](number)
    grown_kib = resident_kib(service) - before_kib
    with service.raw() as connection:
        connection.send(head + "Content-Length: 10\r\n\r\n")
        assert connection.read_answer().code == "request_timeout"
    record(f"200 bodies over the limit: {grown_kib} KiB")
    assert grown_kib < 2048 or SANITIZER != "none"


# ---- pipelining


@row("FC05")
@pytest.mark.parametrize("count", [3, 1000])
def test_pipelined_requests_of_two_users_are_answered_in_order(bff, start_hostile, count):
    """The first waits for the vendor while the rest is there already."""
    upstream = start_hostile(tls=False)
    release = threading.Event()
    upstream.on("start", Reply(document={"challenge": "c"}, hold=release), times=1)
    service = bff(upstream, **UNLIMITED)
    tokens = [upstream.access_token(f"user-{n}") for n in range(2)]
    with service.raw() as connection:
        sender = threading.Thread(target=connection.send, args=(
            post_start("first") + "".join(get_session(tokens[n % 2]) for n in range(count - 1)),))
        sender.start()
        upstream.wait_calls("start")
        release.set()
        first = connection.read_answer()
        rest = [connection.read_answer() for _ in range(count - 1)]
        sender.join()
    assert first.status == 200 and "challenge_id" in first.json
    assert [answer.json["user"]["id"] for answer in rest] == [f"user-{n % 2}" for n in range(count - 1)]
