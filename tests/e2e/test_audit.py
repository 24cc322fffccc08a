# SPDX-License-Identifier: Apache-2.0
"""audit: each rule finds what it is for, and a configuration of production quality triggers none."""
import base64
import json
import os
import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.command import run
from harness.jose import rsa_private_key
from harness.tls import Authority, ClientAuthority

DEFAULT = None  # the key is not set


def write(path, text, mode=0o600):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def certificate_pem(authority, key):
    return authority.certificate(key=key)[0].public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("audit")
    key, small_key = rsa.generate_private_key(65537, 3072), rsa_private_key("audit")
    clients = ClientAuthority(directory, "audit-clients")
    return {
        "key": write(directory / "key.pem", pem(key)),
        "small key": write(directory / "small.pem", pem(small_key)),
        "certificate": write(directory / "client.crt", certificate_pem(clients, key)),
        "small certificate": write(directory / "small.crt", certificate_pem(clients, small_key)),
        "seal": write(directory / "seal", base64.b64encode(os.urandom(32)) + b"\n"),
        "open seal": write(directory / "seal-open", base64.b64encode(os.urandom(32)) + b"\n", 0o644),
        "writable seal": write(directory / "seal-writable", base64.b64encode(os.urandom(32)) + b"\n", 0o620),
        "operators": write(directory / "operators", f"ops:{'0' * 64}\n"),
        "secret": write(directory / "secret", "s" * 40 + "\n"),
        "short secret": write(directory / "secret-short", "s" * 31 + "\n"),
        "ca": Authority(directory, "audit-ca").ca_file,
        "configuration": write(directory / "bff.conf", "BFF_CLIENT_SECRET=" + "s" * 40 + "\n", 0o644),
    }


@pytest.fixture
def production(files):
    """What an operator should aim at."""
    files["ca"].chmod(0o600)
    return {
        "BFF_LISTEN": "0.0.0.0:8080", "BFF_MANAGEMENT_LISTEN": "10.0.0.7:9464",
        "BFF_OPERATOR_LISTEN": "10.0.0.7:8081", "BFF_OPERATOR_KEYS_FILE": files["operators"],
        "BFF_UPSTREAM_URL": "https://127.0.0.1:9", "BFF_ISSUERS": "https://issuer.test",
        "BFF_UPSTREAM_CA_FILE": files["ca"], "BFF_TENANT_ID": "tenant-1", "BFF_CLIENT_ID": "client-1",
        "BFF_CLIENT_AUTH": "private_key_jwt", "BFF_CLIENT_KEY_FILE": files["key"],
        "BFF_CLIENT_KEY_ID": "key-1", "BFF_ACCESS_TOKEN_AUDIENCES": "https://api.bank.test",
        "BFF_SEAL_KEYS_FILE": files["seal"], "BFF_TRUSTED_PROXIES": "10.0.0.0/16",
        "BFF_UPSTREAM_MAX_PER_SECOND": "111",
    }


def findings(done):
    return {line.split()[1]: line.split()[0] for line in done.out.splitlines()[:-1]}


def test_a_configuration_of_production_quality_triggers_nothing(production):
    done = run("audit", "--fail-on", "low", env=production)
    assert done.status == 0, done
    assert done.out == "0 critical, 0 high, 0 medium, 0 low; audit: passed\n"


SECRET = {"BFF_CLIENT_AUTH": "client_secret_post", "BFF_CLIENT_KEY_FILE": DEFAULT, "BFF_CLIENT_KEY_ID": DEFAULT}
PLAIN = {"BFF_UPSTREAM_URL": "http://127.0.0.1:9", "BFF_ALLOW_INSECURE_UPSTREAM": "true"}
TRIGGERS = {
    "insecure-upstream": PLAIN,
    "sealing-key-random": {"BFF_SEAL_KEYS_FILE": DEFAULT},
    "tenant-unset": {"BFF_TENANT_ID": DEFAULT},
    "operator-listener-open": {"BFF_OPERATOR_LISTEN": "203.0.113.7:8081"},
    "proxies-too-wide": {"BFF_TRUSTED_PROXIES": "10.0.0.0/16,0.0.0.0/0"},
    "file-writable": {"BFF_SEAL_KEYS_FILE": "writable seal"},
    "lockout-off": {"BFF_LOCKOUT_FAILURES": "0"},
    "admin-shares-secret": {**SECRET, "BFF_CLIENT_SECRET_FILE": "secret", "BFF_ADMIN_CLIENT_ID": "admin",
                            "BFF_ADMIN_CLIENT_SECRET_FILE": "secret"},
    "issuer-insecure": {"BFF_ISSUERS": "http://issuer.test"},
    "secret-file-readable": {"BFF_SEAL_KEYS_FILE": "open seal"},
    "secret-in-environment": {**SECRET, "BFF_CLIENT_SECRET": "s" * 40},
    "client-secret-short": {**SECRET, "BFF_CLIENT_SECRET_FILE": "short secret"},
    "tenant-optional": {"BFF_JWT_TENANT_CLAIM": "optional"},
    "governor-whole": {"BFF_UPSTREAM_MAX_PER_SECOND": "333"},
    "breaker-off": {"BFF_UPSTREAM_BREAKER_FAILURES": "0"},
    "rate-off": {"BFF_RATE_PER_USER": "0"},
    "rate-of-proxies": {"BFF_TRUSTED_PROXIES": DEFAULT, "BFF_RATE_PER_ADDRESS": "100/s"},
    "drain-short": {"BFF_DRAIN_DELAY_S": "4"},
    "keep-alive-short": {"BFF_IDLE_TIMEOUT_S": "60"},
    "log-debug": {"BFF_LOG_LEVEL": "debug"},
    "log-quiet": {"BFF_LOG_LEVEL": "warn"},
    "insecure-allowed": {"BFF_ALLOW_INSECURE_UPSTREAM": "true"},
    "management-listener-open": {"BFF_MANAGEMENT_LISTEN": "[::]:9464"},
    "ca-unpinned": {"BFF_UPSTREAM_CA_FILE": DEFAULT},
    "client-auth-shared": {**SECRET, "BFF_CLIENT_SECRET_FILE": "secret"},
    "client-key-weak": {"BFF_CLIENT_KEY_FILE": "small key"},
    "audience-default": {"BFF_ACCESS_TOKEN_AUDIENCES": DEFAULT},
    "leeway-large": {"BFF_JWT_LEEWAY_S": "121"},
    "lifetime-long": {"BFF_JWT_MAX_LIFETIME_S": "86401"},
    "proxies-none": {"BFF_TRUSTED_PROXIES": DEFAULT},
    "drain-cut": {"BFF_DRAIN_TIMEOUT_S": "9"},
    "watch-off": {"BFF_CONFIG_WATCH": "false"},
}
# What else a configuration that triggers a rule cannot help to trigger.
ALONG = {"admin-shares-secret": {"client-auth-shared"}, "secret-in-environment": {"client-auth-shared"},
         "client-secret-short": {"client-auth-shared"}}


def test_the_key_of_a_client_certificate_is_judged_as_well(production, files):
    mtls = {"BFF_CLIENT_AUTH": "tls_client_auth", "BFF_CLIENT_KEY_ID": DEFAULT}
    for key, certificate, found in (("small key", "small certificate", {"client-key-weak": "low"}),
                                    ("key", "certificate", {})):
        done = run("audit", "--fail-on", "never", env={**production, **mtls, "BFF_CLIENT_KEY_FILE": files[key],
                                                       "BFF_CLIENT_CERT_FILE": files[certificate]})
        assert (done.status, findings(done)) == (0, found), done


@pytest.mark.parametrize("rule", TRIGGERS)
def test_a_rule_finds_what_it_is_for_and_nothing_else(production, files, rule):
    change = {key: files.get(value, value) for key, value in TRIGGERS[rule].items()}
    done = run("audit", "--fail-on", "low", env={**production, **change})
    assert done.status == 1, done
    assert set(findings(done)) == {rule, *ALONG.get(rule, ())}, done.out
    assert "s" * 31 not in done.out + done.err
    severity = findings(done)[rule]
    assert run("audit", "--fail-on", severity, env={**production, **change}).status == 1
    assert run("audit", "--fail-on", "never", env={**production, **change}).status == 0
    ignored = ",".join(findings(done))
    assert run("audit", "--fail-on", "low", f"--ignore={ignored}", env={**production, **change}).status == 0


def test_every_rule_of_the_table_is_triggered_here():
    rows = re.findall(r"^\| `([a-z-]+)` \|", run("docs", "audit").out, re.MULTILINE)
    assert sorted(rows) == sorted(TRIGGERS)


def test_a_secret_in_the_configuration_file_makes_that_a_file_with_a_secret(production, files):
    done = run("audit", "--config", files["configuration"], "--fail-on", "medium",
               env={**production, **SECRET})
    assert done.status == 1
    assert "secret-file-readable" in findings(done)
    assert "bff.conf" in done.out


@pytest.mark.parametrize("address, found", [
    ("127.0.0.1:8081", False), ("[::1]:8081", False), ("192.168.1.1:8081", False), ("[fd00::1]:8081", False),
    ("0.0.0.0:8081", True), ("[::]:8081", True), ("8.8.8.8:8081", True), ("[2001:db8::1]:8081", True)])
def test_the_operator_listener_is_open_where_the_world_can_reach_it(production, address, found):
    done = run("audit", env={**production, "BFF_OPERATOR_LISTEN": address})
    assert ("operator-listener-open" in findings(done)) == found


def test_json_says_the_same(production):
    env = {**production, "BFF_TENANT_ID": None, "BFF_LOG_LEVEL": "debug"}
    done = run("audit", "--json", env=env)
    document = json.loads(done.out)
    assert {finding["rule"]: finding["severity"] for finding in document["findings"]} == \
        findings(run("audit", env=env)) == {"tenant-unset": "high", "log-debug": "medium"}
    assert document["counts"] == {"critical": 0, "high": 1, "medium": 1, "low": 0}
    assert document["failed"] is True
    assert done.status == 1
    assert all({"what", "remedy", "key"} <= set(finding) for finding in document["findings"])


@pytest.mark.parametrize("arguments", [["--fail-on", "bad"], ["--fail-on"], ["--ignore", "no-such-rule"],
                                       ["--json=x"], ["--lisen", "x"]])
def test_a_wrong_command_line_ends_with_64(production, arguments):
    assert run("audit", *arguments, env=production).status == 64


def test_an_invalid_configuration_ends_with_78(production):
    done = run("audit", env={**production, "BFF_WORKERS": "many"})
    assert (done.status, done.out) == (78, "")
