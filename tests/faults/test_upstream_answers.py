# SPDX-License-Identifier: Apache-2.0
"""Answers of the vendor that are giant, compressed, moved elsewhere, interim, of the wrong kind, late or
sorry. Nothing of them reaches an app, memory stays within what the limits allow, and the next one who
asks is served."""
import concurrent.futures
import contextlib
import email.utils
import gzip
import re
import socket
import threading
import time
import zlib

import pytest

from faults.calls import RUN_ONCE, Bystander, ready, retry_after_sending
from faults.marks import row
from harness.hostile import Reply
from harness.paths import SANITIZER
from harness.scene import assert_problem
from harness.waiting import until

SEEN = ["start", "authenticate", "register"]
ANSWER_MAX_BYTES = 256 * 1024
HEADER_MAX_BYTES = 32 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def refused(scene, operation, reply):
    """The answer is of no use, nothing of it comes through, and it is not asked for again."""
    scene.vendor.forget_calls()
    scene.vendor.on(operation, reply)
    answer = ready(scene, operation)()
    assert_problem(answer, 502, "upstream_invalid_response", retry_after_sending(operation))
    assert b"SECRET" not in answer.body
    assert len(scene.vendor.calls(operation)) == 1
    scene.vendor.behave()
    assert ready(scene, operation)().status in (200, 201, 204)
    scene.service.wait_idle()


def json_reply(text, content_type="application/json"):
    return Reply(body=text, headers={"Content-Type": content_type})


# ---- JSON

DEEP = {
    "arrays": b'{"challenge":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "unclosed": b'{"challenge":' + b"[" * 200_000,
    "members": b"{" + b",".join(b'"m%d":1' % n for n in range(20_000)) + b',"challenge":"c"}',
    "digits": b'{"challenge":"c","n":' + b"9" * 200_000 + b"}",
    "cut": b'{"challenge":"c","x":"SECRET',
    "twice": b'{"challenge":"SECRET","challenge":"c"}',
    "noise": bytes(range(256)) * 64,
}


@row("FU09")
@pytest.mark.parametrize("shape", DEEP)
def test_json_that_is_made_to_hurt_is_refused(scene, shape):
    with Bystander(scene):
        refused(scene, "start", json_reply(DEEP[shape]))


@row("FU09", "FU11")
@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b'"SECRET"', b'{"error_code":400,"message":"SECRET"}',
                                  b'{"access_token":"SECRET"}', b'{"challenge":null}', b'{"challenge":["SECRET"]}'])
@pytest.mark.parametrize("operation", ["start", "authenticate", "refresh"])
def test_a_200_without_what_is_needed_is_no_success(scene, operation, text):
    refused(scene, operation, json_reply(text))


# ---- content types

PAGE = b"<!DOCTYPE html><title>Just a moment...</title>SECRET cf-ray"
TYPES = {
    "an HTML page": json_reply(PAGE, "text/html; charset=UTF-8"),
    "an HTML page that says it is JSON": json_reply(PAGE),
    "JSON as text": json_reply(b'{"challenge":"SECRET"}', "text/plain"),
    "no type": Reply(body=b'{"challenge":"SECRET"}'),
    "another charset": json_reply('{"challenge":"SECRET"}'.encode("utf-16"), "application/json; charset=utf-16"),
    "two types": Reply(raw=HEAD + b"Content-Type: text/html\r\nContent-Length: 22\r\n\r\n" + b'{"challenge":"SECRET"}'),
    "a type of 1,000 characters": json_reply(b'{"challenge":"SECRET"}', "application/json" + "n" * 1000),
}


@row("FU10")
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("operation", ["start", "authenticate", "refresh"])
def test_a_body_of_another_kind_is_not_looked_at(scene, operation, name):
    refused(scene, operation, TYPES[name])


# ---- giants


def pieces(head, piece, count):
    """So many pieces after the head, sent until the service has had enough."""
    def stream():
        for _ in range(count):
            yield piece
    return Reply(raw=head, stream=stream, then="close")


KIB64 = b"x" * 65536
GIANTS = {
    "a body of 1 GB": pieces(HEAD + b"Content-Length: 1073741824\r\n\r\n", KIB64, 16384),
    "a body without an end": pieces(HEAD + b"\r\n", KIB64, 16384),
    "chunks without an end": pieces(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + KIB64 + b"\r\n", 16384),
    "a chunk of 2^62 bytes": pieces(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3fffffffffffffff\r\n", KIB64, 16384),
    "trailers without an end": pieces(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"T: t\r\n" * 1000, 16384),
    "a header of 100 MB": pieces(HEAD, b"X-Pad: " + b"y" * 8000 + b"\r\n", 12500),
    "100,000 fields": pieces(HEAD, b"X-Pad: y\r\n" * 1000, 100),
}
# libcurl before 8.6 calls it a lack of memory, which cannot be told from a real one.
LINES = {
    "a field of 1 MB": pieces(HEAD + b"X-Pad: ", b"y" * 65536, 16),
    "a status line of 1 MB": pieces(b"HTTP/1.1 200 ", b"y" * 65536, 16),
}
OF_NO_USE = {"upstream_invalid_response", "upstream_unavailable"}


def peak_bytes(service):
    """The largest resident size since forget_peak()."""
    with open(f"/proc/{service.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024


def forget_peak(service):
    with open(f"/proc/{service.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def at_once(count, makes):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(make) for make in makes]]


def growth(scene, service, reply, count, operation="start"):
    """Answers, and how far the peak rises above that of as many calls with good answers at once."""
    everybody = threading.Barrier(count)

    def together(call):
        with contextlib.suppress(threading.BrokenBarrierError):
            everybody.wait(5)
        return None if reply is None else reply

    scene.vendor.on(operation, together)
    forget_peak(service)
    answers = at_once(count, [ready(scene, operation, service) for _ in range(count)])
    scene.vendor.behave()
    return answers, peak_bytes(service)


@row("FU12")
@pytest.mark.parametrize("giant", GIANTS)
def test_a_giant_answer_is_given_up_at_the_limit(scene, giant):
    with Bystander(scene):
        refused(scene, "start", GIANTS[giant])


@row("FU12")
@pytest.mark.parametrize("line", LINES)
def test_a_line_without_an_end_is_given_up(scene, line):
    scene.vendor.on("start", LINES[line])
    with Bystander(scene):
        answer = ready(scene, "start")()
    assert answer.code in OF_NO_USE, answer
    assert len(scene.vendor.calls("start")) <= 2
    scene.service.wait_idle()


@row("FU12")
def test_what_is_no_part_of_the_answer_ends_at_the_deadline(scene):
    """libcurl skips extensions of chunks unseen: they cost time, and no memory."""
    service = scene.other("hasty", BFF_REQUEST_TIMEOUT_MS="600")
    scene.vendor.on("start", pieces(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", KIB64, 16384))
    with Bystander(scene, service):
        assert_problem(ready(scene, "start", service)(), 504, "upstream_timeout")
    service.wait_idle()


@row("FU12")
@pytest.mark.parametrize("operation", ["authenticate", "register", "refresh"])
def test_a_giant_answer_to_what_may_not_run_twice_is_no_success(scene, operation):
    refused(scene, operation, GIANTS["a body without an end"])


@row("FU12")
@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer keeps freed memory")
def test_giant_answers_cost_no_more_memory_than_the_limit_for_each(scene, record):
    count = 64
    service = scene.other("measured", BFF_WORKERS="2")
    growth(scene, service, None, count)
    answers, usual = growth(scene, service, None, count)
    assert {answer.status for answer in answers} == {200}
    largest, named = 0, ""
    for giant in ("a body without an end", "chunks without an end", "a header of 100 MB", "a field of 1 MB"):
        answers, peak = growth(scene, service, {**GIANTS, **LINES}[giant], count)
        assert {answer.code for answer in answers} <= OF_NO_USE, giant
        if peak > largest:
            largest, named = peak, giant
    record(f"{count} giant answers at once: peak memory {(largest - usual) / 2**20:.1f} MiB over that of good answers, "
           f"at most {count * (ANSWER_MAX_BYTES + HEADER_MAX_BYTES) / 2**20:.0f} allowed ({named})")
    assert largest - usual <= count * (ANSWER_MAX_BYTES + HEADER_MAX_BYTES)
    service.wait_idle()


# ---- compression

BOMB = gzip.compress(b'{"challenge":"' + b"0" * 20_000_000 + b'"}', mtime=0)
ENCODED = {
    "gzip": Reply(body=BOMB, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    "x-gzip": Reply(body=BOMB, headers={"Content-Type": "application/json", "Content-Encoding": "x-gzip"}),
    "deflate": Reply(body=zlib.compress(b'{"challenge":"SECRET"}'),
                     headers={"Content-Type": "application/json", "Content-Encoding": "deflate"}),
    "br": Reply(body=b"\x8b\x0a\x80SECRET\x03", headers={"Content-Type": "application/json", "Content-Encoding": "br"}),
    "zstd": Reply(body=b"\x28\xb5\x2f\xfd SECRET",
                  headers={"Content-Type": "application/json", "Content-Encoding": "zstd"}),
    "in layers": Reply(body=gzip.compress(BOMB, mtime=0),
                       headers={"Content-Type": "application/json", "Content-Encoding": "gzip, gzip"}),
    "plain text that says gzip": Reply(document={"challenge": "SECRET"}, headers={"Content-Encoding": "gzip"}),
    "as a transfer coding": Reply(raw=HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + b"%x\r\n" % len(BOMB) + BOMB
                                  + b"\r\n0\r\n\r\n"),
    "gzip that nobody announces": json_reply(BOMB),
}


@row("FU13")
@pytest.mark.parametrize("name", ENCODED)
def test_nothing_is_decoded(scene, name):
    service = scene.service
    refused(scene, "start", ENCODED[name])
    forget_peak(service)
    before = peak_bytes(service)
    refused(scene, "start", ENCODED[name])
    if SANITIZER == "none":
        assert peak_bytes(service) - before < 2 * 2**20


@row("FU13")
def test_no_encoding_is_asked_for(scene):
    assert ready(scene, "start")().status == 200
    assert "accept-encoding" not in scene.the_call("start").headers


# ---- redirects


@pytest.fixture
def canary():
    """A host that must see no connection: (port, number of connections so far)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def visits():
            count = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    count += 1
            return count

        yield listener.getsockname()[1], visits


@row("FU14")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", SEEN)
def test_a_redirect_is_not_followed(scene, canary, operation, status):
    port, visits = canary
    for location in (f"https://127.0.0.1:{port}/cis/v1/x", f"http://127.0.0.1:{port}/", f"//127.0.0.1:{port}/x",
                     "/oidc/token2", "file:///etc/passwd", f"gopher://127.0.0.1:{port}/x", ""):
        refused(scene, operation, Reply(status, body=b"SECRET", headers={"Location": location}))
        scene.vendor.forget_calls()
    assert visits() == 0
    assert scene.vendor.calls("unknown") == []


# ---- interim answers, and bodies where none may be

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"


@row("FU15")
@pytest.mark.parametrize("interim", [CONTINUE, HINTS, CONTINUE + HINTS * 3, b"HTTP/1.1 102 Processing\r\n\r\n"])
@pytest.mark.parametrize("operation", SEEN)
def test_the_final_answer_counts(scene, operation, interim):
    scene.vendor.on(operation, lambda call: Reply(raw=interim + scene.vendor._vendor_reply(call).encoded()))
    assert ready(scene, operation)().status in (200, 201)


@row("FU15")
@pytest.mark.parametrize("interim", [CONTINUE, HINTS], ids=["100", "103"])
@pytest.mark.parametrize("operation", SEEN)
def test_a_storm_of_interim_answers_is_given_up(scene, operation, interim):
    with Bystander(scene):
        refused(scene, operation, pieces(b"", interim * 100, 1000))


@row("FU15")
@pytest.mark.parametrize("operation", SEEN)
def test_another_protocol_is_not_spoken(scene, operation):
    scene.vendor.on(operation, Reply(
        raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + b"\0\0\0\4" * 100,
        then="close"))
    answer = ready(scene, operation)()
    assert (answer.status, answer.json["retry"]) == (502, retry_after_sending(operation)), answer
    assert answer.code == "upstream_invalid_response"
    assert len(scene.vendor.calls(operation)) == 1


@row("FU15", "FU08")
@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_none_may_be_answers_nobody(scene, status):
    """It would stand before the answer to the next request on that connection."""
    hidden = Reply(document={"challenge": "SECRET"}).encoded()
    for turn in range(20):
        scene.vendor.on("delete", Reply(raw=b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n" % (status, len(hidden))
                                        + hidden), times=1)
        deleted = ready(scene, "delete")()
        assert deleted.status == (204 if status == 204 else 502), deleted
        started = ready(scene, "start")()
        assert started.status == 200 and started.json["challenge"] != "SECRET", turn


# ---- sorry

RETRY_AFTER = {
    "seconds": "7", "nothing": None, "zero": "0", "negative": "-1", "a billion": "1000000000",
    "forty digits": "9" * 40, "a fraction": "1.5", "garbage": "soon", "not ASCII": "\u00fc",
    "empty": "", "a hundred kinds": "7, 8",
    "a date to come": lambda: email.utils.formatdate(time.time() + 30, usegmt=True),
    "a date far off": lambda: email.utils.formatdate(time.time() + 10**7, usegmt=True),
    "a date that has passed": lambda: email.utils.formatdate(time.time() - 30, usegmt=True),
    "a date that is none": "Mon, 31 Feb 2026 25:61:61 GMT",
}


@row("FU20")
@pytest.mark.parametrize("kind", RETRY_AFTER)
def test_whatever_retry_after_says_the_app_gets_a_bounded_one(scene, kind):
    value = RETRY_AFTER[kind]
    for status, code in ((429, "upstream_rate_limited"), (503, "upstream_unavailable")):
        service = scene.other(f"sorry-{status}-{kind}".replace(" ", "-"), BFF_WORKERS="1")
        for operation in ("start", "register", "authenticate"):
            scene.vendor.forget_calls()
            scene.vendor.on(operation, Reply(status, headers={"Retry-After": value() if callable(value) else value}))
            answer = ready(scene, operation, service)()
            assert_problem(answer, 503, code)
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert len(scene.vendor.calls(operation)) <= 1


@row("FU20")
@pytest.mark.parametrize("operation", ["token", "jwks"])
def test_a_429_slows_our_own_fetches_down(bff, hostile, operation):
    hostile.on(operation, Reply(429, headers={"Retry-After": "60"}))
    service = bff(hostile, wait_ready=False)
    hostile.wait_calls(operation)
    service.wait_event("token.fetch_failed" if operation == "token" else "jwks.fetch_failed")
    assert service.management().get("/readyz").status == 503
    refused_at = time.monotonic()
    until(lambda: time.monotonic() > refused_at + 3, "time in which it would have asked again", 10)
    assert len(hostile.calls(operation)) == 1
    assert service.management().get("/livez").status == 200


@row("FU21")
@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_a_vendor_in_trouble_is_unavailable(scene, operation, status):
    service = scene.other(f"trouble-{operation}-{status}", BFF_WORKERS="1")
    scene.vendor.on(operation, json_reply(b"<html>SECRET", "text/html"))
    scene.vendor.on(operation, Reply(status, body=b"<html>SECRET", headers={"Content-Type": "text/html"}))
    answer = ready(scene, operation, service)()
    assert_problem(answer, 503, "upstream_unavailable", retry_after_sending(operation))
    assert b"SECRET" not in answer.body
    calls = len(scene.vendor.calls(operation))
    assert calls == 1 if RUN_ONCE[operation] else calls <= 2
    service.wait_idle()
