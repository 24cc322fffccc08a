# SPDX-License-Identifier: Apache-2.0
"""The pod that the chart describes, as a process: its arguments, its environment, its files, with the emulator for
the vendor and ports of the kernel's choice. What the kubelet and Prometheus would ask is asked, a mounted Secret is
exchanged as the kubelet does it, and the end takes no longer than the grace period."""
import os
import re
import time

from deploy import rendered_config
from deploy.context import demand
from harness.emulator import Emulator
from harness.http import Client
from harness.process import Process
from harness.stopping import stop_all
from harness.waiting import until


class MountedSecret:
    """A folder as the kubelet mounts a Secret: files are links through `..data`, which is exchanged at once."""

    def __init__(self, folder, values):
        self.folder = folder
        self.folder.mkdir()
        self.generation = 0
        self.write(values)
        for name in values:
            (folder / name).symlink_to(f"..data/{name}")

    def write(self, values):
        self.generation += 1
        fresh = self.folder / f"..{self.generation}"
        fresh.mkdir()
        for name, value in values.items():
            (fresh / name).write_text(value)
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        os.replace(link, self.folder / "..data")


class Pod(Process):
    def __init__(self, context, directory, objects, secret):
        template = rendered_config.deployment_of(objects)["spec"]["template"]["spec"]
        self.container = template["containers"][0]
        self.grace_s = template["terminationGracePeriodSeconds"]
        text = rendered_config.text_of(objects).replace(rendered_config.SECRETS_AT, str(secret.folder))
        config = directory / "bff.conf"
        config.write_text(re.sub(r"^(BFF_\w*LISTEN)=.*$", r"\1=127.0.0.1:0", text, flags=re.M))
        env = {each["name"]: each["value"] for each in self.container.get("env", ())}
        super().__init__([context.binary, *self.container["args"]], directory, env={**env, "BFF_CONFIG": str(config)})
        self.wait_record(lambda record: record.get("event.action") == "service.ready", "service.ready")

    def client(self, listener):
        ready = self.wait_record(lambda record: record.get("event.action") == "listener.ready"
                                 and record.get("listener") == listener, f"the {listener} listener")
        return Client(ready["server.address"], ready["server.port"])

    def events(self, action):
        return [record for record in self.records() if record.get("event.action") == action]


def value_arguments(emulator):
    """What --set has to say for the service to reach the emulator."""
    config = {key: value for key, value in emulator.config().items() if key != "BFF_CLIENT_SECRET"}
    config.pop("BFF_UPSTREAM_CA_FILE", None)
    pairs = [f"config.{key}={value}" for key, value in config.items()]
    return ["--set", ",".join([*pairs, "drain.delaySeconds=1", "drain.timeoutSeconds=2", "config.BFF_REGION="])]


def ask_all(pod, objects):
    """Every path that Kubernetes or Prometheus is told to ask."""
    paths = [pod.container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    paths += [endpoint["path"] for each in objects if each["kind"] == "ServiceMonitor"
              for endpoint in each["spec"]["endpoints"]]
    statuses = {path: pod.client("management").get(path).status for path in paths}
    demand(f"{path}: {status}" for path, status in statuses.items() if status != 200)
    status = pod.client("public").post("/v1/biometrics/start", {"user_id": "u-1"}).status
    demand([f"start: {status}"] if status != 200 else ())
    return statuses


def demand_rotation(pod, secret, values):
    """A Secret that changes is taken up, without a signal; one that is broken is refused, and it goes on."""
    challenge = {"user_id": "u-1"}
    secret.write({**values, "seal-keys": "not a key\n"})
    until(lambda: len(pod.events("config.reload")) == 1, "the broken Secret was seen")
    secret.write({**values, "seal-keys": rendered_config.content("BFF_SEAL_KEYS_FILE", None)})
    until(lambda: len(pod.events("config.reload")) == 2, "the new Secret was seen")
    outcomes = [event.get("event.outcome") for event in pod.events("config.reload")]
    demand([f"reloads: {outcomes}"] if outcomes != ["failure", "success"] else ())
    status = pod.client("public").post("/v1/biometrics/start", challenge).status
    demand([f"start after the rotation: {status}"] if status != 200 else ())


def check(context, render):
    where = context.scratch / "pod"
    where.mkdir()
    made = []
    try:
        emulator = Emulator(where, tls=False)
        made.append(emulator)
        objects = render("--values", context.deploy / "helm/biometrics-bff/ci/minimal-values.yaml", "--set",
                         "metrics.serviceMonitor.enabled=true", *value_arguments(emulator))
        values = {"client-secret": emulator.client_secret,
                  "seal-keys": rendered_config.content("BFF_SEAL_KEYS_FILE", None)}
        secret = MountedSecret(where / "secret", values)
        pod = Pod(context, where, objects, secret)
        made.append(pod)
        statuses = ask_all(pod, objects)
        demand_rotation(pod, secret, values)
        begin = time.monotonic()
        pod.stop()
        demand([f"the end took {time.monotonic() - begin:.1f} s"] if time.monotonic() - begin > pod.grace_s else ())
    finally:
        stop_all(reversed(made))
    return f"{', '.join(statuses)} answer 200; a Secret is rotated; ended within the grace period of {pod.grace_s} s"
