# SPDX-License-Identifier: Apache-2.0
"""What is measured: each subject is a process of its own with one request that it answers."""
import dataclasses
import http.client
import json

from . import machine, processes
from .upstream import USER

START_BODIES = 1000
JSON_TYPE = {"Content-Type": "application/json"}


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
        headers = dict(JSON_TYPE) if self.bodies else {}
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
    ceremonies: bool = False  # each request needs a handle of its own
    pids: list = None

    def __post_init__(self):
        if self.child:
            self.pids = machine.family(self.child.pid)

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


def ceremony_body(handle):
    return json.dumps({"challenge_id": handle, "user_id": USER, "key_id": "key-bench-1",
                       "signature": "MEUCIQDx3C0oYmVuY2htYXJrIHNpZ25hdHVyZSBvZiB1c3VhbCBsZW5ndGg="
                                    "AiBiZW5jaG1hcmsgc2lnbmF0dXJlIHNlY29uZA=="})


class Bench:
    """Makes subjects; their processes live on the ExitStack."""

    def __init__(self, stack, directory, build, upstream, core):
        self.stack = stack
        self.directory = directory
        self.build = build
        self.upstream = upstream
        self.core = core

    def _child(self, label, argv, env=None):
        home = self._home(label)
        return self.stack.enter_context(processes.Child(label, argv, self.core, home, env))

    def _home(self, label):
        home = self.directory / label.replace(" ", "-")
        home.mkdir(exist_ok=True)
        return home

    # ---- what others cost

    def direct(self, transport):
        request = start_request("/cis/v1/auth/mobile-biometrics/start")
        request.authorization = "Bearer client-token"
        return Subject("upstream", transport, self.upstream.port(transport), request, tls=transport == "tls",
                       connections=(1,))

    def nginx(self, transport):
        home, port = self._home(f"nginx {transport}"), processes.free_port()
        tls = (f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.upstream.ca_file}; "
               "proxy_ssl_name 127.0.0.1; proxy_ssl_session_reuse on;") if transport == "tls" else ""
        config = processes.template("nginx.conf", home, dir=home, port=port, tls=tls,
                                    upstream=self.upstream.port(transport),
                                    scheme=self.upstream.url(transport).partition(":")[0])
        child = self._child(f"nginx {transport}", ["nginx", "-p", home, "-c", config])
        child.wait_until(lambda: processes.answers_on(port) and machine.family(child.pid)[1:], "worker")
        return Subject("nginx", transport, port, start_request(), child)

    def floor(self, transport):
        url = f"{self.upstream.url(transport)}/cis/v1/auth/mobile-biometrics/start"
        argv = [self.build / "bench" / "floor", url]
        argv += [self.upstream.ca_file] if transport == "tls" else []
        child = self._child(f"floor {transport}", argv)
        ready = child.wait_until(lambda: next((line for line in child.lines if line.startswith("ready ")), None),
                                 "ready line")
        return Subject("floor", transport, int(ready.split()[1]), start_request(), child)

    # ---- the service

    def _service(self, label, transport, extra):
        settings = {
            "BFF_LISTEN": "127.0.0.1:0", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0", "BFF_WORKERS": "1",
            "BFF_LOG_LEVEL": "info", "BFF_LOG_FORMAT": "json", "BFF_DRAIN_DELAY_S": "0", "BFF_DRAIN_TIMEOUT_S": "0",
            "BFF_UPSTREAM_MAX_PER_SECOND": "0", "BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0",
            "BFF_USED_CHALLENGES_MAX": "2000000", **self.upstream.settings(transport), **extra,
        }
        child = self._child(label, [self.build / "src" / "biometrics-bff", "serve"], settings)
        child.wait_until(lambda: _event(child, "service.ready"), "service.ready")
        return child, _event(child, "listener.ready", listener="public")["server.port"]

    def start(self, transport):
        child, port = self._service(f"ours start {transport}", transport, {})
        return Subject("ours start", transport, port, start_request(), child)


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
