# SPDX-License-Identifier: Apache-2.0
"""The log: text from outside breaks no line, a ceremony's audit event says who, what and how it ended,
SIGUSR1 dumps the state and SIGUSR2 changes the level. That every line of every test is an event of
docs/logs.md, and every ceremony has its audit event, is checked wherever a service ends
(harness/events.py)."""
import http.client
import json
import signal
import urllib.parse

import pytest

from harness import events
from harness.device import unique
from harness.hostile import Reply
from harness.waiting import until

NASTY = {
    "quotes": '"}\n{"event.action":"forged","log.level":"error',
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x85\x9f",
    "nul": "a\x00b",
    "separators": "a\u2028b\u2029c\u202eevil\u2066x",
    "utf8": "\udcff\udcc0\udcaf\udced\udca0\udc80\udcf8",
    "terminal": "\x1b]0;owned\x07\x1b[2J\r",
    "long": "x" * 900 + "\"\\" * 100,
}


def bytes_of(text):
    return text.encode("utf-8", "surrogateescape")


def as_field(text):
    """What a server has to take in a field's value: no CR, LF or NUL."""
    return bytes_of(text).translate(None, b"\r\n\0")


def send(service, request):
    """Whatever comes back, or nothing: the answer is other tests' affair."""
    with service.raw() as connection:
        connection.send(request + b"\r\n\r\n")
        connection.half_close()
        connection.read_answer()


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_from_an_app_breaks_a_line(bff, hostile, text, level):
    service = bff(hostile, BFF_LOG_LEVEL=level)
    field, segment = as_field(text), urllib.parse.quote_from_bytes(bytes_of(text)).encode()
    for name in (b"User-Agent", b"X-Request-Id", b"traceparent", b"tracestate", b"X-Forwarded-For", b"Host",
                 b"Content-Type", b"Authorization"):
        send(service, b"GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + name + b": " + field)
    for line in (b"GET /" + segment, b"GET /healthz?" + segment, b"GET /" + field.replace(b" ", b""), field + b" /",
                 b"DELETE /v1/biometrics/keys/" + segment):
        send(service, line + b" HTTP/1.1\r\nHost: t\r\nConnection: close")
    api, odd = service.client(), text.encode("utf-8", "replace").decode()
    for document in ({"user_id": odd}, {"identifier": odd, "identifier_type": odd},
                     {"user_id": "u", "approval_data": {odd: odd}}, {odd: odd}):
        api.post("/v1/biometrics/start", document)
    api.post("/v1/biometrics/authenticate", {"challenge_id": odd, "user_id": odd, "key_id": odd, "signature": odd})
    api.post("/v1/biometrics/start", body=bytes_of(text))
    service.stop()  # and each line was parsed, strictly
    assert not service.events("forged")


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_from_the_vendor_breaks_a_line(bff, hostile, text):
    service = bff(hostile, BFF_LOG_LEVEL="debug")
    odd = text.encode("utf-8", "replace").decode()
    for status in (400, 401, 403, 500):
        for reply in (Reply(status, {"error_code": odd, "message": odd, odd: odd}), Reply(status, body=bytes_of(text)),
                      Reply(status, {"message": "x"}, headers={"Content-Type": as_field(text).decode("latin-1")})):
            hostile.on("start", reply)
            service.client().post("/v1/biometrics/start", {"user_id": unique("user")})
    hostile.behave()
    service.stop()
    assert not service.events("forged")


def test_a_text_log_has_no_line_of_an_app_either(bff, hostile):
    service = bff(hostile, BFF_LOG_FORMAT="text", wait_ready=False)
    until(lambda: "service.ready" in service.output, "the service is ready")
    port = next(line for line in service.lines if "listener=public" in line).split("server.port=")[1].split()[0]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    connection.request("POST", "/v1/biometrics/start", headers={"User-Agent": 'x" log.level=error \x7f'})
    assert connection.getresponse().status == 400
    connection.close()
    until(lambda: any("user_agent.original=" in line for line in service.lines), "the access line")
    assert "\x7f" not in service.output


def test_the_audit_event_tells_who_what_how_and_for_which_request(bff, hostile):
    service = bff(hostile)
    user, trace = unique("user"), "4bf92f3577b34da6a3ce929d0e0e4736"
    approval = {"approval_data": {"payee": unique("payee"), "amount": "12.00"}}
    headers = {"X-Request-Id": unique("request"), "traceparent": f"00-{trace}-00f067aa0ba902b7-01", "User-Agent": "app/1"}
    answer = service.client().post("/v1/biometrics/start", {"user_id": user, **approval}, headers=headers)
    assert answer.status == 200
    audit = service.wait_event("ceremony.start")
    access = service.access_line(headers["X-Request-Id"])
    assert (audit["event.kind"], audit["event.outcome"], audit["bff.outcome"]) == ("event", "success", "ok")
    assert audit["http.request.id"] == headers["X-Request-Id"]
    assert audit["trace.id"] == access["trace.id"] == trace
    assert audit["span.id"] == access["span.id"] != "00f067aa0ba902b7"
    assert 0 < audit["event.duration"] <= access["event.duration"]
    assert access["user_agent.original"] == "app/1"
    assert len(audit["user.hash"]) == len(audit["bff.approval.hash"]) == 24

    # The same approval has the same hash where it is authenticated; another key of the device another one.
    document = {"challenge_id": answer.json["challenge_id"], "user_id": user, "key_id": "key-1", "signature": "c2ln"}
    service.client().post("/v1/biometrics/authenticate", document)
    second = service.wait_event("ceremony.authenticate")
    assert second["bff.approval.hash"] == audit["bff.approval.hash"]
    assert second["user.hash"] == audit["user.hash"] != second["key.hash"]
    service.stop()
    for secret in (user, approval["approval_data"]["payee"], "key-1"):
        assert secret not in service.output


def test_the_vendor_hears_of_the_trace_under_a_span_of_ours(bff, hostile):
    service = bff(hostile)
    service.client().post("/v1/biometrics/start", {"user_id": unique("user")})
    audit = service.wait_event("ceremony.start")
    sent = hostile.calls("start")[0].headers["traceparent"]
    assert sent == f"00-{audit['trace.id']}-{audit['span.id']}-00"


# ---- signals


def test_sigusr1_dumps_the_state_to_the_log(bff, hostile):
    service = bff(hostile)
    service.signal(signal.SIGUSR1)
    state = service.wait_event("service.state")
    assert state["event.kind"] == "state"
    assert state["process.pid"] == service.pid
    assert (state["bff.ready"], state["bff.token"], state["bff.keys"], state["bff.breaker"],
            state["bff.level.now"]) == (True, "ok", "ok", "closed", "info")


def test_the_life_of_the_process_and_what_was_asked_for_are_told_at_every_level(bff, hostile):
    service = bff(hostile, BFF_LOG_LEVEL="error", BFF_DRAIN_DELAY_S=1)
    service.client().post("/v1/biometrics/start", {"user_id": unique("user")})
    service.signal(signal.SIGUSR1)
    assert service.wait_event("service.state")["log.level"] == "info"
    for level in ("debug", "error"):
        service.signal(signal.SIGUSR2)
        service.wait_event("log.level", bff_level_now=level)
    service.stop()
    told = [json.loads(line)["event.action"] for line in service.lines if line.startswith("{")]
    life = ["service.starting", "service.ready", "service.draining", "service.refusing", "service.stopped"]
    assert [action for action in told if action in life] == life
    assert not {"http.request", "ceremony.start"} & set(told)


def test_sigusr2_makes_the_log_talkative_and_quiet_again_and_says_so(bff, hostile):
    service = bff(hostile)

    def probe_is_logged():
        probe = service.management().get("/livez").headers["X-Request-Id"]
        # Whose line comes behind, if the probe has one.
        service.access_line(service.management().get("/none").headers["X-Request-Id"])
        return probe in service.output

    assert not probe_is_logged()
    service.signal(signal.SIGUSR2)
    assert service.wait_event("log.level", bff_level_now="debug")["bff.level.before"] == "info"
    until(probe_is_logged, "a probe is logged")
    service.signal(signal.SIGUSR2)
    assert service.wait_event("log.level", bff_level_now="info")["bff.level.before"] == "debug"
    until(lambda: not probe_is_logged(), "no probe is logged any more")


# ---- the check itself


GOOD = {"@timestamp": "t", "log.level": "info", "message": "m", "event.action": "service.refusing",
        "event.kind": "event", "event.category": ["process"], "event.type": ["end"], "ecs.version": "8.11.0",
        "service.name": "s", "service.version": "v"}


@pytest.mark.parametrize("change", [{"event.action": "unheard.of"}, {"surplus": 1}, {"event.category": ["web"]}])
def test_a_line_that_is_not_in_the_table_is_found(change):
    events.check_line(GOOD)
    with pytest.raises(AssertionError):
        events.check_line({**GOOD, **change})


@pytest.mark.parametrize("line", ['{"a":1,"a":2}', '{"a":"\u2028"}', '{"a":"\x85"}'])
def test_a_line_that_some_readers_misread_is_found(line):
    with pytest.raises(AssertionError):
        events.parse(line)


def test_a_ceremony_without_its_audit_event_is_found():
    access = {**GOOD, "event.action": "http.request", "http.request.method": "POST", "span.id": "s",
              "url.path": "/v1/biometrics/start", "http.response.status_code": 200}
    audit = {**GOOD, "event.action": "ceremony.start", "event.outcome": "success", "event.duration": 1,
             "bff.outcome": "ok", "http.request.id": "r", "trace.id": "t", "span.id": "s"}
    answered = [("POST", "/v1/biometrics/start", "r")]
    events.check_audit([access, audit], answered)
    for records in ([access], [audit], [access, audit, audit], [access, {**audit, "event.action": "ceremony.logout"}]):
        with pytest.raises(AssertionError):
            events.check_audit(records, answered)
    with pytest.raises(AssertionError):
        events.check_audit([], answered)
