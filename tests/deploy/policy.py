# SPDX-License-Identifier: Apache-2.0
"""What no schema says of the chart's objects: each pod is confined, and what refers to something by name, label,
port or path refers to something that is there."""
import dataclasses
import re

CONFINEMENT = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
# The management listener's paths; src/api/ops.c has the routes.
PROBES = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
JOB = "biometrics-bff"  # what deploy/prometheus and deploy/grafana select by
LABELS = ["name", "instance", "version", "component", "part-of", "managed-by"]
VENDOR_LIMIT = 333


@dataclasses.dataclass
class Findings:
    lines: list = dataclasses.field(default_factory=list)
    checks: int = 0

    def expect(self, what, good):
        self.checks += 1
        if not good:
            self.lines.append(what)


def findings(objects, egress_ports):
    """egress_ports: where the pods may call, besides DNS."""
    found = Findings()
    by_kind = {}
    for each in objects:
        by_kind.setdefault(each["kind"], []).append(each)
    deployment = by_kind["Deployment"][0]
    template = deployment["spec"]["template"]
    pods = {"Deployment": template, **{f"Pod {each['metadata']['name']}": each for each in by_kind.get("Pod", ())}}
    for name, pod in pods.items():
        confinement(found, name, pod["spec"])
    probes(found, template["spec"])
    labels(found, objects)
    selectors(found, by_kind, template)
    services(found, by_kind, template["spec"]["containers"][0])
    mounts(found, by_kind, template["spec"])
    drain(found, config_of(by_kind), template["spec"])
    same_surroundings(found, by_kind, template["spec"])
    replicas(found, by_kind, config_of(by_kind))
    network(found, by_kind, config_of(by_kind))
    egress(found, by_kind["NetworkPolicy"][0]["spec"]["egress"], egress_ports)
    hooks(found, by_kind)
    return found


def config_of(by_kind):
    text = next(each["data"]["bff.conf"] for each in by_kind["ConfigMap"] if "bff.conf" in each["data"])
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def confinement(found, name, spec):
    found.expect(f"{name}: service links", spec.get("enableServiceLinks") is False)
    found.expect(f"{name}: a token of the service account", spec.get("automountServiceAccountToken") is False)
    found.expect(f"{name}: host namespaces", not any(spec.get(f"host{each}") for each in ("Network", "PID", "IPC")))
    context = spec["securityContext"]
    found.expect(f"{name}: may be root", context.get("runAsNonRoot") is True and context.get("runAsUser") == 65532)
    found.expect(f"{name}: seccomp", context.get("seccompProfile") == {"type": "RuntimeDefault"})
    for container in spec["containers"] + spec.get("initContainers", []):
        where = f"{name}/{container['name']}"
        for key, value in CONFINEMENT.items():
            found.expect(f"{where}: {key}", container["securityContext"].get(key) == value)
        found.expect(f"{where}: privileged", not container["securityContext"].get("privileged"))
        found.expect(f"{where}: no memory limit", "memory" in container["resources"].get("limits", {}))
        secrets = [each["name"] for each in container.get("env", ()) if "SECRET" in each["name"] or "valueFrom" in each]
        found.expect(f"{where}: a secret in the environment: {secrets}", not secrets)
    for volume in spec["volumes"]:
        found.expect(f"{name}: volume {volume['name']} of the host", "hostPath" not in volume)


def probes(found, spec):
    container = spec["containers"][0]
    ports = {each["name"] for each in container["ports"]}
    for probe, path in PROBES.items():
        asked = container[probe].get("httpGet", {})
        found.expect(f"{probe} asks {asked.get('path')}", asked.get("path") == path)
        found.expect(f"{probe}: no port {asked.get('port')}", asked.get("port") in ports)


def labels(found, objects):
    for each in objects:
        has = each["metadata"].get("labels", {})
        if has.get("app.kubernetes.io/managed-by") != "Helm":
            continue # one of extraObjects
        missing = [label for label in LABELS if f"app.kubernetes.io/{label}" not in has]
        name = f"{each['kind']} {each['metadata']['name']}"
        found.expect(f"{name}: without {missing}", not missing and "helm.sh/chart" in has)
        found.expect(f"{name}: namespace", each["metadata"].get("namespace") == "identity")


def selects(selector, labelled):
    has = labelled["metadata"].get("labels", {})
    return all(has.get(key) == value for key, value in selector.items())


def selectors(found, by_kind, template):
    """Whatever selects the service's pods selects them, and the Services do not select the test."""
    owners = by_kind["Deployment"] + by_kind.get("PodDisruptionBudget", [])
    for each in owners:
        found.expect(f"{each['kind']} selects no pod", selects(each["spec"]["selector"]["matchLabels"], template))
    for each in template["spec"].get("topologySpreadConstraints", ()):
        found.expect(f"spread over {each['topologyKey']} selects no pod",
                     selects(each["labelSelector"]["matchLabels"], template))
    for each in by_kind["Service"]:
        found.expect(f"Service {each['metadata']['name']} selects no pod", selects(each["spec"]["selector"], template))
        for pod in by_kind.get("Pod", ()):
            found.expect(f"Service {each['metadata']['name']} selects the test", not selects(each["spec"]["selector"], pod))
    for each in by_kind.get("ServiceMonitor", ()):
        chosen = [s for s in by_kind["Service"] if selects(each["spec"]["selector"]["matchLabels"], s)]
        found.expect("ServiceMonitor: not exactly one Service", len(chosen) == 1)
        jobs = {service["metadata"]["labels"].get(each["spec"]["jobLabel"]) for service in chosen}
        found.expect(f"ServiceMonitor: the jobs {jobs}", jobs == {JOB})
        ports = {port["name"] for service in chosen for port in service["spec"]["ports"]}
        for endpoint in each["spec"]["endpoints"]:
            found.expect(f"ServiceMonitor: no port {endpoint['port']}", endpoint["port"] in ports)
            found.expect("ServiceMonitor: path", endpoint["path"] == "/metrics")
    for each in by_kind.get("HorizontalPodAutoscaler", ()):
        target = each["spec"]["scaleTargetRef"]
        found.expect("autoscaler: no such Deployment", target["name"] == by_kind["Deployment"][0]["metadata"]["name"])
        found.expect("autoscaler: replicas are set, too", "replicas" not in by_kind["Deployment"][0]["spec"])


def services(found, by_kind, container):
    """Ports lead from the edge to the listener: Ingress and route, Service, container, configuration."""
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    config = config_of(by_kind)
    listeners = {"http": "BFF_LISTEN", "management": "BFF_MANAGEMENT_LISTEN", "operator": "BFF_OPERATOR_LISTEN"}
    for name, port in ports.items():
        found.expect(f"port {name}: the service listens elsewhere", config.get(listeners[name], "").endswith(f":{port}"))
    found.expect("a listener without a port", {k for k, v in listeners.items() if v in config} == set(ports))
    named = {each["metadata"]["name"]: each["spec"]["ports"] for each in by_kind["Service"]}
    for name, own in named.items():
        for port in own:
            found.expect(f"Service {name}: no port {port['targetPort']}", port["targetPort"] in ports)
    for name, own in named.items():
        if any(port["targetPort"] != "http" for port in own):
            found.expect(f"Service {name} is open to the outside", by_name(by_kind, name)["spec"]["type"] == "ClusterIP")
    for path in (p for i in by_kind.get("Ingress", ()) for rule in i["spec"]["rules"] for p in rule["http"]["paths"]):
        backend = path["backend"]["service"]
        found.expect(f"Ingress: {backend}", backend["port"]["name"] in {p["name"] for p in named.get(backend["name"], ())}
                     and backend["port"]["name"] == "http")
    for backend in (b for r in by_kind.get("HTTPRoute", ()) for rule in r["spec"]["rules"] for b in rule["backendRefs"]):
        found.expect(f"HTTPRoute: {backend}", backend["port"] in {p["port"] for p in named.get(backend["name"], ())})


def by_name(by_kind, name):
    return next(each for each in by_kind["Service"] if each["metadata"]["name"] == name)


def mounts(found, by_kind, spec):
    container = spec["containers"][0]
    volumes = {each["name"]: each for each in spec["volumes"]}
    found.expect("an empty Secret, which mounts all of it", "secrets" not in volumes or volumes["secrets"]["secret"]["items"])
    for mount in container["volumeMounts"]:
        found.expect(f"mount {mount['name']}: no such volume", mount["name"] in volumes)
        # The kubelet renews mounted files, but not those that are mounted one by one.
        found.expect(f"mount {mount['name']}: one file", "subPath" not in mount)
    config = volumes["config"]["configMap"]["name"]
    found.expect("no such ConfigMap", config in {each["metadata"]["name"] for each in by_kind["ConfigMap"]})
    secret = volumes.get("secrets", {}).get("secret", {"defaultMode": 0o440, "items": []})
    found.expect("secrets can be read by others", secret["defaultMode"] == 0o440)
    paths = {each["path"] for each in secret["items"]}
    at = next((each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets"), "none")
    named = {value.removeprefix(f"{at}/") for value in config_of(by_kind).values() if value.startswith(f"{at}/")}
    found.expect(f"files that are mounted: {paths}, and named: {named}", paths == named)


def same_surroundings(found, by_kind, spec):
    """The test runs where, as whom and with what the service does."""
    own = {"containers", "terminationGracePeriodSeconds", "topologySpreadConstraints", "restartPolicy", "affinity"}
    ours = spec["containers"][0]
    for pod in (each["spec"] for each in by_kind.get("Pod", ())):
        for key in sorted((set(spec) | set(pod)) - own):
            found.expect(f"the test has another {key}", pod.get(key) == spec.get(key))
        found.expect("the test runs on other nodes",
                     pod.get("affinity", {}).get("nodeAffinity") == spec.get("affinity", {}).get("nodeAffinity"))
        theirs = pod["containers"][0]
        for key in ("image", "env", "envFrom", "volumeMounts", "resources", "securityContext"):
            found.expect(f"the test has another {key}", theirs.get(key) == ours.get(key))
        found.expect("the test has other arguments", theirs["args"] == ["doctor", *ours["args"][1:]])


def drain(found, config, spec):
    container = spec["containers"][0]
    env = {each["name"]: each.get("value") for each in container["env"]}
    # In the file that all pods share they would reach pods with the grace period of before.
    found.expect("the drain is not the pod's own", {"BFF_DRAIN_DELAY_S", "BFF_DRAIN_TIMEOUT_S"} <= set(env) - set(config))
    effective = {**config, **env}
    delay = int(effective["BFF_DRAIN_DELAY_S"])
    needed = delay + int(effective["BFF_DRAIN_TIMEOUT_S"])
    found.expect("killed before the drain is over", needed < spec["terminationGracePeriodSeconds"] <= needed + 10)
    found.expect("a preStop hook", "lifecycle" not in container)
    readiness = container["readinessProbe"]
    # Endpoints are told of the end at once; this is for whoever asks /readyz instead.
    noticed = readiness.get("periodSeconds", 10) * readiness.get("failureThreshold", 3)
    found.expect(f"readiness is noticed after {noticed} s only",
                 delay == 0 or noticed < delay)


def replicas(found, by_kind, config):
    scaler = by_kind.get("HorizontalPodAutoscaler")
    most = scaler[0]["spec"]["maxReplicas"] if scaler else by_kind["Deployment"][0]["spec"]["replicas"]
    share = int(config["BFF_UPSTREAM_MAX_PER_SECOND"])
    found.expect(f"{most} replicas with {share} calls a second each", 0 < share * most <= VENDOR_LIMIT)
    found.expect("several replicas without sealing keys", most == 1 or "BFF_SEAL_KEYS_FILE" in config)
    found.expect("no budget for disruptions", most == 1 or "PodDisruptionBudget" in by_kind)
    found.expect("as many workers as the node has CPUs", int(config["BFF_WORKERS"]) > 0 or
                 "cpu" in by_kind["Deployment"][0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"])


def network(found, by_kind, config):
    policy = by_kind["NetworkPolicy"][0]["spec"]
    found.expect("network: a direction is open", set(policy["policyTypes"]) == {"Ingress", "Egress"})
    for pod in [by_kind["Deployment"][0]["spec"]["template"], *by_kind.get("Pod", ())]:
        found.expect("network: a pod without policy", selects(policy["podSelector"]["matchLabels"], pod))
    names = {each["name"] for each in by_kind["Deployment"][0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
    for rule in policy["ingress"]:
        for port in rule["ports"]:
            found.expect(f"network: no port {port['port']}", port["port"] in names)
            found.expect(f"network: {port['port']} is open to everybody", port["port"] == "http" or rule.get("from"))
    found.expect("network: the operators' port is missing",
                 "BFF_OPERATOR_LISTEN" not in config or re.search("operator", str(policy["ingress"])) is not None)


def egress(found, rules, allowed):
    dns = {port["protocol"] for rule in rules for port in rule.get("ports", ()) if port["port"] == 53}
    found.expect("network: no DNS", dns == {"UDP", "TCP"})
    for rule in rules:
        ports = {port["port"] for port in rule.get("ports", ())}
        found.expect("network: all ports outwards", ports)
        found.expect(f"network: ports {ports} outwards", ports <= {53, *allowed} and "endPort" not in str(rule))
        found.expect(f"network: {ports} everywhere", rule.get("to") or ports == {53})
    metadata = [block for rule in rules for to in rule.get("to", ()) for block in [to.get("ipBlock", {})]
                if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", ())]
    found.expect("network: the cloud's metadata can be reached", not metadata)


def hooks(found, by_kind):
    """`helm test --logs` reads the logs when the hooks are over: the pod must still be there."""
    for each in by_kind.get("Pod", ()):
        policy = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        found.expect(f"Pod {each['metadata']['name']}: deleted when {policy}", policy == "before-hook-creation")
