# SPDX-License-Identifier: Apache-2.0
"""openapi/biometrics-bff.yaml as something that an answer can be held against."""
import json
import pathlib
import re

import jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "openapi" / "biometrics-bff.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


class Operation:
    """One method of one path, with references resolved."""

    def __init__(self, method, path, item):
        self.method = method.upper()
        self.path = path
        self.name = item["operationId"]
        self.item = item
        self.is_operator = item.get("tags") == ["operator"]
        self.needs_bearer = bool(item.get("security"))

    def request_examples(self):
        """{name: body}; one of None where the operation takes no body."""
        content = self.item.get("requestBody", {}).get("content", {}).get("application/json", {})
        examples = {name: example["value"] for name, example in content.get("examples", {}).items()}
        return examples or {"no body": None}

    def request_schema(self):
        return self.item["requestBody"]["content"]["application/json"]["schema"]

    def responses(self):
        return {int(status): response for status, response in self.item["responses"].items()}

    def error_examples(self):
        """(status, code) of each error that the operation may answer with."""
        return [(status, example["value"]["code"]) for status, response in self.responses().items()
                for example in response.get("content", {}).get("application/problem+json", {})
                .get("examples", {}).values()]

    def matches(self, method, path):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.path))
        return method == self.method and re.fullmatch(pattern, path.split("?")[0]) is not None

    def flaws(self, status, headers, body):
        """What is wrong with an answer; headers is a mapping with names in lower case, body bytes."""
        response = self.responses().get(status)
        if response is None:
            return [f"{self.name}: status {status} is not described"]
        found = [f"{self.name} {status}: {flaw}" for flaw in _header_flaws(response, headers)]
        content = response.get("content")
        if not content:
            return found + ([f"{self.name} {status}: a body where there is none"] if body else [])
        media_type = headers.get("content-type", "").split(";")[0].strip()
        if media_type not in content:
            return found + [f"{self.name} {status}: content type {media_type!r}"]
        value = json.loads(body) if media_type.endswith("json") else body.decode()
        found += [f"{self.name} {status}: {flaw}" for flaw in schema_flaws(content[media_type]["schema"], value)]
        if media_type == "application/problem+json":
            found += self._problem_flaws(status, headers, value)
        return found

    def _problem_flaws(self, status, headers, problem):
        if (status, problem.get("code")) not in self.error_examples():
            yield f"{self.name} {status}: the code {problem.get('code')} is not described"
        if problem.get("status") != status:
            yield f"{self.name} {status}: the document says {problem.get('status')}"
        if problem.get("request_id") != headers.get("x-request-id"):
            yield f"{self.name} {status}: request_id is not X-Request-Id"


def schema_flaws(schema, value):
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(value)]


def _header_flaws(response, headers):
    for name, header in response.get("headers", {}).items():
        value = headers.get(name.lower())
        if value is None:
            yield f"{name} is missing"
        else:
            yield from (f"{name}: {flaw}" for flaw in schema_flaws(header["schema"], value))


def _resolved(document, node):
    if isinstance(node, list):
        return [_resolved(document, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return {key: _resolved(document, value) for key, value in node.items()}


def load(path=DOCUMENT):
    """All operations, in the order of the document."""
    document = yaml.safe_load(path.read_text())
    return [Operation(method, path, _resolved(document, item[method]))
            for path, item in document["paths"].items() for method in METHODS if method in item]


def find(operations, method, path):
    return next((operation for operation in operations if operation.matches(method, path)), None)
