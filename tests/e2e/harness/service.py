# SPDX-License-Identifier: Apache-2.0
"""The service: the process, its listeners, its log lines, its metrics."""
import re

from . import canaries, events, image, loop_lag
from .http import Client
from .paths import SERVICE
from .process import Process
from .waiting import until

_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

DEFAULTS = {
    "BFF_LISTEN": "127.0.0.1:0",
    "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0",
    "BFF_WORKERS": "2",
    "BFF_LOG_FORMAT": "json",
    "BFF_DRAIN_DELAY_S": "0",
    "BFF_DRAIN_TIMEOUT_S": "5",
}


class Service(Process):
    """Started with the upstream's settings, then `config` on top (None removes a setting). wrap: makes of
    the command another one that ends in it, e.g. Cgroup.wrap."""

    def __init__(self, directory, upstream=None, config=None, arguments=(), wait_ready=True,
                 name="biometrics-bff", wrap=None, pass_fds=()):
        settings = {**DEFAULTS, **(upstream.config() if upstream else {}), **(config or {})}
        self.settings = {key: str(value) for key, value in settings.items() if value is not None}
        self.answered = []  # ceremonies that its clients saw succeed; see events.check_audit
        image.hand_over(self.settings)
        argv = [SERVICE, *arguments]
        super().__init__(wrap(argv) if wrap else argv, directory, env=self.settings, name=name,
                         pass_fds=pass_fds)
        if wait_ready:
            self.wait_event("service.ready")
            canaries.check_process(self.pid, self.settings)

    def stop(self, timeout_s=20.0):
        loop_lag.look(self)
        super().stop(timeout_s)

    def assert_clean(self, status, expected=0):
        super().assert_clean(status, expected)
        canaries.check_text(self.output, self.settings, "the log")
        if self.settings["BFF_LOG_FORMAT"] == "json":
            talkative = self.settings.get("BFF_LOG_LEVEL", "info") in ("debug", "info")
            events.check(self.lines, self.answered, talkative)

    # ---- log ----

    def wait_event(self, action, timeout_s=15.0, **members):
        """The first log line with this event.action and these members ("a_b" stands for "a.b")."""
        wanted = {name.replace("_", "."): value for name, value in members.items()}
        return self.wait_record(
            lambda record: record.get("event.action") == action
            and all(record.get(name) == value for name, value in wanted.items()),
            f"event.action {action} {wanted or ''}", timeout_s)

    def events(self, action):
        return [record for record in self.records() if record.get("event.action") == action]

    def access_line(self, request_id):
        """The access line of the request with this id."""
        return self.wait_record(
            lambda record: record.get("event.action") == "http.request"
            and record.get("http.request.id") == request_id, f"http.request.id {request_id}")

    # ---- listeners ----

    def address(self, listener):
        ready = self.wait_event("listener.ready", listener=listener)
        return ready["server.address"], ready["server.port"]

    def _client(self, listener, options):
        return Client(*self.address(listener), on_answer=self._check_answer, **options)

    def _check_answer(self, answer, method, path):
        canaries.check_answer(answer, self.settings)
        if 200 <= answer.status < 300 and events.is_audited(method, path):
            self.answered.append((method, path, answer.headers["X-Request-Id"]))

    def client(self, **options):
        return self._client("public", options)

    def management(self, **options):
        return self._client("management", options)

    def operator(self, **options):
        return self._client("operator", options)

    def raw(self):
        return self.client().raw()

    # ---- metrics ----

    def metrics(self, **options):
        """[(name, labels, value)] of one scrape."""
        answer = self.management(**options).get("/metrics")
        assert answer.status == 200, answer
        series = []
        for line in answer.body.decode().splitlines():
            match = _SERIES.match(line)
            if match:
                labels = dict(_LABEL.findall(match.group(2) or ""))
                series.append((match.group(1), labels, float(match.group(3))))
        return series

    def metric(self, name, **labels):
        """Sum of the series of this name that carry these labels; 0 when there are none."""
        return sum(value for found, have, value in self.metrics()
                   if found == name and labels.items() <= have.items())

    def wait_idle(self):
        """Nothing is left over: no call to the vendor, no request but the scrape that asks."""
        until(lambda: self.metric("http_client_active_requests") == 0, "no call to the vendor is left")
        until(lambda: self.metric("http_server_active_requests") == 1, "only the scrape is active")

    def wait_metric(self, minimum, name, **labels):
        until(lambda: self.metric(name, **labels) >= minimum, f"{name} {labels} >= {minimum}")
