# SPDX-License-Identifier: Apache-2.0
"""openapi/biometrics-bff.yaml is valid by the pinned linter, and agrees with the error table, with the
route tables and, by docs/resilience.md, with the resilience table in the code."""
import os
import pathlib
import re
import shutil
import subprocess

import yaml

DOCUMENT = "openapi/biometrics-bff.yaml"
ERROR_ROW = re.compile(r'X\(\s*ERR_\w+,\s*(\d+),\s*"(\w+)",\s*"([^"]+)",\s*RETRY_(\w+),')
RESILIENCE_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (\d+) \| `(\w+)` \| `(\w+)` \|$", re.MULTILINE)
# The vendor's call behind each operation that makes one.
CALLS = {"startBiometrics": "start", "authenticateBiometrics": "authenticate", "registerBiometrics": "register",
         "deleteBiometricsKey": "delete", "revokeFace": "face_revoke_me", "operatorRevokeFace": "face_revoke",
         "refreshSession": "refresh", "logoutSession": "logout"}
ROUTE_ROW = re.compile(r'HTTP_(\w+),\s*(?:\.path\s*=\s*)?"(/[^"]*)"')
# On the management listener: for machines that know their own formats, not for apps.
NOT_IN_DOCUMENT = {"/livez", "/readyz", "/startupz", "/metrics", "/version"}


def check(root):
    document = yaml.safe_load((root / DOCUMENT).read_text())
    yield from check_errors(document, (root / "src/base/error.h").read_text())
    routes = "".join(path.read_text() for path in sorted((root / "src/api").glob("*.c")))
    yield from check_routes(document, routes)
    yield from check_resilience(document, (root / "docs/resilience.md").read_text())
    yield from run_linter(root)


def check_errors(document, header):
    """Each row of the error table has its example and is listed by some operation's answer."""
    rows = {code: (int(status), title, retry.lower())
            for status, code, title, retry in ERROR_ROW.findall(re.sub(r"\\\n\s*", " ", header))}
    examples = {name.removeprefix("problem_"): example["value"]
                for name, example in document["components"]["examples"].items()}
    for code in sorted(rows.keys() ^ examples.keys()):
        yield f"{DOCUMENT}: {code}: {'no example' if code in rows else 'not in the error table'}"
    for code in sorted(rows.keys() & examples.keys()):
        said = (examples[code]["status"], examples[code]["title"], examples[code]["retry"])
        if said != rows[code] or examples[code]["code"] != code:
            yield f"{DOCUMENT}: the example of {code} says {said}, the error table {rows[code]}"
    listed = set(re.findall(r"#/components/examples/problem_(\w+)", str(document["components"]["responses"])))
    yield from (f"{DOCUMENT}: no answer lists {code}" for code in sorted(rows.keys() - listed))


def check_routes(document, sources):
    in_code = {(method.lower(), path) for method, path in ROUTE_ROW.findall(sources)
               if path not in NOT_IN_DOCUMENT}
    in_document = {(method, path) for path, item in document["paths"].items() for method in item
                   if method in ("get", "post", "put", "patch", "delete")}
    for method, path in sorted(in_code ^ in_document):
        where = "not in the route tables" if (method, path) in in_document else "not documented"
        yield f"{DOCUMENT}: {method.upper()} {path}: {where}"


def check_resilience(document, page):
    """x-resilience of each operation is the section of its call, and no other operation has any."""
    sections = dict(part.split("\n", 1) for part in re.split(r"^### ", page, flags=re.MULTILINE)[1:])
    wanted = {call: {kind: {"action": action, "status": int(status), "code": code, "retry": retry}
                     for kind, action, status, code, retry in RESILIENCE_ROW.findall(section)}
              for call, section in sections.items()}
    for call in sorted(wanted.keys() ^ set(CALLS.values())):
        yield f"docs/resilience.md: {call}: {'not' if call in CALLS.values() else 'no operation for what is'} there"
    for item in document["paths"].values():
        for operation in item.values():
            name = operation.get("operationId")
            if operation.get("x-resilience") != wanted.get(CALLS.get(name)):
                yield f"{DOCUMENT}: x-resilience of {name} is not what docs/resilience.md says"


def run_linter(root):
    """The linter is installed once, from the lock file, into the cache."""
    cache = pathlib.Path(os.environ.get("BFF_CACHE_DIR", root / ".cache")) / "openapi-lint"
    source = root / "tests/lint/openapi"
    lock = (source / "package-lock.json").read_text()
    if not (cache / "installed").exists() or (cache / "installed").read_text() != lock:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "redocly.yaml"):
            shutil.copy(source / name, cache / name)
        done = subprocess.run(["npm", "ci", "--no-progress"], cwd=cache, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            yield f"npm ci for the OpenAPI linter failed: {(done.stdout + done.stderr).strip()[-500:]}"
            return
        (cache / "installed").write_text(lock)
    env = dict(os.environ, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true", NO_COLOR="1")
    done = subprocess.run(["node", str(cache / "node_modules/@redocly/cli/bin/cli.js"), "lint", "--format=json",
                           "--config", str(source / "redocly.yaml"), str(root / DOCUMENT)],
                          env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        yield f"{DOCUMENT}: {(done.stdout + done.stderr).strip()[:2000]}"
