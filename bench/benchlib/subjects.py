# SPDX-License-Identifier: Apache-2.0
"""What is measured: each subject is a process of its own with one request that it answers."""
import base64
import dataclasses
import http.client
import json
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import machine, processes
from .upstream import ISSUER, USER

START_BODIES = 1000
REGISTER_BODIES = 200
JSON_TYPE = {"Content-Type": "application/json"}
TOKEN_MEMORY = "BFF_TOKEN_MEMORY_MAX"
# One worker; no limit in the way; log and metrics on.
SERVICE_SETTINGS = {
    "BFF_LISTEN": "127.0.0.1:0", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0", "BFF_WORKERS": "1",
    "BFF_LOG_LEVEL": "info", "BFF_LOG_FORMAT": "json", "BFF_DRAIN_DELAY_S": "0", "BFF_DRAIN_TIMEOUT_S": "0",
    "BFF_UPSTREAM_MAX_PER_SECOND": "0", "BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0",
    "BFF_USED_CHALLENGES_MAX": "400000",
}


@dataclasses.dataclass
class Request:
    """How a subject is asked, and what a good answer holds."""
    method: str
    path: str
    bodies: list
    good_status: int
    good_part: str
    authorization: str = None

    def headers(self):
        headers = dict(JSON_TYPE) if self.method == "POST" else {}
        return {**headers, "Authorization": self.authorization} if self.authorization else headers


def start_request(path="/v1/biometrics/start"):
    bodies = [json.dumps({"user_id": f"user-bench-{n:06d}"}) for n in range(START_BODIES)]
    return Request("POST", path, bodies, 200, '"challenge":"')


@dataclasses.dataclass
class Subject:
    name: str  # "ours start"
    transport: str  # to the upstream: "plain" or "tls"
    port: int
    request: Request
    child: processes.Child = None
    tls: bool = False  # the subject itself speaks TLS: the upstream asked directly
    connections: tuple = None  # None: all
    upstream: object = None  # set where each request needs a handle of its own, whose tokens must be fresh
    pids: list = ()

    def __post_init__(self):
        if self.child:
            self.pids = machine.family(self.child.pid)

    @property
    def ceremonies(self):
        return self.upstream is not None

    @property
    def verifies(self):
        """Its goal counts in verifications and imports."""
        return self.name in ("ours authenticate", "ours register")

    @property
    def label(self):
        return f"{self.name} {self.transport}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def ask(self, request, body):
        """One request; (status, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(request.method, request.path, body, request.headers())
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def probe(self):
        """Raises Failed unless one request gets a good answer."""
        if self.tls:
            return
        body = self.request.bodies[0] if self.request.bodies else None
        if self.ceremonies:
            body = ceremony_body(self._one_handle())
        status, text = self.ask(self.request, body)
        if status != self.request.good_status or self.request.good_part not in text:
            raise processes.Failed(f"{self.label}: a bad answer, status {status}: {text[:600]}\n{self.said()}")

    def _one_handle(self):
        status, text = self.ask(start_request(), json.dumps({"user_id": USER}))
        if status != 200:
            raise processes.Failed(f"{self.label}: start answered {status}: {text[:600]}")
        return json.loads(text)["challenge_id"]

    def said(self):
        return self.child.said() if self.child else ""


def authenticate_request():
    """Its bodies are made of handles, right before they are sent."""
    return Request("POST", "/v1/biometrics/authenticate", [], 200, '"access_token":"')


def register_request(token, good_status, good_part):
    """Each body has a key of its own."""
    keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(REGISTER_BODIES)]
    spki = [key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            for key in keys]
    bodies = [json.dumps({"key_id": f"key-bench-{n:06d}", "public_key": base64.b64encode(der).decode(),
                          "key_type": "ec", "os": "android"}) for n, der in enumerate(spki)]
    return Request("POST", "/v1/biometrics/register", bodies, good_status, good_part, f"Bearer {token}")


def session_request(token):
    return Request("GET", "/v1/session", [], 200, f'"id":"{USER}"', f"Bearer {token}")


def ceremony_body(handle):
    return json.dumps({"challenge_id": handle, "user_id": USER, "key_id": "key-bench-1",
                       "signature": "MEUCIQDx3C0oYmVuY2htYXJrIHNpZ25hdHVyZSBvZiB1c3VhbCBsZW5ndGg="
                                    "AiBiZW5jaG1hcmsgc2lnbmF0dXJlIHNlY29uZA=="})


class Bench:
    """Makes subjects; their processes live on the ExitStack. `ceremonies` is an upstream of its own: it signs
    anew now and then, which costs everybody else their connections."""

    def __init__(self, stack, directory, build, core, identity, ceremonies):
        self.stack = stack
        self.directory = directory
        self.build = build
        self.core = core
        self.identity = identity
        self.ceremonies = ceremonies
        self.token = identity.user_token()

    def _child(self, label, argv, env=None):
        return self.stack.enter_context(processes.Child(label, argv, self.core, self._home(label), env))

    def _home(self, label):
        home = self.directory / label.replace(" ", "-")
        home.mkdir(exist_ok=True)
        return home

    # ---- what others cost

    def upstream(self, label, transport):
        request = start_request("/cis/v1/auth/mobile-biometrics/start")
        request.authorization = f"Bearer {self.identity.client_token}"
        return Subject(label, transport, self.identity.port(transport), request, tls=transport == "tls",
                       connections=(1,))

    def nginx(self, label, transport):
        home, port = self._home(f"{label} {transport}"), processes.free_port()
        tls = (f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.identity.ca_file}; "
               "proxy_ssl_name 127.0.0.1; proxy_ssl_session_reuse on;") if transport == "tls" else ""
        config = processes.template("nginx.conf", home, dir=home, port=port, tls=tls,
                                    token=self.identity.client_token, upstream=self.identity.port(transport),
                                    scheme=self.identity.url(transport).partition(":")[0])
        child = self._child(f"{label} {transport}", ["nginx", "-p", home, "-c", config])
        child.wait_until(lambda: processes.answers_on(port) and machine.family(child.pid)[1:], "worker")
        return Subject(label, transport, port, start_request(), child)

    def _haproxy(self, label, transport, request, upstream_path, rules):
        home, port = self._home(f"{label} {transport}"), processes.free_port()
        tls = f"ssl verify required ca-file {self.identity.ca_file}" if transport == "tls" else ""
        config = processes.template("haproxy.cfg", home, port=port, tls=tls, rules="\n    ".join(rules),
                                    path=request.path, upstream_path=upstream_path,
                                    upstream=self.identity.port(transport))
        child = self._child(f"{label} {transport}", ["haproxy", "-db", "-f", config])
        child.wait_until(lambda: processes.answers_on(port), "listening socket")
        return Subject(label, transport, port, request, child)

    def haproxy(self, label, transport):
        return self._haproxy(label, transport, start_request(), "/cis/v1/auth/mobile-biometrics/start",
                             [f'http-request set-header Authorization "Bearer {self.identity.client_token}"'])

    def haproxy_register(self, label, transport):
        rules = [
            "http-request set-var(txn.bearer) http_auth_bearer",
            "http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')",
            "http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')",
            "http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')",
            "http-request set-var(txn.now) date()",
            "http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }",
            f"http-request deny deny_status 401 unless {{ var(txn.iss) -m str {ISSUER} }}",
            "http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"
            f'"{self.identity.public_key_file()}") 1 }}',
            "http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }",
        ]
        return self._haproxy(label, transport, register_request(self.token, 200, "{}"),
                             "/cis/v1/auth/mobile-biometrics/register", rules)

    def floor(self, label, transport):
        url = f"{self.identity.url(transport)}/cis/v1/auth/mobile-biometrics/start"
        argv = [self.build / "bench" / "floor", url, self.identity.client_token]
        argv += [self.identity.ca_file] if transport == "tls" else []
        child = self._child(f"{label} {transport}", argv)
        ready = child.wait_until(lambda: next((line for line in child.lines if line.startswith("ready ")), None),
                                 "ready line")
        return Subject(label, transport, int(ready.split()[1]), start_request(), child)

    # ---- the service

    def _service(self, label, transport, identity, extra=()):
        settings = {**SERVICE_SETTINGS, **identity.settings(transport), **dict(extra)}
        child = self._child(f"{label} {transport}", [self.build / "src" / "biometrics-bff", "serve"], settings)
        child.wait_until(lambda: _event(child, "service.ready"), "service.ready")
        return child, _event(child, "listener.ready", listener="public")["server.port"]

    def start(self, label, transport, extra=()):
        """`extra`: settings beside the usual ones."""
        child, port = self._service(label, transport, self.identity, extra)
        return Subject(label, transport, port, start_request(), child)

    def authenticate(self, label, transport):
        child, port = self._service(label, transport, self.ceremonies)
        return Subject(label, transport, port, authenticate_request(), child, upstream=self.ceremonies)

    def _bearer(self, label, transport, request, remembered):
        """With and without the memory of verified tokens, where the service has one."""
        extra = {TOKEN_MEMORY: "10000" if remembered else "0"} if self.has_token_memory() else {}
        child, port = self._service(label, transport, self.identity, extra)
        return Subject(label, transport, port, request, child)

    def register(self, label, transport):
        return self._bearer(label, transport, register_request(self.token, 201, '"key_id":"'), False)

    def register_remembered(self, label, transport):
        return self._bearer(label, transport, register_request(self.token, 201, '"key_id":"'), True)

    def session(self, label, transport):
        return self._bearer(label, transport, session_request(self.token), False)

    def session_remembered(self, label, transport):
        return self._bearer(label, transport, session_request(self.token), True)

    def has_token_memory(self):
        binary = self.build / "src" / "biometrics-bff"
        usage = subprocess.run([binary, "serve", "--help"], capture_output=True, text=True, check=False,
                               stdin=subprocess.DEVNULL)
        return TOKEN_MEMORY in usage.stdout


def _event(child, action, **members):
    """The first log line of that kind among the first lines, or None."""
    for line in child.lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("event.action") == action and all(record.get(k) == v for k, v in members.items()):
            return record
    return None


BOTH = ("plain", "tls")
PLAIN = ("plain",)
# (label, how it is made, transports to the upstream, needs the memory of verified tokens)
CATALOGUE = (
    ("upstream", Bench.upstream, BOTH, False),
    ("nginx", Bench.nginx, BOTH, False),
    ("haproxy", Bench.haproxy, BOTH, False),
    ("floor", Bench.floor, BOTH, False),
    ("ours start", Bench.start, BOTH, False),
    ("ours authenticate", Bench.authenticate, PLAIN, False),
    ("haproxy register", Bench.haproxy_register, PLAIN, False),
    ("ours register", Bench.register, PLAIN, False),
    ("ours register, remembered", Bench.register_remembered, PLAIN, True),
    ("ours session", Bench.session, PLAIN, False),
    ("ours session, remembered", Bench.session_remembered, PLAIN, True),
)


def make(bench, only):
    """The subjects whose label (with transport) the expression finds, started."""
    remembers = bench.has_token_memory()
    return [maker(bench, label, transport) for label, maker, transports, memory in CATALOGUE
            for transport in transports if only.search(f"{label} {transport}") and (remembers or not memory)]
