# SPDX-License-Identifier: Apache-2.0
"""Connections to the vendor that are refused, swallowed, silent, slow or broken. What may run twice is
sent at most once more, what may not reaches the vendor once, and nobody else notices."""
import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest

from faults.calls import RUN_ONCE, Bystander, ready, retry_after_sending
from faults.marks import row
from harness.device import unique
from harness.hostile import Reply
from harness.paths import PATIENCE
from harness.scene import assert_problem
from harness.waiting import until

ONCE = [operation for operation, once in RUN_ONCE.items() if once]
AGAIN = [operation for operation, once in RUN_ONCE.items() if not once]
# The operations whose answer the app sees, one of each kind.
SEEN = ["start", "authenticate", "register"]


def elsewhere(scene, name, url, **config):
    """A service whose business calls go to another place than its tokens and keys come from."""
    service = scene.other(name, wait_ready=False, BFF_UPSTREAM_URL=url,
                          BFF_TOKEN_URL=f"{scene.vendor.url}/oidc/token",
                          BFF_JWKS_URL=f"{scene.vendor.url}/cis/oidc/jwks", **config)
    service.wait_event("service.ready")
    return service


@contextlib.contextmanager
def refused_port():
    """A port on which nobody listens, kept for the duration."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@contextlib.contextmanager
def black_hole():
    """A port whose accept queue is full and stays full: the kernel drops what wants to connect."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        with socket.socket() as probe:
            probe.settimeout(0.3)
            with pytest.raises(TimeoutError):
                probe.connect(listener.getsockname())
        yield listener.getsockname()[1]


# ---- refused, unreachable, swallowed


@row("FU01")
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_a_refused_connection_is_told_at_once(scene, operation):
    with refused_port() as port:
        service = elsewhere(scene, f"refused-{operation}", f"https://127.0.0.1:{port}")
        begin = time.monotonic()
        assert_problem(ready(scene, operation, service)(), 503, "upstream_unavailable")
        assert time.monotonic() - begin < 0.5 * PATIENCE
        service.wait_idle()


@row("FU01")
def test_a_host_without_a_route_is_told_at_once(scene):
    service = elsewhere(scene, "no-route", "https://224.0.0.1:443")
    begin = time.monotonic()
    assert_problem(ready(scene, "start", service)(), 503, "upstream_unavailable", "same")
    assert time.monotonic() - begin < 0.5 * PATIENCE


@row("FU02")
@pytest.mark.parametrize("operation", SEEN)
def test_an_attempt_that_vanishes_ends_at_the_connect_timeout(scene, operation):
    with black_hole() as port:
        service = elsewhere(scene, f"swallowed-{operation}", f"https://127.0.0.1:{port}",
                            BFF_UPSTREAM_CONNECT_TIMEOUT_MS="300", BFF_REQUEST_TIMEOUT_MS="5000")
        token = scene.vendor.access_token(unique("bystander"))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            begin = time.monotonic()
            lost = pool.submit(ready(scene, operation, service))
            for _ in range(5):
                assert service.client().get("/v1/session", token=token).status == 200
            assert_problem(lost.result(), 503, "upstream_unavailable")
        assert 0.3 <= time.monotonic() - begin < 2.5
        service.wait_idle()


# ---- silent and slow


@row("FU03")
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_a_vendor_that_never_answers_costs_the_deadline_and_no_more(scene, operation):
    service = scene.other("in-a-second", BFF_REQUEST_TIMEOUT_MS="1000", BFF_WORKERS="1")
    # The connection is there, and the time goes into waiting alone.
    assert ready(scene, operation, service)().status in (200, 201, 204)
    scene.vendor.forget_calls()
    scene.vendor.on(operation, Reply(raw=b"", then="hang"))
    begin = time.monotonic()
    assert_problem(ready(scene, operation, service)(), 504, "upstream_timeout", retry_after_sending(operation))
    assert 0.9 < time.monotonic() - begin < 1 + 0.5 * PATIENCE
    assert len(scene.vendor.calls(operation)) == 1
    service.wait_idle()


@row("FU03")
def test_a_hundred_calls_without_an_answer_hinder_nobody(scene, record):
    # Long enough for a hundred TLS handshakes of a vendor that has a part of a processor.
    service = scene.other("waits", BFF_REQUEST_TIMEOUT_MS="4000")
    scene.vendor.on("start", Reply(raw=b"", then="hang"))
    with concurrent.futures.ThreadPoolExecutor(100) as pool, Bystander(scene, service) as bystander:
        answers = [future.result() for future in
                   [pool.submit(ready(scene, "start", service)) for _ in range(100)]]
    assert {answer.code for answer in answers} == {"upstream_timeout"}
    record(f"100 silent calls: a bystander's requests took {bystander.median_ms} (median)")
    service.wait_idle()


@row("FU04")
@pytest.mark.parametrize("operation", SEEN)
@pytest.mark.parametrize("part", ["header", "body"])
def test_a_drip_is_cut_off_at_the_deadline(scene, operation, part):
    service = scene.other("hasty", BFF_REQUEST_TIMEOUT_MS="600")
    document = {"challenge": "c" * 400, "pad": "x" * 400}
    head_bytes = Reply(document=document).encoded().index(b"\r\n\r\n") + 4
    scene.vendor.on(operation, Reply(document=document, drip_bytes=1, drip_s=0.03,
                                     drip_from=head_bytes if part == "body" else 0))
    begin = time.monotonic()
    with Bystander(scene, service):
        answer = ready(scene, operation, service)()
    assert_problem(answer, 504, "upstream_timeout", retry_after_sending(operation))
    assert 0.5 < time.monotonic() - begin < 0.6 + 0.5 * PATIENCE
    service.wait_idle()


# ---- broken before the answer


@row("FU05")
@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("operation", ONCE)
def test_what_breaks_on_a_fresh_connection_is_unknown_and_not_sent_again(scene, operation, then):
    service = scene.other(f"fresh-{operation}-{then}", BFF_WORKERS="1")
    connections = scene.vendor.connection_count
    scene.vendor.on(operation, Reply(raw=b"", then=then))
    answer = ready(scene, operation, service)()
    assert scene.vendor.connection_count > connections
    assert_problem(answer, 502, "upstream_outcome_unknown", retry_after_sending(operation))
    assert len(scene.vendor.calls(operation)) == 1
    service.wait_idle()


@row("FU05", "FU06")
@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("operation", AGAIN)
def test_what_may_run_twice_is_sent_once_more_and_not_a_third_time(scene, operation, then):
    assert ready(scene, operation)().status in (200, 204)
    scene.vendor.forget_calls()
    scene.vendor.on(operation, Reply(raw=b"", then=then), times=1)
    assert ready(scene, operation)().status in (200, 204)
    assert len(scene.vendor.calls(operation)) == 2
    scene.vendor.forget_calls()
    scene.vendor.on(operation, Reply(raw=b"", then=then))
    assert_problem(ready(scene, operation)(), 503, "upstream_unavailable", "same")
    assert len(scene.vendor.calls(operation)) == 2
    scene.service.wait_idle()


@row("FU06")
@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("operation", ONCE)
def test_what_breaks_on_a_used_connection_is_unknown_and_not_sent_again(scene, operation, then):
    for _ in range(4):
        assert ready(scene, operation)().status in (200, 201)
    scene.vendor.forget_calls()
    scene.vendor.on(operation, Reply(raw=b"", then=then))
    assert_problem(ready(scene, operation)(), 502, "upstream_outcome_unknown", retry_after_sending(operation))
    assert len(scene.vendor.calls(operation)) == 1
    scene.service.wait_idle()


@row("FU06", "FK16")
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_a_connection_that_ended_while_idle_costs_no_call(scene, operation):
    """Its end was there to be seen before the request was sent: also what may not run twice goes well."""
    for _ in range(4):
        assert ready(scene, operation)().status in (200, 201, 204)
    scene.vendor.reset_connections()
    until(lambda: scene.vendor.open_count() == 0, "the vendor has ended its connections")
    scene.vendor.forget_calls()
    assert ready(scene, operation)().status in (200, 201, 204)
    assert len(scene.vendor.calls(operation)) == 1


# ---- broken inside the answer

CHUNKED = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"20\r\n" + b'{"challenge": "PART-PART-PART-PA' + b"\r\n")
SHORT = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n"
         b'{"challenge": "PART-PART"}')
CUT = {
    "reset in the body": Reply(raw=SHORT, then="reset"),
    "fewer bytes than declared": Reply(raw=SHORT, then="close"),
    "no last chunk": Reply(raw=CHUNKED + b"2\r\n\"}\r\n", then="close"),
    "reset between chunks": Reply(raw=CHUNKED, then="reset"),
    "cut in a chunk": Reply(raw=CHUNKED + b"40\r\nPART", then="close"),
    "cut in the header": Reply(raw=SHORT[:40], then="close"),
    "cut in the status line": Reply(raw=SHORT[:9], then="close"),
}


@row("FU07")
@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("operation", SEEN)
def test_an_answer_that_is_cut_short_is_not_used(scene, operation, cut):
    scene.vendor.on(operation, CUT[cut])
    answer = ready(scene, operation)()
    assert answer.code in ("upstream_unavailable", "upstream_outcome_unknown", "upstream_invalid_response"), answer
    assert answer.json["retry"] == retry_after_sending(operation)
    assert b"PART" not in answer.body
    calls = len(scene.vendor.calls(operation))
    assert calls == 1 if RUN_ONCE[operation] else calls <= 2
    scene.vendor.behave()
    assert ready(scene, operation)().status in (200, 201)
    scene.service.wait_idle()


# ---- more than the answer

POISON = Reply(document={"challenge": "POISON", "access_token": "POISON"}).encoded()


def challenge_of(call):
    return f"challenge-of-{call.json['user_id']}"


def poisoned(call):
    """The right answer, and behind it what would do for an answer to the next one who asks."""
    whole = Reply(document={"challenge": challenge_of(call)}).encoded()
    way = int(call.json["user_id"].rpartition("-")[2]) % 6
    poison = Reply(document={"challenge": f"POISON-{way}"}).encoded()
    return (Reply(raw=whole + poison), Reply(raw=whole, extra=poison), Reply(raw=whole + b"\r\n\r\n"),
            Reply(raw=whole + b"x" * 5000), Reply(raw=whole, extra=b"}"),
            Reply(raw=whole + poison, then="close"))[way]


@row("FU08")
def test_bytes_after_an_answer_reach_none_of_a_thousand_users(scene, record):
    scene.vendor.on("start", poisoned)

    def one_of_many(number):
        client = scene.service.client(keep_alive=True)
        wrong = []
        for turn in range(number, 1000, 16):
            user_id = f"{unique('desync')}-{turn}"
            answer = client.post("/v1/biometrics/start", {"user_id": user_id})
            if answer.status != 200 or answer.json["challenge"] != f"challenge-of-{user_id}":
                wrong.append(answer)
        client.close()
        return wrong

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        wrong = [answer for answers in pool.map(one_of_many, range(16)) for answer in answers]
    # What came by itself, later, is the answer to the next request for all that anybody can see.
    assert len(wrong) <= scene.vendor.late_extras, (wrong, scene.vendor.late_extras)
    assert len(scene.vendor.calls("start")) == 1000
    record("1,000 users over 16 connections, bytes behind every answer: each got its own challenge")
    scene.service.wait_idle()


@row("FU08")
@pytest.mark.parametrize("operation", ["start", "register", "delete"])
def test_bytes_that_come_while_a_connection_rests_answer_nobody(scene, operation):
    rest = threading.Event()
    for _ in range(20):
        scene.vendor.on("start", lambda call: Reply(document={"challenge": challenge_of(call)},
                                                    late=(rest, POISON)), times=1)
        assert ready(scene, "start")().status == 200
        rest.set()
        until(lambda: not rest.is_set(), "the late bytes are sent")
        scene.vendor.forget_calls()
        answer = ready(scene, operation)()
        assert answer.status in (200, 201, 204) and b"POISON" not in answer.body, answer
        assert len(scene.vendor.calls(operation)) == 1
