# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects against Kubernetes' own schemas. There is no API server here to ask; the packages of
kubernetes-models are made from the OpenAPI document of a release and from the CRDs of the operators, and hold for
each type a compiled validator (required fields, types, values, patterns) and a TypeScript type, with which the
compiler finds fields that do not exist."""
import json
import pathlib
import re
import subprocess

from deploy.context import demand

SCHEMAS = ("kubernetes-models@5.1.0", "@kubernetes-models/prometheus-operator@6.0.0",
           "@kubernetes-models/gateway-api@2.0.0", "typescript@7.0.2")
HERE = pathlib.Path(__file__).resolve().parent


def findings(context, name, objects):
    """A line for each thing that is wrong with these objects."""
    modules = context.npm(*SCHEMAS)
    source, types = (context.scratch / f"{name}.{suffix}" for suffix in ("json", "ts"))
    source.write_text(json.dumps(objects))
    done = subprocess.run(["node", HERE / "kubernetes_objects.mjs", modules, source, types], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=120)
    yield from (done.stdout + done.stderr).splitlines()
    yield from unknown_fields(modules, types)


def unknown_fields(modules, types):
    done = subprocess.run([modules / ".bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
                           "--module", "nodenext", types], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=300)
    for line in (done.stdout + done.stderr).splitlines():
        if "error TS" in line:
            where = re.match(r"\S+\((\d+),", line)
            text = types.read_text().splitlines()[int(where.group(1)) - 1] if where else ""
            yield f"{text.rpartition('/* ')[2].removesuffix(' */')}: {line.partition(': ')[2]}"


def controls(deployment):
    """{name: what is wrong with it, object}: if one of them passes, the check is worth nothing."""
    def changed(number, change):
        copy = json.loads(json.dumps(deployment))
        copy["metadata"]["name"] = f"control-{number}"
        change(copy["spec"], copy["spec"]["template"]["spec"]["containers"][0])
        return copy

    changes = {
        "a field that does not exist": lambda spec, c: c.update(livenesProbe={}),
        "a text for a number": lambda spec, c: spec.update(revisionHistoryLimit="three"),
        "a required field that is gone": lambda spec, c: c.pop("name"),
        "a field at the wrong level": lambda spec, c: c["securityContext"].update(fsGroup=65532),
        "a number for a text": lambda spec, c: c.update(imagePullPolicy=7),
    }
    return {what: changed(number, change) for number, (what, change) in enumerate(changes.items())}


def demand_valid(context, objects):
    """All objects are valid, and what is made wrong here is found; how many controls there were."""
    wrong = controls(next(each for each in objects if each["kind"] == "Deployment"))
    lines = list(findings(context, "objects", [*objects, *wrong.values()]))
    demand(line for line in lines if "Deployment control-" not in line)
    demand(f"the control passed: {what}" for what, each in wrong.items()
           if not any(f"Deployment {each['metadata']['name']}:" in line for line in lines))
    return len(wrong)
