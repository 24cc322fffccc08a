# SPDX-License-Identifier: Apache-2.0
"""Replicas of the service that share their sealing keys, and haproxy before them with the configuration
that deploy/haproxy documents. A replica keeps its ports over restarts."""
import base64
import os
import secrets
import shutil
import signal
import socket

from harness.paths import ROOT
from harness.listening import Listener
from harness.service import Service
from harness.waiting import until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"


class Replica:
    """`lines` of its configuration file may be changed and taken up by reload()."""

    def __init__(self, directory, number, vendor, settings):
        self.directory = directory / f"replica-{number}"
        self.directory.mkdir()
        self.name = f"bff-{number}"
        self.vendor = vendor
        self.settings = settings
        self.file = self.directory / "settings"
        self.starts = 0
        self.service = None
        self.past = []  # services that ended
        self.configure({})
        self.start()
        self.addresses = {"BFF_LISTEN": self.service.address("public"),
                          "BFF_MANAGEMENT_LISTEN": self.service.address("management")}
        self.settings = {**settings, **{key: f"{host}:{port}" for key, (host, port) in self.addresses.items()}}

    @property
    def port(self):
        return self.addresses["BFF_LISTEN"][1]

    def configure(self, values):
        """Replaces the configuration file, at once and whole."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        os.replace(fresh, self.file)

    def start(self):
        self.starts += 1
        directory = self.directory / str(self.starts)
        directory.mkdir()
        service = Service(directory, self.vendor, self.settings, ["--config", self.file], wait_ready=False, name=self.name)
        try:
            service.wait_event("service.ready")
        except BaseException:
            service.kill()
            raise
        self.service = service

    def reload(self):
        self.service.signal(signal.SIGHUP)

    def reloads(self, result):
        return self.service.metric("bff_config_reload_total", result=result)

    def restart(self):
        """As an orchestrator does: SIGTERM, exit status 0, start, ready."""
        self.service.stop(timeout_s=60)
        self.past.append(self.service)
        self.start()

    def stop(self):
        self.service.stop()

    def services(self):
        """Every process that it was."""
        return [*self.past, self.service]


class SealKeys:
    """The file of keys that replicas share: the first seals, all open."""

    def __init__(self, directory):
        self.path = directory / "seal-keys"
        self.keys = [_seal_key()]
        self._write()

    def _write(self):
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(f"{key}\n" for key in self.keys))
        os.replace(fresh, self.path)

    def add(self):
        """First every replica must be able to open what the new key sealed ..."""
        self.keys.append(_seal_key())
        self._write()

    def promote(self):
        """... then it may seal."""
        self.keys.insert(0, self.keys.pop())
        self._write()


def _seal_key():
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Haproxy(Listener):
    """In the foreground, so that it ends with its pid. `settings` go to the variables of the configuration."""

    def __init__(self, directory, replicas, **settings):
        self.directory = directory / "haproxy"
        self.directory.mkdir()
        self.stats = self.directory / "stats"
        variables = {f"REPLICA_{number}": f"127.0.0.1:{replica.port}" for number, replica in enumerate(replicas, 1)}
        variables.update(settings, STATS_SOCKET=str(self.stats))
        self.listen(self.directory, lambda port: [HAPROXY, "-db", "-f", CONFIGURATION],
                    env=lambda port: {**variables, "APP_BIND": f"127.0.0.1:{port}"}, listens=self.stats.exists)
        for replica in replicas:
            self.wait_up(replica)

    @property
    def address(self):
        return "127.0.0.1", self.port

    def servers(self):
        """{name: {field: text}} of its statistics."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.stats))
            s.sendall(b"show stat\n")
            text = b""
            while piece := s.recv(65536):
                text += piece
        names, *rows = [line.split(",") for line in text.decode().strip().lstrip("# ").split("\n")]
        return {row[1]: dict(zip(names, row)) for row in rows if row[0] == "replicas"}

    def wait_up(self, replica):
        until(lambda: self.servers()[replica.name]["status"] == "UP", f"haproxy says that {replica.name} is up")

    def stop(self, timeout_s=20.0):
        if self.child.poll() is None:
            self.signal(signal.SIGUSR1)  # its own way to end well
        self.assert_clean(self.wait(timeout_s))
