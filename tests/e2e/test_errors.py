# SPDX-License-Identifier: Apache-2.0
"""The error table as a whole: its rows have the status, title and advice that src/base/error.h gives
them, and those that no other test reaches on its way are reached here."""
import re
import signal
import threading

import pytest

from faults.marks import row
from harness.hostile import Reply
from harness.paths import BUILD, ROOT, SANITIZER
from harness.scene import assert_problem

NO_RANDOMNESS = BUILD / "tests" / "e2e" / "no_randomness.so"


def table():
    """{code: (status, title, retry, whether Retry-After is always given)}"""
    text = re.sub(r"\\\n\s*", "", (ROOT / "src" / "base" / "error.h").read_text())
    row = re.compile(r'X\(ERR_\w+,\s*(\d+),\s*"(\w+)",\s*"([^"]*)",\s*RETRY_(\w+),\s*(\d+),')
    return {code: (int(status), title, retry.lower(), int(after) > 0)
            for status, code, title, retry, after in row.findall(text)}


def test_the_table_is_the_published_one():
    rows = table()
    assert len(rows) >= 40
    statuses = {400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422, 429, 431, 500, 502, 503, 504}
    assert {status for status, *_ in rows.values()} == statuses
    for code, (status, _, _, says_when) in rows.items():
        assert says_when == (status in (429, 503)), code


@pytest.mark.parametrize("method, path, more, code", [
    ("POST", "/v1/biometrics/start", {"body": b"{"}, "invalid_json"),
    ("POST", "/v1/biometrics/start", {"document": {}}, "invalid_request"),
    ("GET", "/v1/session", {}, "missing_token"),
    ("GET", "/v1/session", {"token": "x"}, "invalid_token"),
    ("GET", "/nowhere", {}, "not_found"),
    ("PUT", "/v1/session", {}, "method_not_allowed"),
    ("POST", "/v1/session/refresh", {"document": {"refresh_token": "r", "session": "x"}}, "session_invalid"),
    ("POST", "/v1/biometrics/start", {"body": b" " * 40000}, "payload_too_large"),
    ("GET", "/" + "a" * 3000, {}, "uri_too_long"),
    ("POST", "/v1/biometrics/start", {"body": b"{}", "headers": {"Content-Type": "text/plain"}},
     "unsupported_media_type"),
    ("POST", "/v1/biometrics/start", {"document": {"user_id": "u"}, "headers": {"Expect": "wonders"}},
     "expectation_failed"),
    ("GET", "/v1/session", {"headers": {"X-Long": "a" * 17000}}, "headers_too_large"),
])
def test_a_row_is_answered_as_the_table_says(scene, method, path, more, code):
    status, title, retry, _ = table()[code]
    answer = scene.api.request(method, path, **more)
    assert_problem(answer, status, code, retry)
    document = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (document["title"], document["status"], document["type"]) == (title, status, f"/problems/{code}")
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert document["detail"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


def test_bad_json_is_named_by_its_byte(scene):
    answer = scene.api.post("/v1/biometrics/start", body=b'{"user_id": "u",}')
    assert answer.json["detail"].startswith("byte 16: ")


@row("FP10")
@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's runtime must be the first library")
def test_without_randomness_no_handle_is_made(scene, tmp_path):
    switch = tmp_path / "no-randomness"
    # One worker: another would lack its first random number.
    service = scene.other("no-randomness", BFF_WORKERS=1, LD_PRELOAD=NO_RANDOMNESS, NO_RANDOMNESS_FILE=switch)
    api = service.client()
    assert scene.start(scene.user(), api=api).status == 200
    switch.touch()
    # A thread has a supply of 512 random bytes, of which a start takes some.
    answers = [scene.start(scene.user(), api=api) for _ in range(20)]
    answer = next(answer for answer in answers if answer.status != 200)
    assert answers[-1].status == answer.status
    assert_problem(answer, 500, "internal", "same")
    assert b"challenge" not in answer.body
    switch.unlink()
    assert scene.start(scene.user(), api=api).status == 200


def test_a_replica_that_shuts_down_says_so(bff, hostile):
    """A request that arrives on an open connection while another is finished."""
    service = bff(hostile, BFF_DRAIN_TIMEOUT_S=10, BFF_WORKERS=1)
    held = threading.Event()
    hostile.on("start", Reply(document={"challenge": "c"}, hold=held))
    api = service.client(keep_alive=True)
    assert api.get("/healthz").status == 200
    waiting = threading.Thread(target=lambda: service.client().post("/v1/biometrics/start", {"user_id": "u"}))
    waiting.start()
    try:
        hostile.wait_calls("start")
        service.signal(signal.SIGTERM)
        service.wait_event("service.refusing")
        assert_problem(api.post("/v1/biometrics/start", {"user_id": "u"}), 503, "draining", "same")
    finally:
        held.set()
        waiting.join()
    assert service.wait() == 0
