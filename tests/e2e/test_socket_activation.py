# SPDX-License-Identifier: Apache-2.0
"""Sockets that are handed over (as systemd does) and what the service manager is told."""
import hashlib
import os
import signal
import socket
import sys
import threading

import pytest

from harness import activate
from harness.background import InBackground
from harness.device import unique
from harness.http import RawConnection
from harness.process import EndedEarly
from harness.service import Service

def launcher(names, *listeners):
    return [sys.executable, activate.__file__, names,
            ",".join(str(listener.fileno()) for listener in listeners)]


@pytest.fixture
def listening():
    """listening() -> a socket of the test's own that listens."""
    made = []

    def make():
        made.append(socket.create_server(("127.0.0.1", 0), backlog=512))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def activated(tmp_path, keep, hostile):
    """activated(names, socket, ..., BFF_X=value) -> a service that got the sockets."""
    def start(names, *listeners, wait_ready=True, **config):
        where = tmp_path / unique("activated")
        where.mkdir()
        return keep(Service(where, hostile, config, wait_ready=wait_ready,
                            wrap=lambda argv: [*launcher(names, *listeners), *argv],
                            pass_fds=[each.fileno() for each in listeners]))

    return start


def start(service):
    return service.client().post("/v1/biometrics/start", {"user_id": unique("user")})


def port_of(listener):
    return listener.getsockname()[1]


def test_sockets_are_taken_by_name(activated, listening):
    management, public = listening(), listening()
    service = activated("management:public", management, public, BFF_LISTEN="127.0.0.1:1")
    assert service.address("public")[1] == port_of(public)
    assert service.address("management")[1] == port_of(management)
    assert service.wait_event("listener.ready", listener="public")["bff.inherited"] is True
    assert start(service).status == 200
    assert service.management().get("/readyz").status == 200


@pytest.mark.parametrize("names", ["-", "biometrics-bff.socket:biometrics-bff.socket"])
def test_without_names_of_ours_the_order_counts(activated, listening, names):
    public, management = listening(), listening()
    service = activated(names, public, management)
    assert service.address("public")[1] == port_of(public)
    assert service.address("management")[1] == port_of(management)


def test_what_was_not_handed_over_is_opened(activated, listening):
    public = listening()
    service = activated("public", public)
    assert service.wait_event("listener.ready", listener="management")["bff.inherited"] is False
    assert service.management().get("/readyz").status == 200


def test_the_variables_are_gone_and_the_descriptors_are_closed_on_exec(activated, listening):
    public = listening()
    service = activated("public", public)
    flags = int(next(line.split()[1] for line in open(f"/proc/{service.pid}/fdinfo/3", encoding="ascii")
                     if line.startswith("flags")), 8)
    assert flags & os.O_NONBLOCK
    assert flags & os.O_CLOEXEC


@pytest.mark.parametrize("names, what", [
    ("public:public", "its name was there before"),
    ("public:stranger", "its name is none of public, management and operator"),
    ("public:operator", "BFF_OPERATOR_LISTEN"),
])
def test_what_does_not_fit_is_refused(activated, listening, names, what):
    with pytest.raises(EndedEarly) as ended:
        activated(names, listening(), listening())
    assert ended.value.status == 78
    assert what in ended.value.output


def test_a_socket_that_does_not_listen_is_refused(activated):
    with socket.socket() as silent, pytest.raises(EndedEarly) as ended:
        activated("public", silent)
    assert ended.value.status == 78
    assert "not a listening TCP socket" in ended.value.output


def test_restarts_under_load_refuse_and_lose_nothing(activated, listening, hostile):
    """Every request has a connection of its own, as the worst of load balancers would."""
    public = listening()
    service = activated("public", public, BFF_UPSTREAM_MAX_PER_SECOND=0, BFF_DRAIN_DELAY_S=0)
    client = service.client()
    done = threading.Event()

    def app():
        statuses = []
        while not done.is_set():
            statuses.append(client.post("/v1/biometrics/start", {"user_id": unique("user")}).status)
        return statuses

    apps = [InBackground(app) for _ in range(4)]
    for number in range(1, 4):
        hostile.wait_calls("start", 20 * number)
        service.stop()
        service = activated("public", public, BFF_UPSTREAM_MAX_PER_SECOND=0, BFF_DRAIN_DELAY_S=0)
    hostile.wait_calls("start", len(hostile.calls("start")) + 20)
    done.set()
    outcomes = [each.answer() for each in apps]
    assert not [each for each in outcomes if isinstance(each, Exception)], outcomes
    statuses = [status for each in outcomes for status in each]
    assert set(statuses) == {200}
    assert len(statuses) > 50


# ---- the service manager


def test_an_operators_socket_of_our_own_closes_without_resetting_anybody(activated, listening, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(f"test:{hashlib.sha256(b'operator-key').hexdigest()}\n")
    service = activated("public", listening(), BFF_OPERATOR_LISTEN="127.0.0.1:0", BFF_OPERATOR_KEYS_FILE=keys)
    host, port = service.address("operator")
    asked = threading.Semaphore(0)

    def operator():
        """The statuses, until nobody can be connected to any more."""
        statuses = []
        while True:
            try:
                connection = RawConnection(host, port)
            except OSError:
                return statuses
            with connection:
                answer = connection.send("GET /nothing HTTP/1.1\r\nHost: bff\r\n\r\n").read_answer()
                statuses.append(answer.status if answer else "cut")
            asked.release()

    operators = [InBackground(operator) for _ in range(8)]
    for _ in range(50):
        assert asked.acquire(timeout=20)
    service.signal(signal.SIGTERM)
    statuses = {status for each in operators for status in each.answer()}
    assert service.wait() == 0
    assert statuses <= {404, 503}, statuses


@pytest.fixture
def manager(tmp_path):
    """A socket that is told; lines(count) waits for so many messages."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(path)
        os.chmod(path, 0o666)  # the service of an image is another user
        told.settimeout(20)
        yield path, lambda: told.recv(4096).decode().split("\n")


def test_the_manager_is_told_of_readiness_reload_and_end(bff, hostile, manager):
    path, hear = manager
    service = bff(hostile, NOTIFY_SOCKET=path)
    assert hear() == ["READY=1", "STATUS=Serving"]
    service.signal(signal.SIGHUP)
    reloading = hear()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].startswith("MONOTONIC_USEC=")
    assert hear()[0] == "READY=1"
    service.signal(signal.SIGTERM)
    assert hear()[0] == "STOPPING=1"
    assert service.wait() == 0


def test_it_is_not_ready_before_it_is(bff, hostile, manager):
    path, hear = manager
    release = threading.Event()
    hostile.on("jwks", lambda call: (release.wait(20), None)[1])
    service = bff(hostile, wait_ready=False, NOTIFY_SOCKET=path)
    service.wait_event("token.fetched")
    service.signal(signal.SIGHUP)
    service.wait_event("config.reload")
    release.set()
    assert hear()[0] == "READY=1"


def test_a_manager_that_is_gone_does_no_harm(bff, hostile, tmp_path):
    service = bff(hostile, NOTIFY_SOCKET=str(tmp_path / "nobody"))
    assert start(service).status == 200
