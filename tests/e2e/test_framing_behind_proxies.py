# SPDX-License-Identifier: Apache-2.0
"""The framing probes through real proxies: what a proxy takes for one request must be one request to
the service. Who disagrees with the proxy in front of it serves requests that nobody checked."""
import collections
import concurrent.futures

import pytest

import framing_probes
from faults.marks import row
from harness.paths import PATIENCE
from harness.proxies import KINDS, Proxy
from harness.waiting import until

LAST = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def ask(proxy, probe):
    """Sends a probe and a last request, and reads to the end."""
    with proxy.raw() as connection:
        connection.socket.settimeout(10 * PATIENCE)
        try:
            connection.send(probe.data)
            connection.send(LAST)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent
        answers = 0
        while connection.read_answer("HEAD" if probe.data.startswith(b"HEAD") and not answers else "GET"):
            answers += 1
        return answers


def served(service):
    return collections.Counter(line["http.request.id"] for line in service.events("http.request")
                               if line["listener"] == "public" and line["message"] == "request served")


def missing(service, proxy):
    """What the proxy passed on and the service did not log, by status."""
    ids = served(service)
    return collections.Counter(status for one, status in proxy.passed_on() if one not in ids)


def unknown(service, proxy):
    """What the service served and the proxy has not logged."""
    return served(service) - collections.Counter(one for one, _ in proxy.passed_on())


@row("FC06")
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_requests_reach_the_service_as_the_proxy_passed_on(bff, start_hostile, keep, tmp_path, record, kind):
    service = bff(start_hostile(tls=False), BFF_LOG_LEVEL="debug", BFF_RATE_PER_USER="0",
                  BFF_HEADER_TIMEOUT_MS="1000", BFF_BODY_TIMEOUT_MS="1000")
    proxy = keep(Proxy(kind, tmp_path, service))
    probes = framing_probes.all_probes()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = sum(pool.map(lambda probe: ask(proxy, probe), probes))
    for _ in range(20):  # over the very connections that the probes went through
        assert proxy.client().get("/healthz").status == 200
    # The parser refuses a few before they are requests to the service: those end with the connection.
    until(lambda: len(proxy.passed_on()) >= 20 and set(missing(service, proxy)) <= {"400", "501", "505"},
          f"what {kind} passed on was served")
    # The proxy writes its line when its side has ended, which may be after ours.
    until(lambda: not unknown(service, proxy), f"{kind} knows of every request that was served")
    passed_on = collections.Counter(one for one, _ in proxy.passed_on())
    assert max(passed_on.values()) == 1
    assert framing_probes.HIDDEN_ID not in served(service)
    record(f"{kind}: {len(probes)} probes, {answers} answers, {passed_on.total()} requests passed on, "
           f"{served(service).total()} served, {missing(service, proxy).total()} refused by the parser")
