# SPDX-License-Identifier: Apache-2.0
"""How the service proves itself to the identity API: each method through to a login, each wrong proof refused
and told, and what a reload does with new keys and certificates."""
import datetime
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness.command import run
from harness.device import Phone
from harness.jose import SigningKey, b64url
from harness.tls import ClientAuthority, write_client_pair

DAY_S = 86400


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


# ---- what the identity API refuses, and who is told


def is_refused(bff, emulator, **settings):
    """The log says it, loudly; doctor says it; nothing is served."""
    service = bff(emulator, wait_ready=False, **settings)
    line = service.wait_event("token.fetch_failed")
    assert line["log.level"] == "error"
    assert "401 invalid_client" in line["error.reason"]
    assert service.client().post("/v1/biometrics/start", {"user_id": "u"}).code == "upstream_refused_credentials"
    done = run("doctor", env={**emulator.config(), **settings})
    assert done.status == 1
    assert "FAIL token" in done.out and "invalid_client" in done.out
    assert emulator.calls("token")[-1]["status"] == 401


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_wrong_secret_is_refused(start_emulator, bff, method):
    emulator = start_emulator("--client-auth", method)
    is_refused(bff, emulator, BFF_CLIENT_AUTH=method, BFF_CLIENT_SECRET="wrong")


def test_another_method_than_the_registered_one_is_refused(start_emulator, bff):
    emulator = start_emulator("--client-auth", "client_secret_basic")
    is_refused(bff, emulator, BFF_CLIENT_AUTH="client_secret_post")


@pytest.mark.parametrize("change", ["key", "kid", "algorithm", "audience", "client"])
def test_a_wrong_assertion_is_refused(start_emulator, bff, tmp_path, change):
    settings, jwks = assertion_settings(tmp_path, "RS256")
    emulator = start_emulator("--client-auth", "private_key_jwt", "--client-key", jwks, "--assertion-alg", "RS256")
    if change == "key":
        stranger = SigningKey("client-key", "RS256", label="stranger")
        settings["BFF_CLIENT_KEY_FILE"].write_bytes(private_pem(stranger.private))
    settings.update({"kid": {"BFF_CLIENT_KEY_ID": "unknown"}, "algorithm": {"BFF_CLIENT_ASSERTION_ALG": "PS256"},
                     "audience": {"BFF_CLIENT_ASSERTION_AUDIENCE": "https://elsewhere.example"},
                     "client": {"BFF_CLIENT_ID": "somebody"}}.get(change, {}))
    is_refused(bff, emulator, **settings)


# ---- certificates of an authority that the identity API trusts


def thumbprint(made):
    return b64url(made.fingerprint(hashes.SHA256()))


def by_certificate(directory):
    return {"BFF_CLIENT_AUTH": "tls_client_auth", "BFF_CLIENT_CERT_FILE": directory / "client.pem",
            "BFF_CLIENT_KEY_FILE": directory / "client.key"}


@pytest.fixture
def clients(tmp_path):
    return ClientAuthority(tmp_path, "client-ca")


@pytest.fixture
def trusting(start_emulator, clients):
    """trusting(*arguments) -> an emulator that takes certificates of `clients` for CN=our-service."""
    return lambda *arguments: start_emulator("--client-auth", "tls_client_auth", "--client-ca", clients.ca_file,
                                             "--client-dn", "CN=our-service", *arguments)


def test_a_certificate_of_another_name_or_authority_is_refused(trusting, bff, clients, tmp_path):
    emulator = trusting()
    write_client_pair(tmp_path, *clients.certificate("another-service"))
    is_refused(bff, emulator, BFF_CLIENT_SECRET=None, **by_certificate(tmp_path))
    write_client_pair(tmp_path, *ClientAuthority(tmp_path, "stranger-ca").certificate())
    is_refused(bff, emulator, BFF_CLIENT_SECRET=None, **by_certificate(tmp_path))


def test_a_token_bound_to_the_certificate_is_good_on_every_call(trusting, bff, clients, tmp_path):
    emulator = trusting("--bind-tokens")
    made, key = clients.certificate()
    write_client_pair(tmp_path, made, key)
    service = bff(emulator, BFF_CLIENT_SECRET=None, **by_certificate(tmp_path))
    Phone(service, emulator).enroll().login()
    assert {call["certificate"] for call in emulator.calls()} == {thumbprint(made)}
    ends = made.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert service.metric("bff_client_certificate_expiry_timestamp_seconds") == ends


@pytest.mark.parametrize("bound", [False, True])
def test_a_new_certificate_is_shown_on_new_connections_alone(trusting, reloadable, clients, tmp_path, bound):
    emulator = trusting(*["--bind-tokens"] if bound else [])
    old, new = clients.certificate(), clients.certificate(days=60)
    write_client_pair(tmp_path, *old)
    bff = reloadable(emulator, **by_certificate(tmp_path), config={"BFF_CLIENT_SECRET": None})
    assert bff.start().status == 200
    before = {call["connection"] for call in emulator.calls()}

    write_client_pair(tmp_path, *new)
    assert bff.reload()["event.outcome"] == "success"
    bff.service.wait_event("token.credentials_accepted")
    emulator.clear_calls()
    user = emulator.make_user()["user_id"]
    for _ in range(5):
        assert bff.service.client().post("/v1/biometrics/start", {"user_id": user}).status == 200
    after = emulator.calls("start")
    assert {call["certificate"] for call in after} == {thumbprint(new[0])}
    assert not before & {call["connection"] for call in after}
    assert bff.service.metric("bff_client_certificate_expiry_timestamp_seconds") > 50 * DAY_S


def test_a_new_assertion_key_leaves_the_connections_open(reloadable, hostile, tmp_path):
    """No certificate is shown with it, so that nothing of a connection is of the old key."""
    settings, _ = assertion_settings(tmp_path, "RS256")
    auth = settings.pop("BFF_CLIENT_AUTH")
    bff = reloadable(hostile, **{key: value for key, value in settings.items() if value},
                     config={"BFF_CLIENT_AUTH": auth, "BFF_CLIENT_SECRET": None, "BFF_WORKERS": 1})
    assert bff.start().status == 200
    settings["BFF_CLIENT_KEY_FILE"].write_bytes(private_pem(rsa.generate_private_key(65537, 2048)))
    assert bff.reload()["event.outcome"] == "success"
    bff.service.wait_event("token.credentials_accepted")
    assert bff.start().status == 200
    before, after = hostile.calls("start")
    assert before.connection == after.connection


# ---- what is refused before anything is sent: at check and at a reload


def small_rsa():
    return rsa.generate_private_key(65537, 1024)


BAD_PAIRS = {
    "expired": ("BFF_CLIENT_CERT_FILE", "expired", lambda c: c.certificate(days=-3)),
    "mismatch": ("BFF_CLIENT_CERT_FILE", "not for the key",
                 lambda c: (c.certificate()[0], ec.generate_private_key(ec.SECP256R1()))),
    "short": ("BFF_CLIENT_KEY_FILE", "2048 bits", lambda c: c.certificate(key=small_rsa())),
}


@pytest.mark.parametrize("bad", [*BAD_PAIRS, "passphrase", "unreadable", "rubbish"])
def test_a_pair_that_would_not_serve_is_refused_and_the_old_kept(trusting, reloadable, clients, tmp_path, bad):
    emulator = trusting()
    made, key = clients.certificate()
    write_client_pair(tmp_path, made, key)
    bff = reloadable(emulator, **by_certificate(tmp_path), config={"BFF_CLIENT_SECRET": None})
    if bad in BAD_PAIRS:
        option, why, make = BAD_PAIRS[bad]
        write_client_pair(tmp_path, *make(clients))
    elif bad == "passphrase":
        option, why = "BFF_CLIENT_KEY_FILE", "passphrase"
        (tmp_path / "client.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret")))
    elif bad == "unreadable":
        option, why = "BFF_CLIENT_CERT_FILE", "No such file"
        (tmp_path / "client.pem").unlink()
    else:
        option, why = "BFF_CLIENT_CERT_FILE", "PEM certificates"
        (tmp_path / "client.pem").write_text("rubbish")

    env = {**emulator.config(), **by_certificate(tmp_path)}
    done = run("check", env={**env, "BFF_CLIENT_SECRET": None})
    assert done.status == 78
    assert any(line.startswith(f"{option}: ") and why in line for line in done.err.splitlines()), done.err

    line = bff.reload()
    assert line["event.outcome"] == "failure"
    assert option in line["error.reason"] and why in line["error.reason"]
    user = emulator.make_user()["user_id"]
    assert bff.service.client().post("/v1/biometrics/start", {"user_id": user}).status == 200
    assert emulator.calls("start")[-1]["certificate"] == thumbprint(made)


@pytest.mark.parametrize("kind, alg", [("RS256", "ES256"), ("ES256", "RS256"), ("ES256", "PS256")])
def test_an_algorithm_that_the_key_cannot_sign_is_refused_by_the_check(emulator, tmp_path, kind, alg):
    settings, _ = assertion_settings(tmp_path, kind)
    settings["BFF_CLIENT_ASSERTION_ALG"] = alg
    env = {**emulator.config(), **settings}
    done = run("check", env=env)
    assert done.status == 78
    assert f'BFF_CLIENT_ASSERTION_ALG: value "{alg}"' in done.err


def test_doctor_says_when_the_certificate_expires(trusting, clients, tmp_path):
    emulator = trusting()
    write_client_pair(tmp_path, *clients.certificate(days=5.5))
    env = {**emulator.config(), **by_certificate(tmp_path)}
    done = run("doctor", env={**env, "BFF_CLIENT_SECRET": None})
    assert done.status == 0, done
    assert "note cert       CN=our-service: expires in 5 days" in done.out
