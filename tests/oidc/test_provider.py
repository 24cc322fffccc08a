# SPDX-License-Identifier: Apache-2.0
"""Our token calls against an OpenID provider that nobody here wrote: node's oidc-provider, which is certified
by the OpenID Foundation, over real TLS. `BFF_OIDC_PROVIDER` names the directory into which it was installed
(./dev oidc)."""
import json
import os
import pathlib
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from harness.jose import SigningKey
from harness.paths import SERVICE
from harness.process import Process
from harness.tls import Authority

SECRET = "s3cret: +%&=/~\"{} and long enough for a provider to take"
CLIENT_ID = "client:1"
INSTALLED = os.environ.get("BFF_OIDC_PROVIDER")
SECRET_METHODS = ["client_secret_post", "client_secret_basic"]
ALGS = ["RS256", "PS256", "ES256"]

if not INSTALLED:
    pytest.fail("BFF_OIDC_PROVIDER is not set: run ./dev oidc", pytrace=False)


class Provider(Process):
    def __init__(self, directory, authority, **client):
        certificate, key = authority.issue("127.0.0.1")
        client = {"client_id": CLIENT_ID, "grant_types": ["client_credentials"], "redirect_uris": [],
                  "response_types": [], **client}
        settings = directory / "provider.json"
        settings.write_text(json.dumps({"cert": str(certificate), "key": str(key),
                                        "ca": str(authority.ca_file), "clients": [client]}))
        script = pathlib.Path(INSTALLED) / "provider.mjs"
        super().__init__(["node", script, settings], directory)
        ready = self.wait_record(lambda record: record.get("event") == "ready", "event ready")
        self.url, self.issuer, self.ca_file = ready["url"], ready["issuer"], authority.ca_file

    def config(self):
        return {"BFF_UPSTREAM_URL": self.url, "BFF_TOKEN_URL": self.issuer + "/token",
                "BFF_ISSUERS": self.issuer, "BFF_UPSTREAM_CA_FILE": self.ca_file, "BFF_CLIENT_ID": CLIENT_ID}

    def assert_clean(self, status, expected=0):
        """It is not ours to judge how node ends."""


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def provider(tmp_path, authority, keep):
    return lambda **client: keep(Provider(tmp_path, authority, **client))


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def doctor(upstream, **settings):
    env = {key: str(value) for key, value in {**upstream.config(), **settings}.items()}
    return subprocess.run([SERVICE, "doctor"], env=env, capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, check=False)


def by_assertion(directory, alg, signer):
    key_file = directory / "assertion.pem"
    key_file.write_bytes(pem(signer.private))
    return {"BFF_CLIENT_AUTH": "private_key_jwt", "BFF_CLIENT_KEY_FILE": key_file,
            "BFF_CLIENT_KEY_ID": signer.kid, "BFF_CLIENT_ASSERTION_ALG": alg}


def accepts(bff, upstream, **settings):
    """doctor is content with all it looks at, and the service gets its token and the key set."""
    said = doctor(upstream, **settings)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "\nok   token" in said.stdout
    service = bff(upstream, **settings)
    assert service.wait_event("token.fetched")["token.client"] == "client"


def refuses(bff, upstream, **settings):
    """doctor says so, and so does the service's log."""
    said = doctor(upstream, **settings)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "FAIL token" in said.stdout and "invalid_client" in said.stdout
    service = bff(upstream, wait_ready=False, **settings)
    assert "invalid_client" in service.wait_event("token.fetch_failed")["error.reason"]


@pytest.mark.parametrize("method", SECRET_METHODS)
def test_a_secret_is_taken_and_a_wrong_one_refused(provider, bff, method):
    upstream = provider(client_secret=SECRET, token_endpoint_auth_method=method)
    accepts(bff, upstream, BFF_CLIENT_AUTH=method, BFF_CLIENT_SECRET=SECRET)
    refuses(bff, upstream, BFF_CLIENT_AUTH=method, BFF_CLIENT_SECRET=SECRET + "!")


@pytest.mark.parametrize("alg", ALGS)
def test_an_assertion_is_taken_and_one_of_another_key_refused(provider, bff, tmp_path, alg):
    signer = SigningKey("client-key", alg)
    upstream = provider(token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg=alg,
                        jwks={"keys": [signer.jwk()]})
    accepts(bff, upstream, **by_assertion(tmp_path, alg, signer))
    stranger = SigningKey("client-key", alg, label="stranger")
    refuses(bff, upstream, **by_assertion(tmp_path, alg, stranger))


def test_an_assertion_with_the_wrong_algorithm_or_audience_is_refused(provider, bff, tmp_path):
    signer = SigningKey("client-key", "RS256")
    jwk = {name: value for name, value in signer.jwk().items() if name != "alg"}
    upstream = provider(token_endpoint_auth_method="private_key_jwt",
                        token_endpoint_auth_signing_alg="RS256", jwks={"keys": [jwk]})
    accepts(bff, upstream, **by_assertion(tmp_path, "RS256", signer))
    refuses(bff, upstream, **by_assertion(tmp_path, "PS256", signer))
    refuses(bff, upstream, **by_assertion(tmp_path, "RS256", signer),
            BFF_CLIENT_ASSERTION_AUDIENCE="https://elsewhere.example/token")


def test_a_certificate_is_taken_and_one_of_another_name_refused(provider, bff, authority):
    upstream = provider(token_endpoint_auth_method="tls_client_auth",
                        tls_client_auth_subject_dn="CN=our-service")

    def shown(name):
        certificate, key = authority.issue(name)
        return {"BFF_CLIENT_AUTH": "tls_client_auth", "BFF_CLIENT_CERT_FILE": certificate,
                "BFF_CLIENT_KEY_FILE": key}

    accepts(bff, upstream, **shown("our-service"))
    refuses(bff, upstream, **shown("another-service"))
