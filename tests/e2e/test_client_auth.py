# SPDX-License-Identifier: Apache-2.0
"""How the service proves itself to the identity API: each method through to a login, each wrong proof refused
and told, and what a reload does with new keys and certificates."""
import json

import pytest
from cryptography.hazmat.primitives import serialization

from harness.device import Phone
from harness.jose import SigningKey


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def assertion_settings(directory, alg, kid="client-key", **changes):
    """(settings of the service, argument of the emulator) for private_key_jwt with a new key."""
    signer = SigningKey(kid, alg)
    key_file, jwks = directory / f"{kid}.pem", directory / f"{kid}.json"
    key_file.write_bytes(private_pem(signer.private))
    jwks.write_text('{"keys": [%s]}' % json.dumps(signer.jwk()))
    return {"BFF_CLIENT_AUTH": "private_key_jwt", "BFF_CLIENT_SECRET": None, "BFF_CLIENT_KEY_ID": kid,
            "BFF_CLIENT_KEY_FILE": key_file, "BFF_CLIENT_ASSERTION_ALG": alg, **changes}, jwks


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_a_signed_assertion_leads_to_a_login(start_emulator, bff, tmp_path, alg):
    settings, jwks = assertion_settings(tmp_path, alg)
    emulator = start_emulator("--client-auth", "private_key_jwt", "--client-key", jwks)
    Phone(bff(emulator, **settings), emulator).enroll().login()


def test_a_certificate_leads_to_a_login(start_emulator, bff):
    emulator = start_emulator("--client-auth", "tls_client_auth")
    service = bff(emulator, BFF_CLIENT_AUTH="tls_client_auth", BFF_CLIENT_SECRET=None,
                  BFF_CLIENT_CERT_FILE=emulator.ready["client_cert_file"],
                  BFF_CLIENT_KEY_FILE=emulator.ready["client_key_file"])
    Phone(service, emulator).enroll().login()
    assert emulator.calls("token")[0]["path"] == "/cis/oidc/token"
