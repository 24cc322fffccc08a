# SPDX-License-Identifier: Apache-2.0
"""TLS towards the vendor that is not as it must be. No request leaves, in plain text or unverified, the
app gets 503, and the log says what is wrong."""
import contextlib
import socket
import ssl
import struct
import threading

import pytest

from faults.calls import RUN_ONCE, ready
from faults.marks import row
from harness.hostile import Hostile, Reply
from harness.scene import Scene, assert_problem
from harness.stopping import stop_all
from harness.tls import Authority
from harness.waiting import until

ALERT_HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
ALERT_INTERNAL_ERROR = b"\x15\x03\x03\x00\x02\x02\x50"


class Stage:
    """A scene whose tokens and keys come from a good vendor, and whose business calls go elsewhere."""

    def __init__(self, directory):
        self.directory = directory
        self.scene = Scene(directory)
        self.root = Authority(directory, "root")
        self.middle = Authority(directory, "middle", issuer=self.root)
        self.stranger = Authority(directory, "stranger")
        self.trusted = directory / "trusted.pem"
        self.trusted.write_bytes(self.scene.vendor.ca_file.read_bytes() + self.root.ca_file.read_bytes())

    def service(self, name, url, **config):
        service = self.scene.other(name, wait_ready=False, BFF_UPSTREAM_URL=url,
                                   BFF_TOKEN_URL=f"{self.scene.vendor.url}/oidc/token",
                                   BFF_JWKS_URL=f"{self.scene.vendor.url}/cis/oidc/jwks",
                                   BFF_UPSTREAM_CA_FILE=self.trusted, **config)
        service.wait_event("service.ready")
        return service

    @contextlib.contextmanager
    def upstream(self, certificate, change=lambda context: None):
        upstream = Hostile(self.directory, authority=self.root, certificate=certificate)
        change(upstream._context)
        try:
            yield upstream
        finally:
            upstream.stop()

    def stop(self):
        stop_all([self.scene])


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("tls"))
    yield stage
    stage.stop()


def refused(stage, name, url, reason, operation, **config):
    """The call ends as one that was never sent, and the log names the reason."""
    service = stage.service(f"{name}-{operation}".replace(" ", "-"), url, **config)
    answer = ready(stage.scene, operation, service)()
    assert_problem(answer, 503, "upstream_unavailable", "same")
    line = service.wait_event("ceremony.start" if operation == "start" else "ceremony.register",
                              http_request_id=answer.headers["X-Request-Id"])
    assert reason in str(line).lower(), line
    service.wait_idle()


CERTIFICATES = {
    "expired": (lambda stage: stage.root.issue(expired=True), "certificate has expired"),
    "not yet valid": (lambda stage: stage.root.issue(not_yet=True), "certificate is not yet valid"),
    "another host": (lambda stage: stage.root.issue("vendor.example"), "target host name"),
    "another address": (lambda stage: stage.root.issue("127.0.0.2"), "target host name"),
    "self-signed": (lambda stage: stage.root.issue(self_signed=True), "self-signed certificate"),
    "an authority that nobody trusts": (lambda stage: stage.stranger.issue(chain=[stage.stranger]),
                                        "self-signed certificate in certificate chain"),
    "an authority that nobody knows": (lambda stage: stage.stranger.issue(), "unable to get local issuer"),
    "the middle of the chain missing": (lambda stage: stage.middle.issue(), "unable to get local issuer"),
}


@row("FU22")
@pytest.mark.parametrize("operation", ["start", "register"])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_must_not_be_trusted_is_not(stage, name, operation):
    make, reason = CERTIFICATES[name]
    with stage.upstream(make(stage)) as upstream:
        refused(stage, name, upstream.url, reason, operation)
        assert upstream.connection_count > 0
        assert upstream.calls() == []


@row("FU22")
@pytest.mark.parametrize("name", ["whole", "with the middle"])
def test_a_good_certificate_is_trusted(stage, name):
    """The control of the test above."""
    certificate = stage.root.issue() if name == "whole" else stage.middle.issue(chain=[stage.middle])
    with stage.upstream(certificate) as upstream:
        upstream.on("start", Reply(document={"challenge": "c"}))
        service = stage.service(f"good {name}".replace(" ", "-"), upstream.url)
        assert ready(stage.scene, "start", service)().status == 200


def old_versions(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def weak_ciphers(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("eNULL:aNULL:@SECLEVEL=0")


@row("FU22")
@pytest.mark.parametrize("operation", ["start", "register"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", [old_versions, weak_ciphers])
def test_a_protocol_or_cipher_that_is_too_weak_is_not_spoken(stage, change, operation):
    with stage.upstream(stage.root.issue(), change) as upstream:
        refused(stage, change.__name__, upstream.url, "alert", operation)
        assert upstream.calls() == []


class Listener:
    """Accepts, hands each connection to `behave` on a thread of its own, and keeps what came."""

    def __init__(self, behave):
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self.received = []
        self.over = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            if self.over.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            self._behave(self, connection)

    def receive(self, connection):
        data = connection.recv(65536)
        self.received.append(data)
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()
        self._listener.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stalls(listener, connection):
    listener.receive(connection)
    listener.over.wait(60)


def stalls_half_way(listener, connection):
    listener.receive(connection)
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
    listener.over.wait(60)


def drips(listener, connection):
    listener.receive(connection)
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
    while not listener.over.wait(0.02):
        connection.sendall(b"\0")


def resets_at_once(_, connection):
    reset(connection)


def ends_at_once(_, connection):
    connection.shutdown(socket.SHUT_RDWR)


def resets_in_the_handshake(listener, connection):
    listener.receive(connection)
    reset(connection)


def alerts(listener, connection):
    listener.receive(connection)
    connection.sendall(ALERT_HANDSHAKE_FAILURE)


def alerts_half_way(listener, connection):
    listener.receive(connection)
    connection.sendall(b"\x16\x03\x03\x00\x05\x02\x00\x3f\xfc\x03" + ALERT_INTERNAL_ERROR)


def speaks_plain_http(listener, connection):
    listener.receive(connection)
    connection.sendall(Reply(document={"challenge": "SECRET"}).encoded())


def speaks_noise(listener, connection):
    listener.receive(connection)
    connection.sendall(bytes(range(255, -1, -1)) * 64)


HANDSHAKES = {
    stalls: "timeout", stalls_half_way: "timeout", drips: "timeout",
    resets_at_once: "", ends_at_once: "", resets_in_the_handshake: "",
    alerts: "alert handshake failure", alerts_half_way: "ssl", speaks_plain_http: "wrong version number",
    speaks_noise: "ssl",
}


@row("FU22")
@pytest.mark.parametrize("operation", ["start", "register"])
@pytest.mark.parametrize("behave", HANDSHAKES)
def test_a_handshake_that_does_not_succeed_sends_nothing(stage, behave, operation):
    with Listener(behave) as listener:
        refused(stage, behave.__name__, f"https://127.0.0.1:{listener.port}", HANDSHAKES[behave], operation,
                BFF_UPSTREAM_CONNECT_TIMEOUT_MS="400")
        # Nothing but greetings: no request, in whatever form.
        assert all(data[:1] in (b"\x16", b"\x15", b"") for data in listener.received)
        assert not any(b"HTTP/1.1" in data or b"PRI *" in data for data in listener.received)


@row("FU22", "FU24")
def test_a_vendor_that_speaks_http2_unasked_is_not_understood(stage):
    settings = b"\0\0\0\x04\0\0\0\0\0"

    with stage.upstream(stage.root.issue()) as upstream:
        upstream.on("start", Reply(raw=settings * 3, then="close"))
        service = stage.service("h2-unasked", upstream.url)
        answer = ready(stage.scene, "start", service)()
        assert answer.status in (502, 503), answer
        assert len(upstream.calls("start")) <= 2
        service.wait_idle()


@row("FU22")
@pytest.mark.parametrize("operation", RUN_ONCE)
def test_it_goes_well_again_when_the_certificate_does(stage, operation):
    """Handshakes that failed leave nothing behind that a later call could trip over."""
    bad, good = stage.root.issue(expired=True), stage.root.issue()
    with stage.upstream(bad) as upstream:
        service = stage.service(f"renewed-{operation}", upstream.url)
        assert_problem(ready(stage.scene, operation, service)(), 503, "upstream_unavailable",
                       "new_challenge" if operation == "authenticate" else "same")
        upstream.show_certificate(*good)
        upstream.key = stage.scene.vendor.key
        until(lambda: ready(stage.scene, operation, service)().status in (200, 201, 204), "it goes well again")
