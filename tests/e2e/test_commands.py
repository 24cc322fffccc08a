# SPDX-License-Identifier: Apache-2.0
"""The commands beside serve: what they print and their exit status."""
import hashlib
import json
import re
import time

import pytest

from harness import jose
from harness.command import run
from harness.hostile import Reply
from harness.tls import Authority
from harness.waiting import until

GOOD = {"BFF_UPSTREAM_URL": "https://127.0.0.1:9", "BFF_ISSUERS": "https://issuer.test",
        "BFF_CLIENT_ID": "client-1", "BFF_CLIENT_SECRET": "canary-secret"}


# ---- help, version, usage


def test_help_lists_the_commands_and_the_flags():
    done = run("--help")
    assert done.status == 0
    for word in ("serve", "check", "audit", "print-config", "healthcheck", "doctor", "verify", "version",
                 "--listen", "--upstream-url", "BFF_CLIENT_SECRET"):
        assert word in done.out
    assert " docs " not in done.out


@pytest.mark.parametrize("command", ["serve", "check", "audit", "print-config", "healthcheck", "doctor",
                                     "verify", "version", "docs"])
def test_each_command_has_help(command):
    done = run(command, "--help")
    assert done.status == 0
    assert f"biometrics-bff {command}" in done.out


def test_version_names_the_libraries():
    done = run("version")
    assert done.status == 0
    assert re.match(r"biometrics-bff \d+\.\d+\.\d+\n", done.out)
    for library in ("libmicrohttpd", "libcurl", "OpenSSL"):
        assert re.search(rf"^{library} \d+\.\d+\.\d+", done.out, re.MULTILINE)
    assert run("--version").out == done.out


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "stray"], ["--lisen=x"],
                                       ["check", "--workers"], ["docs"], ["docs", "x"], ["verify"],
                                       ["serve", "--client-secret=canary"]])
def test_a_wrong_command_line_ends_with_status_64(arguments):
    done = run(*arguments, env=GOOD)
    assert done.status == 64
    assert done.err
    assert "canary" not in done.err


@pytest.mark.parametrize("page", ["audit", "config", "errors", "metrics", "resilience"])
def test_docs_prints_markdown(page):
    done = run("docs", page)
    assert done.status == 0
    assert done.out.startswith("# ")
    assert "|---|" in done.out


def test_print_config_redacts_secrets():
    done = run("print-config", env=GOOD)
    assert done.status == 0
    fingerprint = hashlib.sha256(b"canary-secret").hexdigest()[:8]
    assert f"BFF_CLIENT_SECRET=[redacted 13 bytes, sha256 {fingerprint}...] (environment)" in done.out
    assert "canary-secret" not in done.out + done.err
    assert "BFF_TOKEN_URL=https://127.0.0.1:9/oidc/token (derived)" in done.out


def test_print_config_as_json_says_where_each_value_came_from(tmp_path):
    (tmp_path / "secret").write_text("canary-secret\n")
    (tmp_path / "bff.conf").write_text("BFF_LOG_LEVEL=warn\n")
    done = run("print-config", "--json", "--config", tmp_path / "bff.conf", "--workers=3",
               env={**GOOD, "BFF_CLIENT_SECRET": None, "BFF_CLIENT_SECRET_FILE": tmp_path / "secret"})
    assert done.status == 0, done
    values = json.loads(done.out)
    assert values["BFF_WORKERS"] == {"value": "3", "source": "flag", "where": "flag --workers", "reload": "restart"}
    assert values["BFF_LOG_LEVEL"]["source"] == "file"
    assert values["BFF_LOG_LEVEL"]["where"].endswith("bff.conf:1")
    assert values["BFF_CLIENT_ID"]["source"] == "environment"
    assert values["BFF_TOKEN_URL"]["source"] == "derived"
    assert values["BFF_IDLE_TIMEOUT_S"] == {"value": "75", "source": "default", "where": "default", "reload": "live"}
    assert values["BFF_TENANT_ID"]["value"] is None
    secret = values["BFF_CLIENT_SECRET"]
    assert (secret["value"], secret["redacted"], secret["bytes"]) == (None, True, 13)
    assert (secret["source"], secret["where"]) == ("file", "BFF_CLIENT_SECRET_FILE")
    assert secret["sha256_prefix"] == hashlib.sha256(b"canary-secret").hexdigest()[:8]
    assert "canary-secret" not in done.out


# ---- check


def test_check_as_json_of_a_good_configuration_has_its_notes_and_warnings():
    done = run("check", "--json", env={**GOOD, "BFF_SERVICE_HOST": "10.0.0.1"})
    assert (done.status, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["valid"] is True
    assert {message["severity"] for message in report["messages"]} == {"note", "warning"}
    assert {"severity": "note", "key": "BFF_SERVICE_HOST",
            "text": "is ignored: Kubernetes injects it for a Service named bff"} in report["messages"]


def test_check_as_json_names_the_key_of_each_problem(tmp_path):
    (tmp_path / "rubbish").write_text("no key\n")
    done = run("check", "--json", env={**GOOD, "BFF_WORKERS": "x", "BFF_TYPO\"": "canary"})
    assert (done.status, done.err) == (78, "")
    report = json.loads(done.out)
    assert report["valid"] is False
    errors = [message for message in report["messages"] if message["severity"] == "error"]
    assert {"severity": "error", "key": "BFF_WORKERS",
            "text": 'value "x" (environment): give a whole number from 0 to 256'} in errors
    assert any(message["text"].startswith('"BFF_TYPO\\x22": unknown key') for message in errors)
    assert "canary" not in done.out
    done = run("check", "--json", env={**GOOD, "BFF_SEAL_KEYS_FILE": tmp_path / "rubbish"})
    assert done.status == 78
    assert [message["key"] for message in json.loads(done.out)["messages"]
            if message["severity"] == "error"] == ["BFF_SEAL_KEYS_FILE"]


def test_check_as_json_tells_a_wrong_command_line():
    done = run("check", "--json", "--lisen=x", env=GOOD)
    assert done.status == 64
    assert json.loads(done.out)["messages"][0]["text"] == 'unknown flag "lisen": did you mean --listen?'


def test_check_whose_own_flag_is_wrong_says_so_once_and_prints_no_document():
    for flags in (["--json=yes"], ["--json", "--json=yes"]):
        done = run("check", *flags, env=GOOD)
        assert (done.status, done.out, done.err) == (64, "", "flag --json takes no value\n")


def test_check_says_the_same_to_people_on_standard_error():
    done = run("check", env={**GOOD, "BFF_WORKERS": "x"})
    assert (done.status, done.out) == (78, "")
    assert done.lines[0].startswith('BFF_WORKERS: value "x" (environment): ')


# ---- healthcheck


def test_healthcheck_follows_readiness(bff, hostile):
    hostile.on("token", Reply(503))
    service = bff(hostile, wait_ready=False)
    host, port = service.address("management")
    env = {"BFF_MANAGEMENT_LISTEN": f"{host}:{port}"}
    assert run("healthcheck", env=env).status == 1
    alive = run("healthcheck", "--live", env=env)
    assert (alive.status, alive.out) == (0, "alive\n")
    hostile.behave()
    service.wait_event("service.ready")
    done = run("healthcheck", env=env)
    assert done.status == 0, done
    assert run("healthcheck", env={"BFF_MANAGEMENT_LISTEN": f"0.0.0.0:{port}"}).status == 0
    service.stop()
    assert run("healthcheck", env=env).status == 1


def test_healthcheck_gives_up_on_a_silent_listener(hostile):
    """The upstream of the tests speaks TLS: a plain question gets no answer that counts."""
    began = time.monotonic()
    done = run("healthcheck", env={"BFF_MANAGEMENT_LISTEN": f"127.0.0.1:{hostile.port}"})
    assert done.status == 1
    assert time.monotonic() - began < 10


def test_healthcheck_with_a_bad_address_is_a_configuration_error():
    done = run("healthcheck", env={"BFF_MANAGEMENT_LISTEN": "nowhere"})
    assert done.status == 78
    assert "BFF_MANAGEMENT_LISTEN" in done.err


# ---- doctor


def findings(done):
    return [line.split(None, 2)[:2] for line in done.out.splitlines()]


def test_doctor_finds_all_well_against_the_emulator(emulator):
    done = run("doctor", env=emulator.config())
    assert done.status == 0, done
    for what in ("dns", "tls", "clock", "discovery", "token", "keys"):
        assert ["ok", what] in findings(done), done.out
    assert f"issuer {emulator.issuer}" in done.out
    assert "jwks_uri " in done.out
    assert emulator.client_secret not in done.out + done.err
    assert hashlib.sha256(emulator.client_secret.encode()).hexdigest()[:8] in done.out


def test_doctor_says_the_same_in_json(emulator):
    lines = [json.loads(line) for line in run("doctor", "--json", env=emulator.config()).out.splitlines()]
    assert {"verdict", "what", "text"} == set().union(*lines)
    plain = findings(run("doctor", env=emulator.config()))
    assert [[line["verdict"], line["what"]] for line in lines] == plain


def test_doctor_finds_out_the_issuer(emulator):
    done = run("doctor", env={**emulator.config(), "BFF_ISSUERS": None})
    assert done.status == 0, done
    assert f"BFF_ISSUERS={emulator.issuer}=" in done.out


def test_doctor_names_wrong_credentials(emulator):
    done = run("doctor", env={**emulator.config(), "BFF_CLIENT_SECRET": "wrong"})
    assert done.status == 1
    assert ["FAIL", "token"] in findings(done)
    assert ["ok", "keys"] in findings(done)


def test_doctor_says_whose_the_vendors_certificate_is_and_when_it_ends(start_hostile, tmp_path):
    authority = Authority(tmp_path, "vendors-ca")
    for days, verdict in ((15, "ok"), (5, "note")):
        upstream = start_hostile(authority=authority, certificate=authority.issue(days=days))
        done = run("doctor", env=upstream.config())
        line, = (line for line in done.out.splitlines() if "certificate of" in line)
        assert re.fullmatch(rf"{verdict} +tls +certificate of CN=127.0.0.1, issued by CN=vendors-ca: "
                            rf"expires in ({days}|{days - 1}) days", line)


def test_doctor_names_a_certificate_that_is_not_trusted(emulator, start_hostile):
    done = run("doctor", env={**emulator.config(), "BFF_UPSTREAM_CA_FILE": start_hostile().ca_file})
    assert done.status == 1
    assert ["FAIL", "tls"] in findings(done)
    assert "certificate" in done.out


def test_a_pinned_file_does_not_trust_the_authorities_of_the_system(emulator, start_hostile):
    """The vendor's certificate is good by the system's store, and not by the file that is configured."""
    done = run("doctor", env={**emulator.config(), "BFF_UPSTREAM_CA_FILE": start_hostile().ca_file,
                              "SSL_CERT_FILE": str(emulator.ca_file)})
    assert done.status == 1
    assert ["FAIL", "tls"] in findings(done)


def test_doctor_names_a_name_that_does_not_resolve():
    done = run("doctor", env={**GOOD, "BFF_UPSTREAM_URL": "https://no-such-host.invalid"})
    assert done.status == 1
    assert ["FAIL", "dns"] in findings(done)


def test_doctor_names_a_clock_that_is_off(emulator):
    emulator.shift_clock(3600)
    done = run("doctor", env=emulator.config())
    assert done.status == 1
    assert ["FAIL", "clock"] in findings(done)
    assert "behind the identity API" in done.out


def test_doctor_says_when_the_clock_cannot_be_compared(hostile):
    done = run("doctor", env=hostile.config())
    assert ["note", "clock"] in findings(done)


# ---- verify


NOW = int(time.time())
CLAIMS = {"iss": "https://issuer.test", "sub": "user-1", "aud": "userid-api", "client_id": "client-1",
          "iat": NOW, "exp": NOW + 600}
POLICY = {"BFF_ISSUERS": "https://issuer.test", "BFF_CLIENT_ID": "client-1"}


@pytest.fixture
def key():
    return jose.SigningKey("key-1", "RS256", label="verify")


@pytest.fixture
def jwks(tmp_path, key):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jose.jwks(key)))
    return path


def verify(jwks, token, *arguments, env=None):
    return run("verify", "--jwks", jwks, *arguments, env=env, stdin=token.encode())


def test_verify_accepts_a_good_token_under_the_whole_policy(jwks, key):
    done = verify(jwks, key.sign(CLAIMS) + "\n", env=POLICY)
    assert (done.status, done.out) == (0, "valid\n"), done
    id_token = key.sign({**CLAIMS, "aud": "client-1"})
    assert verify(jwks, id_token, "--kind", "id", env=POLICY).status == 0


@pytest.mark.parametrize("change, reason", [
    ({"iss": "https://other.test"}, "iss"),
    ({"aud": "other"}, "aud"),
    ({"client_id": "other"}, "client_id"),
    ({"exp": NOW - 3600, "iat": NOW - 7200}, "expired"),
    ({"iat": NOW + 3600, "exp": NOW + 7200}, "iat"),
])
def test_verify_names_the_rule_that_failed(jwks, key, change, reason):
    done = verify(jwks, key.sign({**CLAIMS, **change}), env=POLICY)
    assert (done.status, done.out) == (1, f"invalid: {reason}\n")


def test_verify_takes_the_policy_from_flags_too(jwks, key):
    done = verify(jwks, key.sign(CLAIMS), "--issuers", "https://issuer.test", "--client-id=client-1")
    assert done.status == 0, done
    assert verify(jwks, key.sign(CLAIMS)).status == 78


def test_signature_only_takes_any_payload_and_no_configuration(jwks, key):
    token = key.sign({"anything": True})
    assert verify(jwks, token, "--signature-only").status == 0
    assert verify(jwks, token, "--signature-only", "--workers=1").status == 64
    other = jose.SigningKey("key-1", "RS256", label="other")
    done = verify(jwks, other.sign({"anything": True}), "--signature-only")
    assert (done.status, done.out) == (1, "invalid: signature\n")


def test_the_algorithm_must_be_on_the_list(jwks, key):
    token = key.sign(CLAIMS)
    assert verify(jwks, token, "--signature-only", "--alg", "PS256").out == "invalid: alg\n"
    assert verify(jwks, token, "--signature-only", "--alg=PS256,RS256").status == 0
    assert verify(jwks, token, "--alg", "PS256", env=POLICY).out == "invalid: alg\n"
    assert verify(jwks, token, "--signature-only", "--alg", "HS256").status == 64


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "\n", "..", "a" * 2_000_000])
def test_rubbish_is_invalid_and_no_crash(jwks, token):
    done = verify(jwks, token, "--signature-only")
    assert done.status == 1
    assert done.out.startswith("invalid: ")


def test_a_key_file_that_cannot_be_read_or_used_is_told_apart(tmp_path, key):
    done = verify(tmp_path / "absent", key.sign(CLAIMS), "--signature-only")
    assert done.status == 78
    assert "No such file" in done.err
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("{}")
    assert verify(rubbish, key.sign(CLAIMS), "--signature-only").status == 1


def test_the_emulators_tokens_verify(emulator, tmp_path):
    user = emulator.make_user()
    token = emulator.login(user["user_id"])["access_token"]
    path = tmp_path / "jwks.json"
    path.write_bytes(until(lambda: emulator._client.get("/cis/oidc/jwks").body, "key set"))
    done = verify(path, token, env={"BFF_ISSUERS": emulator.issuer, "BFF_CLIENT_ID": emulator.client_id,
                                    "BFF_TENANT_ID": emulator.tenant_id})
    assert done.status == 0, done
