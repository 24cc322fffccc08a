# SPDX-License-Identifier: Apache-2.0
"""The identity API over HTTP/2, which nginx speaks in front of the emulator: many calls share few
connections, and a connection that ends takes no call with it and repeats none."""
import concurrent.futures
import itertools

import pytest

from faults.marks import row
from harness.device import Phone
from harness.front import Front


@pytest.fixture
def front(tmp_path, keep, start_emulator):
    """front(keepalive_requests=, streams=) -> nginx with HTTP/2 in front of an emulator of its own."""
    numbers = itertools.count(1)

    def start(**options):
        directory = tmp_path / f"front-{next(numbers)}"
        directory.mkdir()
        return keep(Front(directory, start_emulator(tls=False), **options))

    return start


def at_once(count, task):
    """The results of task(0) to task(count - 1), run at the same time."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(task, range(count)))


def start(service, number):
    return service.client().post("/v1/biometrics/start", {"user_id": f"user-{number}"})


def quick(bff, nginx, **config):
    """A service without limits of callers."""
    return bff(nginx, BFF_RATE_PER_USER="0", BFF_UPSTREAM_MAX_PER_SECOND="0", **config)


def test_the_whole_ceremony_goes_over_http2(bff, front):
    nginx = front()
    service = quick(bff, nginx)
    phone = Phone(service, nginx.upstream).enroll()
    phone.login()
    assert phone.refresh().status == 200
    # Tokens and key sets come over HTTP/1.1: a call every few minutes, and one of them has the secret in it.
    ours = nginx.requests("/token") + nginx.requests("/jwks")
    assert ours and {line.protocol for line in ours} == {"HTTP/1.1"}
    assert {line.protocol for line in nginx.requests() if line not in ours} == {"HTTP/2.0"}
    assert len(nginx.requests("/authenticate")) == 1


def test_many_calls_at_once_share_few_connections(bff, front):
    nginx = front()
    nginx.upstream.fault("start", delay_ms=1500, next=60)
    service = quick(bff, nginx, BFF_WORKERS=1, BFF_UPSTREAM_MAX_CONNECTIONS=2)
    # One after the other on two connections they would take 45 s, more than a request has.
    answers = at_once(60, lambda number: start(service, number))
    assert [answer.status for answer in answers] == [200] * 60
    assert len({line.connection for line in nginx.requests("/start")}) <= 2


@row("FU24")
def test_calls_beyond_the_streams_that_the_vendor_allows_wait_and_are_answered(bff, front):
    nginx = front(streams=4)
    nginx.upstream.fault("start", delay_ms=100, next=40)
    service = quick(bff, nginx, BFF_WORKERS=1, BFF_UPSTREAM_MAX_CONNECTIONS=1)
    answers = at_once(40, lambda number: start(service, number))
    assert [answer.status for answer in answers] == [200] * 40
    assert len({line.connection for line in nginx.requests("/start")}) == 1


@row("FU24")
def test_connections_that_the_vendor_ends_lose_no_call(bff, front):
    nginx = front(keepalive_requests=7)
    # An end after every seventh call breaks more calls than the budget for repeats is meant for; how many share
    # the connection that ends is a matter of the machine.
    service = quick(bff, nginx, BFF_UPSTREAM_REPEATS_PERCENT="100")
    answers = at_once(16, lambda number: [start(service, 100 * number + n).status for n in range(12)])
    assert answers == [[200] * 12] * 16
    assert len(nginx.requests("/start")) == 16 * 12
    assert len({line.connection for line in nginx.requests("/start")}) >= 16 * 12 // 7


@row("FU24")
def test_connections_that_the_vendor_ends_run_no_register_and_no_authenticate_twice(bff, front):
    """libcurl does not tell a call that the vendor refused with the connection from one that was lost with it: the
    outcome of such a call is called unknown, and it is not sent again."""
    nginx = front(keepalive_requests=3)
    service = quick(bff, nginx)
    phones = [Phone(service, nginx.upstream) for _ in range(12)]
    registered = at_once(12, lambda number: phones[number].register())
    enrolled = [phone for phone, answer in zip(phones, registered) if answer.status == 201]
    logins = at_once(len(enrolled), lambda number: enrolled[number].authenticate(enrolled[number].started()))
    for operation, answers, good in (("register", registered, 201), ("authenticate", logins, 200)):
        assert {answer.code for answer in answers if answer.status != good} <= {"upstream_outcome_unknown"}
        succeeded = sum(answer.status == good for answer in answers)
        assert 0 < succeeded <= nginx.upstream.executed_count(operation) <= len(answers)
        assert len(nginx.requests(f"/{operation}")) <= len(answers)


def test_a_vendor_without_http2_is_spoken_to_in_http_1_1(bff, emulator):
    service = bff(emulator, BFF_UPSTREAM_HTTP2="on", BFF_WORKERS=1, BFF_UPSTREAM_MAX_CONNECTIONS=2)
    answers = at_once(12, lambda number: start(service, number))
    assert [answer.status for answer in answers] == [200] * 12
    Phone(service, emulator).enroll().login()
