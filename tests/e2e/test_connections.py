# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, rude or many, against the real service: deadlines of each phase, pipelining,
leaving early, limits, noise."""
import json
import os
import signal
import socket
import threading

from faults.marks import row
from harness.hostile import Reply
from harness.waiting import until

HEAD = "Host: bff.example\r\nContent-Type: application/json\r\n"


def start_request(user_id, request_id):
    body = json.dumps({"user_id": user_id})
    return (f"POST /v1/biometrics/start HTTP/1.1\r\n{HEAD}X-Request-Id: {request_id}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")


@row("FC02")
def test_a_header_that_drips_is_cut_off_with_408(bff, emulator):
    service = bff(emulator, BFF_HEADER_TIMEOUT_MS="200")
    with service.raw() as connection:
        connection.send("GET /healthz HTTP/1.1\r\nHo")
        answer = connection.read_answer()
        assert answer.status == 408 and answer.code == "request_timeout"
        assert answer.json["retry"] == "same"
        assert connection.is_closed_by_peer()
    line = service.access_line(answer.headers["X-Request-Id"])
    assert (line["http.request.method"], line["http.response.status_code"]) == ("_OTHER", 408)
    assert 150_000_000 <= line["event.duration"] < 5_000_000_000
    assert service.metric("http_server_request_duration_seconds_count", http_response_status_code="408") == 1
    assert service.metric("bff_shed_total", reason="header_timeout") == 1


@row("FC02")
def test_a_body_that_drips_is_cut_off_with_408_and_leaves_an_access_line(bff, emulator):
    service = bff(emulator, BFF_BODY_TIMEOUT_MS="200")
    with service.raw() as connection:
        connection.send(start_request("u", "dripping")[:-3])
        answer = connection.read_answer()
        assert answer.status == 408 and answer.headers["X-Request-Id"] == "dripping"
        assert connection.is_closed_by_peer()
    assert service.access_line("dripping")["http.response.status_code"] == 408


@row("FC02")
def test_hundreds_of_slow_clients_do_not_keep_an_honest_one_waiting(bff, emulator):
    service = bff(emulator)
    slow = [service.raw() for _ in range(300)]
    try:
        for connection in slow:
            connection.send("GET /healthz HTTP/1.1\r\nHost: a")
        answer = service.client(timeout_s=5).post("/v1/biometrics/start", {"user_id": "honest"})
        assert answer.status == 200
    finally:
        for connection in slow:
            connection.close()
    until(lambda: service.metric("bff_connections", listener="public") == 0, "all slow ones are gone")


def test_an_idle_connection_is_closed_after_its_time(bff, emulator):
    service = bff(emulator, BFF_IDLE_TIMEOUT_S="1")
    with service.raw() as connection:
        connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.read_answer().status == 200
        assert connection.is_closed_by_peer()


@row("FC05")
def test_pipelined_requests_of_many_users_are_answered_in_order(shared):
    count = 40
    with shared.service.raw() as connection:
        connection.send("".join(start_request(f"pipelined-{n}", f"pipelined-{n}") for n in range(count)))
        answers = [connection.read_answer() for _ in range(count)]
    assert [answer.headers["X-Request-Id"] for answer in answers] == [
        f"pipelined-{n}" for n in range(count)]
    assert all(answer.status == 200 for answer in answers)
    assert len({answer.json["challenge_id"] for answer in answers}) == count


@row("FC05")
def test_a_request_behind_one_that_waits_is_answered_after_it(shared):
    shared.emulator.fault("start", delay_ms=300)
    with shared.service.raw() as connection:
        connection.send(start_request("waits", "first")
                        + "GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: second\r\n\r\n")
        first, second = connection.read_answer(), connection.read_answer()
    assert (first.headers["X-Request-Id"], second.headers["X-Request-Id"]) == ("first", "second")


@row("FC01")
def test_the_call_for_a_client_that_left_is_given_up(bff, emulator):
    service = bff(emulator)
    emulator.fault("start", delay_ms=8000)
    with service.raw() as connection:
        connection.send(start_request("leaves", "leaves"))
        until(lambda: service.metric("http_client_active_requests") == 1, "the call is under way")
    line = service.access_line("leaves")
    assert line["http.response.status_code"] == 499
    assert line["event.duration"] < 7_000_000_000
    assert service.metric("http_client_active_requests") == 0


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


@row("FC01", lag_excepted="stops the process")
def test_a_client_may_leave_in_the_moment_when_the_vendor_answers(bff, hostile):
    service = bff(hostile, BFF_WORKERS="1")
    answers = threading.Event()
    hostile.on("start", Reply(document={"challenge": "c"}, hold=answers, then="close"), times=1)
    with service.raw() as client:
        client.send(start_request("u-1", "leaves"))
        hostile.wait_calls("start")
        os.kill(service.pid, signal.SIGSTOP)
        try:
            until(lambda: is_stopped(service.pid), "the service stands still")
            client.close()
            open_count = hostile.open_count()
            answers.set()
            until(lambda: hostile.open_count() < open_count, "the vendor has answered")
        finally:
            os.kill(service.pid, signal.SIGCONT)
    # The kernel decides which of the two is seen first; nearly always it is the client's leaving.
    ended = service.wait_event("ceremony.start", **{"http.request.id": "leaves"})
    assert ended["bff.outcome"] in ("client_gone", "ok")
    assert service.client().post("/v1/biometrics/start", {"user_id": "u-1"}).status == 200


def test_requests_over_the_limit_are_refused_at_once_and_later_ones_served(bff, emulator):
    service = bff(emulator, BFF_MAX_IN_FLIGHT="1")
    emulator.fault("start", delay_ms=1500)
    with service.raw() as connection:
        connection.send(start_request("first", "first"))
        until(lambda: service.metric("http_client_active_requests") == 1, "the call is under way")
        answer = service.client().post("/v1/biometrics/start", {"user_id": "second"})
        assert answer.status == 503 and answer.code == "overloaded"
        assert int(answer.headers["Retry-After"]) >= 1
        assert service.metric("bff_shed_total", reason="in_flight") == 1
        assert connection.read_answer().status == 200
    # The client has the answer a moment before the worker is done with the request.
    until(lambda: service.client().post("/v1/biometrics/start", {"user_id": "second"}).status == 200,
          "the second is served")


def open_and_ask(service, count):
    """Connections opened one by one, each used before the next one is opened."""
    connections = []
    for _ in range(count):
        connections.append(service.raw())
        connections[-1].send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connections[-1].read_answer().status == 200
    return connections


def connections_by_worker(service):
    return {labels["worker"]: value for name, labels, value in service.metrics()
            if name == "bff_worker_connections"}


def test_few_connections_are_shared_out_evenly(bff, emulator):
    service = bff(emulator, BFF_WORKERS="2")
    connections = open_and_ask(service, 4)
    assert connections_by_worker(service) == {"0": 2, "1": 2}
    for connection in connections:
        connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.read_answer().status == 200
        connection.close()
    until(lambda: connections_by_worker(service) == {"0": 0, "1": 0}, "all are gone")
    for connection in open_and_ask(service, 2):
        connection.close()


def test_a_worker_that_lost_its_connections_gets_the_next_ones(bff, emulator):
    service = bff(emulator, BFF_WORKERS="4")
    connections = open_and_ask(service, 8)
    assert set(connections_by_worker(service).values()) == {2}
    for connection in connections[:4]:
        connection.close()
    until(lambda: sum(connections_by_worker(service).values()) == 4, "four are gone")
    connections[:4] = open_and_ask(service, 4)
    assert set(connections_by_worker(service).values()) == {2}
    for connection in connections:
        connection.close()


def test_connections_over_the_limit_are_answered_503_whichever_worker_takes_them(bff, emulator):
    service = bff(emulator, BFF_MAX_CONNECTIONS="8", BFF_WORKERS="2")
    kept = [service.raw() for _ in range(8)]
    try:
        for connection in kept:
            connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.read_answer().status == 200
        with service.raw() as connection:
            connection.send(start_request("over", "over"))
            answer = connection.read_answer()
            assert answer.status == 503 and answer.code == "overloaded"
            assert answer.headers["Retry-After"]
            assert connection.is_closed_by_peer()
    finally:
        for connection in kept:
            connection.close()
    until(lambda: service.metric("bff_connections", listener="public") == 0, "they are gone")
    assert service.client().get("/healthz").status == 200


def rude(service, number):
    """One of several ways to misbehave."""
    connection = service.raw()
    ways = (
        connection.reset,
        connection.close,
        lambda: connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").reset(),
        lambda: connection.send(start_request("rude", "rude")).reset(),
        lambda: connection.send(start_request("rude", "rude")[:-4]).close(),
        lambda: connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").close(),
        lambda: connection.half_close().close(),
        lambda: connection.socket.send(b"!", socket.MSG_OOB) and connection.close(),
        lambda: connection.send(bytes(range(256)) * 8).close(),
    )
    ways[number % len(ways)]()


@row("FC01", "FC12")
def test_rude_clients_leave_nothing_behind(bff, emulator):
    service = bff(emulator, BFF_RATE_PER_USER="0")

    def storm(offset):
        for number in range(90):
            rude(service, number + offset)

    threads = [threading.Thread(target=storm, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.client().post("/v1/biometrics/start", {"user_id": "polite"}).status == 200
    until(lambda: service.metric("bff_connections", listener="public") == 0, "no connection is left")
    until(lambda: service.metric("http_client_active_requests") == 0, "no call is left")
    until(lambda: service.metric("http_server_active_requests") == 1, "only the scrape is active")
    assert not [line for line in service.events("http.request")
                if line["http.response.status_code"] >= 500]
