# SPDX-License-Identifier: Apache-2.0
"""The configuration that a rendered chart mounts, given to the service's own commands: the ConfigMap's file as it
is, but for the directory of the secrets, which are made here."""
import base64
import hashlib
import json
import os
import re
import secrets
import subprocess

from deploy.context import demand

SECRETS_AT = "/run/secrets/biometrics-bff"


def make_rsa_key():
    return subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                          check=True, capture_output=True, text=True, timeout=60).stdout


def make_certificate(folder):
    path = folder / "made.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.devnull, "-subj", "/CN=made",
                    "-days", "2", "-out", path], check=True, capture_output=True, timeout=60)
    return path.read_text()


def content(key, folder):
    """What the file that a key names may hold."""
    if key == "BFF_SEAL_KEYS_FILE":
        return base64.b64encode(secrets.token_bytes(32)).decode() + "\n"
    if key == "BFF_OPERATOR_KEYS_FILE":
        return f"ops:{hashlib.sha256(secrets.token_bytes(32)).hexdigest()}\n"
    if key == "BFF_CLIENT_KEY_FILE":
        return make_rsa_key()
    if key in ("BFF_CLIENT_CERT_FILE", "BFF_UPSTREAM_CA_FILE"):
        return make_certificate(folder)
    return secrets.token_urlsafe(24)


def deployment_of(objects):
    return next(each for each in objects if each["kind"] == "Deployment")


def text_of(objects):
    """The configuration's file as the ConfigMap has it."""
    return next(each["data"]["bff.conf"] for each in objects if "bff.conf" in each.get("data", {}))


def laid_out(context, name, objects):
    """(path of the configuration's file, environment) as the container would have them."""
    folder = context.scratch / f"config-{name}"
    folder.mkdir(exist_ok=True)
    pod = deployment_of(objects)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    text = text_of(objects)
    for key, path in re.findall(rf"^(BFF_\w+)={SECRETS_AT}/(\S+)$", text, re.M):
        (folder / path).write_text(content(key, folder))
        (folder / path).chmod(0o600)
    config = folder / "bff.conf"
    config.write_text(text.replace(SECRETS_AT, str(folder)))
    env = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
    return config, {**env, "BFF_CONFIG": str(config)}, container["args"]


def demand_valid(context, name, objects):
    config, env, args = laid_out(context, name, objects)
    known = set(re.findall(r"^\| `(BFF_\w+)` \|", subprocess.run(
        [context.binary, "docs", "config"], capture_output=True, text=True, check=True, timeout=60).stdout, re.M))
    keys = set(re.findall(r"^(\w+)=", config.read_text(), re.M))
    demand(f"{name}: {key} is no key of the service" for key in sorted(keys - known))
    done = subprocess.run([context.binary, "check", *args[1:]], env=env, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    demand((done.stdout + done.stderr).splitlines() if done.returncode else ())


def audit_findings(context, name, objects):
    """{rule} of the findings of medium severity and above."""
    _, env, args = laid_out(context, name, objects)
    done = subprocess.run([context.binary, "audit", "--json", "--fail-on", "never", *args[1:]], env=env, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    done.check_returncode()
    return {each["rule"] for each in json.loads(done.stdout)["findings"] if each["severity"] != "low"}
