# SPDX-License-Identifier: Apache-2.0
"""Requests that lie about where they end, and their good relatives, byte for byte against the real
service. The table is in framing_probes.py."""
import json

from faults.marks import row
import framing_probes
from harness.paths import PATIENCE, REPORTS
from harness.waiting import until

LAST_ID = "last-request"
LAST = f"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: {LAST_ID}\r\n\r\n".encode()


def ask(service, probe):
    """The answers to a probe, without that to the request sent last when the connection stays open;
    and whether the connection ended."""
    answers = []
    with service.raw() as connection:
        connection.socket.settimeout(5 * PATIENCE)
        try:
            if probe.drip:
                connection.drip(probe.data)
            else:
                connection.send(probe.data)
            if probe.half_close:
                connection.half_close()
            elif not probe.closes:
                connection.send(LAST)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent; the answer is there to be read
        method = "HEAD" if probe.data.startswith(b"HEAD") else "GET"
        while True:
            try:
                answer = connection.read_answer(method if not answers else "GET")
            except TimeoutError:
                return answers, False
            if answer is None:
                return answers, True
            if answer.headers.get("X-Request-Id") == LAST_ID:
                return answers, False
            answers.append(answer)


def is_wanted(wanted, status):
    return status in wanted if isinstance(wanted, tuple) else status == wanted


def problem_with(service, probe):
    """None when all is as wanted, else what is not."""
    answers, ended = ask(service, probe)
    statuses = [answer.status for answer in answers] or [None]
    if any(answer.headers.get("X-Request-Id") == framing_probes.HIDDEN_ID for answer in answers):
        return f"the hidden request was served: {answers}"
    if len(statuses) != len(probe.wanted) or not all(map(is_wanted, probe.wanted, statuses)):
        return f"answered {answers or 'nothing'}, wanted {probe.wanted}"
    if ended != probe.closes:
        return f"connection {'ended' if ended else 'stayed open'} after {answers}"
    if probe.code and answers[0].code != probe.code:
        return f"code {answers[0].code}, wanted {probe.code}"
    return None


@row("FC03", "FC04", "FC06", "FC07", "FC08", "FC12", "FC14")
def test_every_framing_probe_gets_its_wanted_answer(shared):
    probes = framing_probes.all_probes()
    problems = {}
    for probe in probes:
        problem = problem_with(shared.service, probe)
        if problem:
            problems[probe.name] = problem
    line = f"framing probes at their wanted answer: {len(probes) - len(problems)} / {len(probes)}"
    print(line)
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = {"title": "framing", "lines": [line], "failed": problems}
    (REPORTS / "framing.json").write_text(json.dumps(report, indent=1))
    assert not problems, "\n".join(f"{name}: {what}" for name, what in problems.items())


@row("FC06")
def test_no_hidden_request_ever_reaches_the_log(bff, emulator):
    service = bff(emulator, BFF_LOG_LEVEL="debug")
    for probe in framing_probes.all_probes():
        if framing_probes.HIDDEN in probe.data:
            ask(service, probe)
    served = service.client().get("/healthz", headers={"X-Request-Id": "control"})
    assert served.status == 200
    service.access_line("control")
    ids = [line["http.request.id"] for line in service.events("http.request")]
    assert framing_probes.HIDDEN_ID not in ids


def test_every_request_leaves_one_access_line_and_the_gauge_returns_to_zero(bff, emulator):
    service = bff(emulator)
    for number in range(3):
        answer = service.client().get("/v1/session", headers={"X-Request-Id": f"one-line-{number}"})
        assert answer.status == 401
        assert answer.headers["X-Request-Id"] == f"one-line-{number}"
        line = service.access_line(f"one-line-{number}")
        assert line["url.path"] == "/v1/session"
        assert line["http.response.status_code"] == 401
        assert line["error.code"] == "missing_token"
        assert len([one for one in service.events("http.request")
                    if one["http.request.id"] == f"one-line-{number}"]) == 1
    until(lambda: service.metric("http_server_active_requests") == 1,
          "only the scrape itself is active")
