# SPDX-License-Identifier: Apache-2.0
"""An upstream in the hands of the test. It answers like the vendor until it is told otherwise: then
with any status, headers and bytes, as late, as slowly and as broken as the test likes. It holds its
own signing keys and writes down every call."""
import dataclasses
import json
import socket
import ssl
import struct
import threading
import time
import urllib.parse

from . import jose
from .device import unique
from .paths import PATIENCE
from .tls import Authority
from .waiting import until

OPERATIONS = {
    "/oidc/token": "token",
    "/cis/oidc/token": "token",
    "/cis/oidc/jwks": "jwks",
    "/cis/v1/auth/mobile-biometrics/start": "start",
    "/cis/v1/auth/mobile-biometrics/register": "register",
    "/cis/v1/auth/mobile-biometrics/authenticate": "authenticate",
    "/cis/v1/auth/mobile-biometrics/delete": "delete",
    "/cis/v1/users/me/face/revoke": "face_revoke_me",
    "/cis/v1/users/face/revoke": "face_revoke",
    "/cis/v1/auth/token/refresh": "refresh",
    "/cis/v1/auth/session/logout": "logout",
}
_MAX_HEAD_BYTES = 1 << 20
_CORKED_S, _CORK_ENDS_S = 0.05, 0.15


@dataclasses.dataclass
class Call:
    """A request that arrived, complete or not."""
    operation: str
    method: str
    path: str
    headers: dict  # names in lower case; of repeated fields the last
    body: bytes
    connection: int  # number of the connection, from 1
    at: float  # monotonic seconds

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode()))

    @property
    def bearer(self):
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else None


@dataclasses.dataclass
class Reply:
    """What goes back. With `raw` those bytes are sent and nothing else is looked at."""
    status: int = 200
    document: object = None  # sent as JSON
    body: bytes = None  # sent as it is
    headers: dict = dataclasses.field(default_factory=dict)  # None removes a field
    raw: bytes = None
    hold: threading.Event = None  # waits for it before anything is sent
    delay_s: float = 0.0
    cut_after: int = None  # sends so many bytes of the whole answer
    drip_bytes: int = None  # sends pieces of this size ...
    drip_s: float = 0.01  # ... with this pause
    drip_from: int = 0  # ... after so many bytes at once
    stream: object = None  # function that gives pieces to send after the answer, without end if it likes
    extra: bytes = b""  # more, in a TLS record of its own and in the same segment as the answer's end
    late: tuple = None  # (event, bytes): once the event is set, those bytes, too
    then: str = "keep"  # afterwards: keep, close, reset, hang (keeps the socket, says nothing)

    def encoded(self):
        if self.raw is not None:
            return self.raw
        body = self.body
        fields = {}
        if self.document is not None:
            body = json.dumps(self.document).encode()
            fields["Content-Type"] = "application/json"
        body = body or b""
        if self.status != 204:
            fields["Content-Length"] = str(len(body))
        fields.update(self.headers)
        head = [f"HTTP/1.1 {self.status} Status"]
        head += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Hostile:
    """Threaded server; `on()` scripts an operation, `calls()` tells what came."""

    def __init__(self, directory, tls=True, alg="RS256", authority=None, certificate=None):
        self.issuer = "https://issuer.test"
        self.tenant_id = "tenant-1"
        self.client_id = "client-1"
        self.client_secret = "secret-1"
        self.audience = "userid-api"
        self.key = jose.SigningKey("key-1", alg, label="hostile")
        self.published = [self.key]  # keys or whole JWKs; what the key set holds
        self.recorded = []
        self.late_extras = 0  # of Reply.extra, that may have come later than the answer
        self.connection_class = Connection
        self._scripts = {}
        self._lock = threading.Lock()
        self._open = set()
        self._connections = 0
        self._stopping = threading.Event()
        self._context = None
        self.ca_file = None
        if tls:
            authority = authority or Authority(directory)
            self.ca_file = authority.ca_file
            self.show_certificate(*(certificate or authority.issue()))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def config(self):
        """The settings with which a service reaches it."""
        settings = {
            "BFF_UPSTREAM_URL": self.url,
            "BFF_ISSUERS": self.issuer,
            "BFF_TENANT_ID": self.tenant_id,
            "BFF_CLIENT_ID": self.client_id,
            "BFF_CLIENT_SECRET": self.client_secret,
            "BFF_JWT_ALGORITHMS": self.key.alg,
        }
        if self.ca_file:
            settings["BFF_UPSTREAM_CA_FILE"] = self.ca_file
        else:
            settings["BFF_ALLOW_INSECURE_UPSTREAM"] = "true"
        return settings

    # ---- scripting ----

    def on(self, operation, *replies, times=None):
        """The next calls of the operation get these replies in turn, the last one again and again
        unless times says how many calls are scripted; then it is the vendor again. A reply is a
        Reply, raw bytes, or a function of the Call that gives one (or None for the vendor's)."""
        with self._lock:
            self._scripts[operation] = [list(replies), times]
        return self

    def behave(self, *operations):
        """Back to the vendor's answers, for these operations or for all."""
        with self._lock:
            for operation in operations or list(self._scripts):
                self._scripts.pop(operation, None)

    def calls(self, operation=None):
        with self._lock:
            return [call for call in self.recorded if operation in (None, call.operation)]

    def wait_calls(self, operation, count=1, timeout_s=10.0):
        until(lambda: len(self.calls(operation)) >= count, f"{count} calls of {operation}", timeout_s)
        return self.calls(operation)

    def forget_calls(self):
        with self._lock:
            self.recorded.clear()

    # ---- connections ----

    def tls_context(self):
        """What all certificates are shown with."""
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def show_certificate(self, certificate_file, key_file):
        """To connections from now on. In one step: OpenSSL takes certificate and key one after the other,
        and a handshake that found the new one without its key would be refused."""
        context = self.tls_context()
        context.load_cert_chain(certificate_file, key_file)
        self._context = context

    @property
    def connection_count(self):
        """Connections accepted so far."""
        return self._connections

    def open_count(self):
        """How many connections are open now."""
        with self._lock:
            return len(self._open)

    def reset_connections(self):
        """Breaks every open connection with RST."""
        with self._lock:
            open_now = list(self._open)
        for connection in open_now:
            connection.reset()

    # ---- tokens ----

    def access_claims(self, user_id, **changes):
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": user_id, "aud": self.audience, "tid": self.tenant_id,
                  "client_id": self.client_id, "iat": now, "exp": now + 3600, "scope": "openid",
                  "jti": unique("jti"), **changes}
        return {name: value for name, value in claims.items() if value is not OMIT}

    def id_claims(self, user_id, **changes):
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": user_id, "aud": self.client_id, "tid": self.tenant_id,
                  "iat": now, "exp": now + 3600, **changes}
        return {name: value for name, value in claims.items() if value is not OMIT}

    def access_token(self, user_id, **changes):
        return self.key.sign(self.access_claims(user_id, **changes))

    def id_token(self, user_id, **changes):
        return self.key.sign(self.id_claims(user_id, **changes))

    def session(self, user_id, **members):
        """A whole answer of authenticate; OMIT removes a member."""
        document = {"access_token": self.access_token(user_id), "token_type": "Bearer",
                    "expires_in": 3600, "id_token": self.id_token(user_id),
                    "refresh_token": f"{unique('refresh')}~{user_id}",
                    "session_id": unique("session"), **members}
        return {name: value for name, value in document.items() if value is not OMIT}

    def key_set(self):
        return jose.jwks(*self.published)

    # ---- the vendor's answers ----

    def _vendor_reply(self, call):
        answers = {
            "token": self._vendor_token,
            "jwks": lambda _: Reply(document=self.key_set()),
            "start": lambda _: Reply(document={"challenge": unique("challenge") + "=" * 2}),
            "register": lambda _: Reply(document={}),
            "authenticate": self._vendor_authenticate,
            "delete": lambda _: Reply(204),
            "face_revoke_me": lambda _: Reply(204),
            "face_revoke": lambda _: Reply(204),
            "refresh": self._vendor_refresh,
            "logout": lambda _: Reply(204),
        }
        if call.operation not in answers:
            return Reply(404, {"message": "Not found", "error_code": 404})
        return answers[call.operation](call)

    def _vendor_token(self, call):
        now = int(time.time())
        client = call.form.get("client_id", self.client_id)
        token = self.key.sign({"iss": self.issuer, "sub": client, "client_id": client,
                               "aud": self.audience, "tid": self.tenant_id, "iat": now,
                               "exp": now + 3600, "jti": unique("jti")})
        return Reply(document={"access_token": token, "token_type": "Bearer", "expires_in": 3600,
                               "scope": ""})

    def _vendor_authenticate(self, call):
        return Reply(document=self.session(call.json["user_id"]))

    def _vendor_refresh(self, call):
        """The refresh tokens of session() carry their user behind a tilde."""
        user_id = call.json["refresh_token"].partition("~")[2] or "user-1"
        return Reply(document=self.session(user_id, session_id=OMIT))

    def _reply_to(self, call):
        with self._lock:
            script = self._scripts.get(call.operation)
            reply = None
            if script:
                replies, times = script
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                if times is not None:
                    script[1] = times - 1
                    if script[1] <= 0:
                        del self._scripts[call.operation]
        if callable(reply):
            reply = reply(call)
        if isinstance(reply, bytes):
            reply = Reply(raw=reply)
        return reply or self._vendor_reply(call)

    # ---- the server ----

    def _accept(self):
        while not self._stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                connection = self.connection_class(self, self._connections, accepted)
                self._open.add(connection)
            connection.start()

    def _ended(self, connection):
        with self._lock:
            self._open.discard(connection)

    def stop(self):
        self._stopping.set()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            pass
        self._acceptor.join(10)
        self._listener.close()
        with self._lock:
            open_now = list(self._open)
        for connection in open_now:
            connection.reset()
        for connection in open_now:
            connection.join(10)


class Connection(threading.Thread):
    """Serves one connection. Only this thread closes the socket; others ask it to."""

    def __init__(self, server, number, accepted):
        super().__init__(daemon=True)
        self.server = server
        self.number = number
        self.socket = accepted
        self.broken = threading.Event()

    def reset(self):
        """Ends the connection with RST instead of FIN, and without a TLS goodbye."""
        self.broken.set()
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.socket.shutdown(self.socket, socket.SHUT_RD)
        except OSError:
            pass

    def run(self):
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server._context:
                self.socket = self.server._context.wrap_socket(self.socket, server_side=True)
            self.serve()
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.socket.close()
            self.server._ended(self)

    def serve(self):
        with self.socket.makefile("rb") as stream:
            while not self.broken.is_set() and self._serve_one(stream):
                pass

    def _serve_one(self, stream):
        call = _read_call(stream, self.number)
        if call is None:
            return False
        with self.server._lock:
            self.server.recorded.append(call)
        return self._send(self.server._reply_to(call))

    def _pause(self, event, seconds):
        """Waits for the event, at most so long; false when the connection broke meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not event.is_set():
            if self.broken.is_set() or self.server._stopping.is_set():
                return False
            event.wait(min(0.02, max(0.0, deadline - time.monotonic())))
        return True

    def _send_at_once(self, data, extra):
        begin = time.monotonic()
        if extra:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.socket.sendall(data)
        if extra:
            # The kernel holds a corked segment for 200 ms. What would come later than the answer would
            # stand before the answer to the next request, where nobody can tell the two apart. The thread
            # may be held up behind this look at the clock, too: then that is counted.
            if time.monotonic() - begin < _CORKED_S:
                self.socket.sendall(extra)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            if time.monotonic() - begin > _CORK_ENDS_S:
                self.server.late_extras += 1
        return True

    def _drip(self, reply, data, never):
        self.socket.sendall(data[:reply.drip_from])
        for at in range(reply.drip_from, len(data), reply.drip_bytes):
            if not self._pause(never, reply.drip_s):
                return False
            self.socket.sendall(data[at:at + reply.drip_bytes])
        return True

    def _send_late(self, event, data):
        if not self._pause(event, 60 * PATIENCE):
            return False
        self.socket.sendall(data)
        event.clear()  # sent
        return True

    def _send(self, reply):
        """True when the connection goes on."""
        never = threading.Event()
        if reply.hold and not self._pause(reply.hold, 60 * PATIENCE):
            return False
        if not self._pause(never, reply.delay_s):
            return False
        data = reply.encoded()
        if reply.cut_after is not None:
            data = data[:reply.cut_after]
        if not (self._drip(reply, data, never) if reply.drip_bytes else self._send_at_once(data, reply.extra)):
            return False
        for piece in reply.stream() if reply.stream else ():
            if self.broken.is_set() or self.server._stopping.is_set():
                return False
            self.socket.sendall(piece)
        if reply.late and not self._send_late(*reply.late):
            return False
        if reply.then == "reset":
            self.reset()
        elif reply.then == "hang":
            self._pause(never, 60 * PATIENCE)
        return reply.then == "keep"


def _read_call(stream, number):
    line = stream.readline(_MAX_HEAD_BYTES)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while True:
        line = stream.readline(_MAX_HEAD_BYTES)
        if line in (b"\r\n", b"\n", b""):
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = _read_body(stream, headers)
    operation = OPERATIONS.get(target.split("?")[0], "unknown")
    return Call(operation, method, target, headers, body, number, time.monotonic())


def _read_body(stream, headers):
    if "chunked" not in headers.get("transfer-encoding", ""):
        return stream.read(int(headers.get("content-length", "0")))
    body = b""
    while True:
        size = int(stream.readline().split(b";")[0], 16)
        body += stream.read(size)
        stream.readline()
        if size == 0:
            return body


class _Omit:
    def __repr__(self):
        return "OMIT"


OMIT = _Omit()  # as a claim or member: leaves it out
