# SPDX-License-Identifier: Apache-2.0
"""The examples of nginx and haproxy: read by the program itself, and then in front of three replicas and the
emulator, with the very files of deploy/. The apps have another loopback address than the proxy, so that the log
tells who was taken for whom."""
import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading

from deploy.context import demand
from harness.emulator import Emulator
from harness.listening import Listener, free_port
from harness.stopping import stop_all
from harness.tls import Authority
from harness.waiting import until
from stress.replicas import Haproxy, Replica, SealKeys

REPLICAS = 3
APP_ADDRESS, PROXY_ADDRESS, SPOOFED = "127.0.0.2", "127.0.0.1", "203.0.113.9"
APPS = 6
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
# The file of deploy/ belongs into the http block of one like this.
NGINX_MAIN = """
{user}
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {site};
}}
"""


def nginx_configuration(context, directory, port, upstreams):
    """The example with addresses and certificates of here; the main file."""
    text = (context.deploy / "nginx" / "biometrics-bff.conf").read_text()
    certificate, key = Authority(directory).issue(PROXY_ADDRESS)
    for number, address in enumerate(upstreams, 1):
        text = text.replace(f"server bff-{number}:8080", f"server {address}")
    text = text.replace("listen 443 ssl", f"listen {PROXY_ADDRESS}:{port} ssl")
    text = re.sub(r"ssl_certificate_key [^;]+", f"ssl_certificate_key {key}", text)
    text = re.sub(r"ssl_certificate [^;]+", f"ssl_certificate {certificate}", text)
    site, main = directory / "site.conf", directory / "nginx.conf"
    site.write_text(text)
    main.write_text(NGINX_MAIN.format(directory=directory, site=site, user="user root;" if os.geteuid() == 0 else ""))
    return main


class Nginx(Listener):
    tls = True

    def __init__(self, context, directory, replicas):
        addresses = [f"127.0.0.1:{replica.port}" for replica in replicas]
        self.listen(directory, lambda port: [NGINX, "-p", directory, "-c",
                                             nginx_configuration(context, directory, port, addresses)])


def nginx_syntax(context):
    where = context.scratch / "nginx-syntax"
    where.mkdir()
    main = nginx_configuration(context, where, free_port(), [f"127.0.0.1:{free_port()}" for _ in range(REPLICAS)])
    done = subprocess.run([NGINX, "-t", "-p", where, "-c", main], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    lines = done.stderr.splitlines()
    # nginx 1.25 and later says of `listen ... http2` what the example says of it.
    demand([] if done.returncode == 0 else lines)
    demand(line for line in lines if "[warn]" in line and "http2" not in line)
    return lines[-1].removeprefix("nginx: ").replace(str(where), "...")


def haproxy_syntax(context):
    names = {f"REPLICA_{number}": f"127.0.0.1:{8080 + number}" for number in range(1, REPLICAS + 1)}
    done = subprocess.run(["haproxy", "-c", "-f", context.deploy / "haproxy" / "haproxy.cfg"], text=True, timeout=60,
                          env={**os.environ, **names}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    demand([] if done.returncode == 0 and "WARNING" not in done.stdout else done.stdout.splitlines())
    return done.stdout.strip()


@contextlib.contextmanager
def scene(context, name, make_proxy):
    """(proxy, replicas), all of it ended afterwards and held to a clean end."""
    where = context.scratch / name
    where.mkdir()
    made = []
    try:
        vendor = Emulator(where)
        made.append(vendor)
        settings = {**vendor.config(), "BFF_SEAL_KEYS_FILE": SealKeys(where).path, "BFF_TRUSTED_PROXIES": PROXY_ADDRESS,
                    "BFF_WORKERS": 1, "BFF_DRAIN_DELAY_S": 4, "BFF_RATE_PER_USER": 0, "BFF_UPSTREAM_MAX_PER_SECOND": 0}
        replicas = []
        for number in range(1, REPLICAS + 1):
            replicas.append(Replica(where, number, vendor, settings))
            made.append(replicas[-1])
        proxy = make_proxy(where, replicas)
        made.append(proxy)
        yield proxy, replicas
    finally:
        stop_all(reversed(made))


class App:
    """An app with a connection that it keeps as long as the proxy does."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.connection = None

    def _connect(self):
        options = {"source_address": (APP_ADDRESS, 0), "timeout": 60}
        if not getattr(self.proxy, "tls", False):
            return http.client.HTTPConnection(PROXY_ADDRESS, self.proxy.port, **options)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(PROXY_ADDRESS, self.proxy.port, context=context, **options)

    def start(self):
        """(status, document) of one `start`, with a claim of an address that is not the app's."""
        if self.connection is None:
            self.connection = self._connect()
        self.connection.request("POST", "/v1/biometrics/start", json.dumps({"user_id": "u-1"}),
                                {"Content-Type": "application/json", "X-Forwarded-For": SPOOFED,
                                 "X-Request-Id": "claimed-by-the-app"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.getheader("Connection") == "close":
            self.close()
        return answer.status, json.loads(body)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def access_lines(replicas):
    return [line for replica in replicas for service in replica.services() for line in service.events("http.request")
            if line.get("listener") == "public" and line.get("url.path") == "/v1/biometrics/start"]


def demand_one_request(proxy, replicas):
    """It is answered, and the log knows the app by its address and the request by the proxy's id."""
    app = App(proxy)
    status, document = app.start()
    app.close()
    demand([f"{status}: {document}"] if status != 200 or "challenge_id" not in document else ())
    line = until(lambda: access_lines(replicas), "the access line")[0]
    demand([f"taken for {line['client.ip']}, not {APP_ADDRESS}"] if line["client.ip"] != APP_ADDRESS else ())
    demand(["the app chose the id"] if line["http.request.id"] == "claimed-by-the-app" else ())


class Crowd:
    """Apps that ask without a pause until they are told to stop; what went wrong is remembered."""

    def __init__(self, proxy):
        self.answers = 0
        self.wrong = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(App(proxy),)) for _ in range(APPS)]
        for thread in self._threads:
            thread.start()

    def _run(self, app):
        while not self._over.is_set():
            try:
                status, document = app.start()
                problem = None if status == 200 else f"{status}: {document}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                app.close()
            with self._lock:
                self.answers += 1
                if problem:
                    self.wrong.append(problem)
        app.close()

    def wait_more(self, count):
        goal = self.answers + count
        until(lambda: self.answers >= goal or self.wrong, f"{count} further answers")

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()


def demand_drain_without_loss(proxy, replicas):
    """Each replica in turn gets SIGTERM under load, ends with 0 and comes back."""
    crowd = Crowd(proxy)
    try:
        for replica in replicas:
            crowd.wait_more(100)
            replica.restart()
            if hasattr(proxy, "wait_up"):
                proxy.wait_up(replica)
        crowd.wait_more(100)
    finally:
        crowd.stop()
    demand(crowd.wrong[:10])
    return crowd.answers


def check(context, name, make_proxy):
    with scene(context, name, make_proxy) as (proxy, replicas):
        demand_one_request(proxy, replicas)
        answers = demand_drain_without_loss(proxy, replicas)
    return f"the app's address and our id in the log; {answers} requests during {REPLICAS} restarts, none failed"


def nginx(context):
    def make(where, replicas):
        directory = where / "nginx"
        directory.mkdir()
        return Nginx(context, directory, replicas)

    return check(context, "nginx", make)


def haproxy(context):
    return check(context, "haproxy", lambda where, replicas: Haproxy(where, replicas, CHECK_INTERVAL="500ms",
                                                                       CONNECTIONS="500"))
