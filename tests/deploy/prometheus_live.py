# SPDX-License-Identifier: Apache-2.0
"""Every query of the rules and of the dashboard, asked of a real Prometheus that scraped three services
through load and faults: none is an error, empty or without a number, and the alerts that the faults are
for fire. What differs from a deployment: the scrape interval and the rules' interval are half a second, every
window is WINDOW and nothing has to last (`for`). An alert is asked with its comparisons as `bool`, so
that it answers whether or not it would fire."""
import json
import math
import re
import signal
import threading
import urllib.error
import urllib.parse
import urllib.request

import yaml

from deploy import dashboard, prometheus
from deploy.context import demand
from harness.background import InBackground
from harness.device import Phone
from harness.emulator import Emulator
from harness.process import Process
from harness.service import Service
from harness.stopping import stop_all
from harness.waiting import until

INTERVAL, WINDOW = "500ms", "15s"
MUST_FIRE = {"BffErrorBudgetBurnsFast", "BffVendorFailsRequests", "BffVendorRefusesClient", "BffNoToken", "BffNoKeys", "BffVendorTokensUnverified", "BffBreakerOpen",
             "BffReloadRefused", "BffConfigurationsDiffer", "BffTargetDown"}

# ---- queries


def shortened(query):
    """The same over WINDOW instead of its own windows."""
    return re.sub(r"\[(?:\d+[smhd]|\$__rate_interval)\]", f"[{WINDOW}]", query).replace("$instance", ".*")


def answering(query):
    """A query that answers with the comparison instead of filtering by it."""
    parts = re.split(r'("(?:[^"\\]|\\.)*"|\{[^{}]*\})', query)
    parts[::2] = [re.sub(r"(>=|<=|==|!=|>|<)", r"\1 bool", part) for part in parts[::2]]
    return re.sub(r"\babsent\(", "(", "".join(parts))


def queries(root):
    """(what it is for, PromQL) of everything that is to answer."""
    for rule in prometheus.rules(root):
        yield rule.get("alert") or rule["record"], answering(shortened(rule["expr"]))
    for name, query in dashboard.queries(root):
        yield name, answering(shortened(query))


# ---- Prometheus


class Prometheus(Process):
    def __init__(self, directory, root, targets):
        (directory / "rules").mkdir(parents=True)
        for path in (root / "deploy" / "prometheus" / "rules").glob("*.yml"):
            (directory / "rules" / path.name).write_text(hurried(path.read_text()))
        config = yaml.safe_load((root / "deploy" / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL}
        config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        super().__init__(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                          "--web.listen-address=127.0.0.1:0"], directory)
        said = until(lambda: re.search(r'msg="Listening on" address=(\S+)', self.stderr), "Prometheus listens")
        self._url = f"http://{said.group(1)}/api/v1/"
        until(lambda: "Server is ready" in self.stderr, "Prometheus is ready")

    def get(self, path, **query):
        url = self._url + path + "?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def ask(self, query):
        """The values of an instant query; the error as a text."""
        try:
            result = self.get("query", query=query)["result"]
        except urllib.error.HTTPError as error:
            return json.load(error)["error"]
        return [float(each["value"][1]) for each in result]

    def fired(self):
        """The names of the alerts that fired at any time."""
        return {each["metric"]["alertname"]
                for each in self.get("query", query='max_over_time(ALERTS{alertstate="firing"}[1h])')["result"]}

    def annotations(self):
        for group in self.get("rules", type="alert")["groups"]:
            for rule in group["rules"]:
                for alert in rule["alerts"]:
                    yield rule["name"], " ".join(alert["annotations"].values())


def hurried(text):
    document = yaml.safe_load(text)
    for group in document["groups"]:
        group["interval"] = INTERVAL
        for rule in group["rules"]:
            rule["expr"] = shortened(rule["expr"])
            rule.pop("for", None)
    return yaml.safe_dump(document)


# ---- load and faults


class Stage:
    """An emulator, two services that differ in one number, one that never got a token or a key, and phones."""

    def __init__(self, directory):
        self.directory = directory
        self._running = []
        self.emulator = self._keep(Emulator(self._folder("emulator")))
        self.settings = directory / "settings"
        self.settings.write_text("BFF_LOCKOUT_FAILURES=2\n")
        self.busy = self._service("busy", arguments=("--config", self.settings), BFF_UPSTREAM_BREAKER_FAILURES=5,
                                  BFF_UPSTREAM_URL=self.emulator.url.replace("127.0.0.1", "localhost"), BFF_TOKEN_URL=f"{self.emulator.url}/oidc/token")
        self.blind = self._service("blind", wait_ready=False, BFF_CLIENT_SECRET="not-the-secret",
                                   BFF_JWKS_URL=f"{self.emulator.url}/nowhere/jwks")
        self.blind.wait_event("token.fetch_failed")
        self.emulator.fault("token", delay_ms=1500)
        self.other = self._service("other", wait_ready=False, BFF_REQUEST_TIMEOUT_MS=9000)
        self.waiting = InBackground(lambda: Phone(self.other, self.emulator).start())

    def _folder(self, name):
        folder = self.directory / name
        folder.mkdir()
        return folder

    def _keep(self, process):
        self._running.append(process)
        return process

    def _service(self, name, arguments=(), wait_ready=True, **config):
        return self._keep(Service(self._folder(name), self.emulator, config, arguments, wait_ready))

    def watch(self, root):
        targets = ["{}:{}".format(*service.address("management")) for service in (self.busy, self.other, self.blind)]
        self.prometheus = self._keep(Prometheus(self._folder("prometheus"), root, targets))
        return self.prometheus

    def phone(self, service=None):
        return Phone(service or self.busy, self.emulator)

    def stop(self):
        stop_all(reversed(self._running))


def whole_stories(stage):
    """Each operation once, on each service."""
    for service in (stage.busy, stage.other):
        phone = stage.phone(service).enroll()
        phone.login()
        phone.whoami()
        phone.whoami()
        phone.refresh()
        phone.delete_key()
        phone.logout()


def callers_misbehave(stage):
    phone = stage.phone().enroll()
    started = phone.started()
    for _ in range(2):  # the second time the handle is used
        phone.authenticate(started)
    for _ in range(4):  # wrong signatures, then locked
        phone.authenticate(phone.start().json, signature="AAAA")
    while phone.start().status != 429:
        pass
    for _ in range(3):
        phone.api.get("/v1/session", token="a.b.c")


def vendor_fails_once(stage):
    """An increase needs two samples of a series, and one of a histogram begins with its first event."""
    for status in (403, 503):
        stage.emulator.fault("start", status=status)
        stage.phone().start()
    failures = 'sum(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}) >= 2'
    until(lambda: stage.prometheus.ask(failures),
          "both failures are scraped")


def vendor_misbehaves(stage):
    phone = stage.phone().enroll()
    stage.emulator.fault("start", status=403, next=15)
    for _ in range(15):
        stage.phone().start()
    stage.emulator.fault("start", status=429)
    stage.phone().start()
    stage.emulator.fault("authenticate", tokens="wrong_key")
    phone.authenticate(phone.started())
    stage.emulator.fault("start", status=503, next=1000)

    def broken():
        stage.phone().start()
        return stage.busy.metric("bff_upstream_breaker_transitions_total", to="open") > 0

    until(broken, "the breaker opens")
    stage.emulator.clear_faults()


def reloads(stage):
    stage.settings.write_text("BFF_LOCKOUT_FAILURES=3\n")
    stage.busy.signal(signal.SIGHUP)
    stage.busy.wait_metric(1, "bff_config_reload_total", result="ok")
    stage.settings.write_text("BFF_LOCKOUT_FAILURES=many\n")
    stage.busy.signal(signal.SIGHUP)
    stage.busy.wait_metric(1, "bff_config_reload_total", result="refused")


class Calm:
    """A phone that goes on while queries are asked, so that no rate is of nothing."""

    def __init__(self, stage):
        self._stage = stage
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(0.05):
            phone = self._stage.phone(self._stage.other).enroll()
            phone.login()
            phone.api.get("/v1/session", token="a.b.c")

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


# ---- verdicts


def unanswered(server, root):
    for name, query in queries(root):
        values = server.ask(query)
        if isinstance(values, str):
            yield f"{name}: {values}: {query}"
        elif not values:
            yield f"{name}: empty: {query}"
        elif all(math.isnan(value) for value in values):
            yield f"{name}: not a number: {query}"


def answer_all(server, root):
    """Waits until every query answers: rules need two samples of what they ask for."""
    left = []

    def none_left():
        left[:] = unanswered(server, root)
        return not left

    try:
        until(none_left, "every query answers", 8)
    except AssertionError:
        demand(left)


def check(context):
    directory = context.scratch / "prometheus"
    directory.mkdir()
    stage = Stage(directory)
    try:
        stage.other.wait_event("service.ready")
        stage.waiting.answer()
        server = stage.watch(context.root)
        until(lambda: server.ask("sum(up)") == [3.0], "all services are scraped")
        for act in (whole_stories, callers_misbehave, vendor_fails_once, vendor_misbehaves, reloads):
            act(stage)
        with Calm(stage):
            answer_all(server, context.root)
        stage.other.stop()
        until(lambda: "BffTargetDown" in server.fired(), "the replica that was stopped is down")
        demand(f"{name} has not fired" for name in sorted(MUST_FIRE - server.fired()))
        demand(f"{name}: {text}" for name, text in server.annotations() if "<error" in text or "no value" in text)
        return f"{len(list(queries(context.root)))} queries; fired: {', '.join(sorted(server.fired()))}"
    finally:
        stage.stop()
