# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of the configuration and the service agree: what the schema refuses the service refuses,
and, as far as a schema can say it, the other way round. A value is tried in every key at once, for the
service names each key that it refuses."""
import json
import re

import jsonschema
import pytest

from harness.command import run

SCHEMA = json.loads(run("docs", "config-schema").out)
VALIDATOR = jsonschema.Draft202012Validator
KEYS = sorted(set(SCHEMA["properties"]) - {"BFF_CONFIG"})
NUMBERS = [key for key in KEYS if "minimum" in SCHEMA["properties"][key]]
# Whether a file can be read, a URL or an address is one in every detail, or an entry is there twice, a schema cannot say.
MORE_IS_KNOWN = {key for key in KEYS
                 if key.endswith(("_URL", "_LISTEN", "_FILE")) or key in ("BFF_ISSUERS", "BFF_TRUSTED_PROXIES")}
# Complaints about what several keys say together, or about what a version does not have.
OF_SEVERAL_KEYS = ("BFF_ALLOW_INSECURE_UPSTREAM=true", "at least twice", "does not support", "tls_client_auth needs", "needs it",
                   "is set as well", "memory", "it is for")

GOOD = {"BFF_UPSTREAM_URL": "https://127.0.0.1:9", "BFF_ISSUERS": "https://issuer.test", "BFF_CLIENT_ID": "client-1",
        "BFF_CLIENT_SECRET": "a-secret"}

POOL = ["", " ", "x", "0", "1", "-1", "+1", "1.5", "0x10", "007", "1e3", "999999999999999", "9999999999999999", "true",
        "TRUE", "Yes", "oN", "maybe", "info", "INFO", "loud", "json", "text", "us", "moon", "required", "optional",
        "RS256", "RS256,ES384", "RS256, PS512", "HS256", "RS256,", "RS256,,ES256", "none", "client_secret_post",
        "private_key_jwt", "client_secret", "30/min", "0/s", "1000000/h", "1/d", "/s", "1/", "a,b", "a, b", ",", "a,,b",
        "a b", " a", "a\tb", "a\x01b", "a\x7fb", "a\u0085b", "\u00e4\u00f6", "https://h.test", "https://h.test/",
        "https://h.test/path", "https://u@h.test", "https://h.test?q", "ftp://h.test", "http://h.test", "HTTPS://h.test",
        "127.0.0.1:0", "[::1]:80", "localhost", "h:123456", "x" * 255, "x" * 256, "x" * 4097, "x" * 9000]


def refused_by_schema(key, value):
    return bool(list(VALIDATOR(SCHEMA["properties"][key]).iter_errors(value)))


def refused_by_service(values):
    """{key: complaint} of those that are refused for their own sake."""
    env = {key: value for key, value in values.items() if not key.endswith("SECRET_FILE")}
    done = run("print-config", env=env)
    complaints = {}
    for line in done.lines:
        match = re.match(r"(BFF_\w+): value (.*)", line)
        if match and not any(word in line for word in OF_SEVERAL_KEYS):
            complaints[match[1]] = line
    return complaints


def disagreements(values):
    """Of values that are texts as the environment has them."""
    complaints = refused_by_service({key: str(value) for key, value in values.items()})
    for key, value in values.items():
        if key.endswith(("SECRET_FILE", "_LISTEN")):
            continue
        by_schema = refused_by_schema(key, value)
        if by_schema and key not in complaints:
            yield f"{key}={value!r}: the schema alone refuses it"
        if key in complaints and not by_schema and key not in MORE_IS_KNOWN and not says_more(key, value):
            yield f"{key}={value!r}: the service alone refuses it: {complaints[key]}"


def says_more(key, value):
    """A number in a text, and repeated entries: no pattern says how much is too much, or what is there twice."""
    entries = [entry.strip() for entry in str(value).split(",")]
    rate = "/(s|min|h)" in SCHEMA["properties"][key].get("pattern", "")
    return (key in NUMBERS and isinstance(value, str)) or rate or len(entries) != len(set(entries))


def test_it_is_a_schema():
    VALIDATOR.check_schema(SCHEMA)
    for key in KEYS:
        assert {"description", "x-reload"} <= set(SCHEMA["properties"][key])


@pytest.mark.parametrize("value", POOL, ids=lambda value: repr(value[:20]))
def test_a_text_is_refused_by_both_or_by_none(value):
    assert list(disagreements(dict.fromkeys(KEYS, value))) == []


@pytest.mark.parametrize("value, good", [("127.0.0.1:80", True), ("[::1]:0", True), ("localhost:1", True), ("", False),
                                         ("h", False), (":80", False), ("127.0.0.1:", False), ("h:123456", False)])
def test_addresses_that_the_schema_refuses_are_refused(value, good):
    assert refused_by_schema("BFF_LISTEN", value) != good
    assert (run("check", env={**GOOD, "BFF_LISTEN": value}).status == 0) == good


@pytest.mark.parametrize("which", ["minimum", "maximum"])
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_numbers_have_the_same_bounds(which, beside):
    values = {key: SCHEMA["properties"][key][which] + beside for key in NUMBERS}
    assert list(disagreements(values)) == []
    outside = (which, beside) in (("minimum", -1), ("maximum", 1))
    assert all(refused_by_schema(key, value) == outside for key, value in values.items()
               if SCHEMA["properties"][key]["minimum"] != SCHEMA["properties"][key]["maximum"])


def test_defaults_are_good_by_the_schema():
    for key in KEYS:
        if "default" in SCHEMA["properties"][key]:
            assert not refused_by_schema(key, SCHEMA["properties"][key]["default"]), key


@pytest.mark.parametrize("change", [
    {}, {"BFF_CLIENT_ID": None}, {"BFF_UPSTREAM_URL": None}, {"BFF_UPSTREAM_URL": None, "BFF_REGION": "eu"},
    {"BFF_CLIENT_SECRET": None}, {"BFF_CLIENT_SECRET": None, "BFF_CLIENT_AUTH": "client_secret_basic"},
    {"BFF_CLIENT_AUTH": "private_key_jwt"}, {"BFF_CLIENT_AUTH": "tls_client_auth"}, {"BFF_ADMIN_CLIENT_SECRET": "x"}, {"BFF_OPERATOR_LISTEN": "127.0.0.1:0"},
    {"BFF_OPERATOR_LISTEN": ""}, {"BFF_TYPO": "x"}, {"BFF_SERVICE_HOST": "10.0.0.1"}, {"BFF_PORT_80_TCP": "x"},
    {"BFF_SERVICE_PORT_HTTP": "80"}, {"BFF_SERVICE_HOSTS": "x"}, {"BFF_LOG_FORMAT": ""}, {"BFF_WORKERS": ""},
    {"BFF_CLIENT_SECRET_FILE": "/dev/null"}], ids=str)
def test_rules_over_several_keys_are_the_same(change):
    values = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    by_schema = [error.message for error in VALIDATOR(SCHEMA).iter_errors(values)]
    done = run("check", env=values)
    assert bool(by_schema) == (done.status == 78), (by_schema, done)
