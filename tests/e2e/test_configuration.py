# SPDX-License-Identifier: Apache-2.0
"""Start-up: bad configuration ends with status 78 and one line that names key and value; nothing is
half started."""
import base64
import hashlib
import os
import re
import socket
import subprocess

import pytest

from harness.command import run
from harness.paths import SERVICE
from harness.process import EndedEarly, kept_environment

SECRET = "canary-client-secret-2f1c9d"
GOOD = {
    "BFF_UPSTREAM_URL": "https://127.0.0.1:9",
    "BFF_ISSUERS": "https://issuer.test",
    "BFF_CLIENT_ID": "client-1",
    "BFF_CLIENT_SECRET": SECRET,
    "BFF_LISTEN": "127.0.0.1:0",
    "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0",
}


def refused(*arguments, **changes):
    """Both `serve` and `check` refuse it, and alike; returns the one line."""
    env = {**GOOD, **changes}
    served = run("serve", *arguments, env=env)
    checked = run("check", *arguments, env=env)
    for done in (served, checked):
        assert done.status == 78, done
        assert len(done.lines) == 1, done.err
        assert SECRET not in done.out + done.err
    assert served.lines == checked.lines
    return served.lines[0]


def test_a_good_configuration_passes_the_check():
    done = run("check", env=GOOD)
    assert done.status == 0, done
    assert done.out.startswith("OK")


@pytest.mark.parametrize("key, value, right", [
    ("BFF_LISTEN", "8080", "host"),
    ("BFF_LISTEN", "127.0.0.1:99999", "port"),
    ("BFF_LISTEN", "example.com:80", ""),
    ("BFF_MANAGEMENT_LISTEN", "nowhere", ""),
    ("BFF_WORKERS", "many", "0 to 256"),
    ("BFF_REGION", "moon", "sandbox"),
    ("BFF_UPSTREAM_URL", "https://h/cis", "/cis"),
    ("BFF_UPSTREAM_URL", "http://h", "BFF_ALLOW_INSECURE_UPSTREAM"),
    ("BFF_TRUSTED_PROXIES", "10.0.0.0/33", ""),
    ("BFF_TRUSTED_PROXIES", "10.0.0.1/8", ""),
    ("BFF_CLIENT_AUTH", "tls", "private_key_jwt"),
    ("BFF_CLIENT_ASSERTION_ALG", "ES384", "ES256"),
    ("BFF_CLIENT_CERT_FILE", "/dev/null", "tls_client_auth"),
    ("BFF_JWT_ALGORITHMS", "HS256", "RS256"),
    ("BFF_RATE_PER_USER", "lots", "count/min"),
])
def test_a_bad_value_is_named_with_its_key(key, value, right):
    line = refused(**{key: value})
    assert line.startswith(f'{key}: value "{value}" (environment): ')
    assert right in line


@pytest.mark.parametrize("key", ["BFF_CLIENT_ID", "BFF_CLIENT_SECRET", "BFF_ISSUERS",
                                 "BFF_UPSTREAM_URL"])
def test_a_required_key_that_is_missing_is_named(key):
    assert refused(**{key: None}).startswith(f"{key}: not set: ")


def test_the_sandbox_has_no_issuer_of_its_own():
    line = refused(BFF_REGION="sandbox", BFF_UPSTREAM_URL=None, BFF_ISSUERS=None)
    assert line.startswith("BFF_ISSUERS: not set: ")
    assert "sandbox" in line


def test_several_problems_are_reported_together():
    done = run("check", env={**GOOD, "BFF_WORKERS": "x", "BFF_LOG_LEVEL": "x", "BFF_TYPO": "x"})
    assert done.status == 78
    assert len(done.lines) == 3


def test_an_unknown_key_names_the_nearest():
    assert "did you mean BFF_LISTEN?" in refused(BFF_LISTNE="x")


def test_what_kubernetes_injects_is_ignored_with_a_note():
    done = run("check", env={**GOOD, "BFF_SERVICE_HOST": "10.0.0.1", "BFF_PORT": "tcp://10.0.0.1:80"})
    assert done.status == 0
    assert "note: BFF_SERVICE_HOST" in done.err
    assert "note: BFF_PORT" in done.err


# ---- files


FILE_KEYS = ["BFF_UPSTREAM_CA_FILE", "BFF_SEAL_KEYS_FILE", "BFF_CLIENT_SECRET_FILE"]


@pytest.mark.parametrize("key", FILE_KEYS)
def test_a_file_that_is_not_there_is_named(key, tmp_path):
    changes = {"BFF_CLIENT_SECRET": None} if key == "BFF_CLIENT_SECRET_FILE" else {}
    line = refused(**{key: tmp_path / "absent"}, **changes)
    assert line.startswith(f"{key}: value ")
    assert "absent" in line
    assert "No such file" in line


@pytest.mark.parametrize("key", ["BFF_UPSTREAM_CA_FILE", "BFF_SEAL_KEYS_FILE"])
def test_a_file_that_does_not_parse_is_named(key, tmp_path):
    path = tmp_path / "rubbish"
    path.write_text("rubbish that must not be repeated\n")
    line = refused(**{key: path})
    assert line.startswith(f"{key}: value ")
    assert "must not be repeated" not in line


def test_a_private_key_that_does_not_parse_is_named(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    line = refused(BFF_CLIENT_AUTH="private_key_jwt", BFF_CLIENT_SECRET=None, BFF_CLIENT_KEY_FILE=path,
                   BFF_CLIENT_KEY_ID="k")
    assert line.startswith("BFF_CLIENT_KEY_FILE: value ")


def test_operator_keys_that_do_not_parse_are_named(tmp_path):
    path = tmp_path / "operators"
    path.write_text("alice:not-a-hash\n")
    line = refused(BFF_OPERATOR_LISTEN="127.0.0.1:0", BFF_OPERATOR_KEYS_FILE=path)
    assert line.startswith("BFF_OPERATOR_KEYS_FILE: value ")
    path.write_text(f"alice:{hashlib.sha256(b'x' * 32).hexdigest()}\n")
    done = run("check", env={**GOOD, "BFF_OPERATOR_LISTEN": "127.0.0.1:0",
                             "BFF_OPERATOR_KEYS_FILE": path})
    assert done.status == 0, done


def test_good_files_pass_the_check(tmp_path, emulator):
    seal = tmp_path / "seal"
    seal.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    done = run("check", env={**GOOD, "BFF_SEAL_KEYS_FILE": seal, "BFF_CLIENT_SECRET": None,
                             "BFF_CLIENT_SECRET_FILE": secret,
                             "BFF_UPSTREAM_CA_FILE": emulator.ca_file})
    assert done.status == 0, done


def test_a_secret_given_twice_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    assert "BFF_CLIENT_SECRET is set as well" in refused(BFF_CLIENT_SECRET_FILE=secret)


def test_a_bad_line_of_the_file_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "bff.conf"
    path.write_text("# comment\n\nBFF_WORKERS=many\n")
    line = refused("--config", path)
    assert line.startswith(f'BFF_WORKERS: value "many" ({path}:3): ')


def test_flag_environment_and_file_win_in_this_order(tmp_path):
    path = tmp_path / "bff.conf"
    path.write_text("BFF_WORKERS=1\nBFF_DRAIN_DELAY_S=1\nBFF_DRAIN_TIMEOUT_S=1\n")
    done = run("print-config", "--workers", "3", "--config", path,
               env={**GOOD, "BFF_WORKERS": "2", "BFF_DRAIN_TIMEOUT_S": "2"})
    assert done.status == 0, done
    assert "BFF_WORKERS=3 (flag --workers)\n" in done.out
    assert "BFF_DRAIN_TIMEOUT_S=2 (environment)\n" in done.out
    assert f"BFF_DRAIN_DELAY_S=1 ({path}:2)\n" in done.out


# ---- the machine


@pytest.mark.parametrize("key", ["BFF_LISTEN", "BFF_MANAGEMENT_LISTEN"])
def test_a_port_in_use_is_named(key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", env={**GOOD, key: address})
    assert done.status == 78, done
    assert len(done.lines) == 1
    assert done.lines[0].startswith(f'{key}: value "{address}" (environment): ')
    assert "use" in done.lines[0]


def test_the_environment_cannot_steer_tls_or_send_calls_elsewhere(bff, hostile, tmp_path):
    """With the proxy obeyed no call could succeed; with the key log obeyed there would be a file."""
    keylog = tmp_path / "keys.log"
    service = bff(hostile, SSLKEYLOGFILE=keylog, https_proxy="http://127.0.0.1:9",
                  HTTPS_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9",
                  SSL_CERT_FILE="/nonexistent", OPENSSL_CONF="/nonexistent")
    assert service.management().get("/readyz").status == 200
    assert not keylog.exists()


def test_secrets_show_nowhere(bff, emulator):
    service = bff(emulator, BFF_LOG_LEVEL="debug")
    with open(f"/proc/{service.pid}/environ", "rb") as environ:
        assert emulator.client_secret.encode() not in environ.read()
    with open(f"/proc/{service.pid}/cmdline", "rb") as cmdline:
        assert emulator.client_secret.encode() not in cmdline.read()
    pages = [service.management().get(path).body
             for path in ("/readyz", "/readyz?verbose", "/metrics", "/version")]
    service.stop()
    assert all(emulator.client_secret.encode() not in page for page in pages)
    assert emulator.client_secret not in service.output


def test_the_process_is_hardened(bff, emulator):
    service = bff(emulator)
    with open(f"/proc/{service.pid}/status", encoding="ascii") as status:
        assert re.search(r"^NoNewPrivs:\s+1$", status.read(), re.MULTILINE)
    with open(f"/proc/{service.pid}/limits", encoding="ascii") as limits:
        assert re.search(r"^Max core file size\s+0\s+0", limits.read(), re.MULTILINE)


def start_with_descriptors(count, env):
    """The service under a hard limit of open descriptors; ended when it is ready or by itself."""
    script = f'ulimit -n {count} && exec "$0" serve'
    return subprocess.Popen(["/bin/sh", "-c", script, str(SERVICE)], env=env, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_too_few_descriptors_lower_the_connection_limit_with_a_warning():
    child = start_with_descriptors(1024, {**GOOD, "BFF_DRAIN_DELAY_S": "0", "BFF_WORKERS": "1",
                                          "BFF_LOG_FORMAT": "json"})
    warning = next(line for line in child.stdout if "service.connections_lowered" in line)
    child.terminate()
    _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert '"bff.max_connections.configured":10000' in warning
    assert '"process.descriptors.limit":1024' in warning
    lowered = int(re.search(r'"bff.max_connections.effective":(\d+)', warning)[1])
    assert 500 < lowered < 1024 - 256


def test_far_too_few_descriptors_are_refused():
    child = start_with_descriptors(128, GOOD)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 78
    assert "BFF_MAX_CONNECTIONS: value" in err
    assert "128" in err


def test_a_certificate_file_without_certificates_is_refused(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    assert refused(BFF_UPSTREAM_CA_FILE=empty).startswith("BFF_UPSTREAM_CA_FILE: value ")


_OWN_MOUNTS = ["unshare", "-rm", "/bin/sh", "-c"]


def on_a_machine_without_etc(env):
    """`check` where /etc is empty: no certificates, no resolv.conf."""
    return subprocess.run([*_OWN_MOUNTS, 'mount -t tmpfs none /etc && exec "$0" check', str(SERVICE)],
                          env={**kept_environment(), **env}, text=True, capture_output=True, check=False)


# Inside a chroot the kernel allows no mounts of one's own: then there are no such tests.
if subprocess.run([*_OWN_MOUNTS, "mount -t tmpfs none /etc"], capture_output=True, check=False).returncode == 0:
    def test_a_machine_without_certificates_or_name_servers_is_a_clear_refusal():
        done = on_a_machine_without_etc({**GOOD, "BFF_UPSTREAM_URL": "https://api.example.com"})
        assert done.returncode == 78, done
        assert "BFF_UPSTREAM_CA_FILE: the system has no readable certificate store" in done.stderr
        assert "BFF_UPSTREAM_URL: value" in done.stderr
        assert "/etc/resolv.conf" in done.stderr

    def test_an_upstream_by_address_needs_no_name_server(emulator):
        done = on_a_machine_without_etc({**GOOD, "BFF_UPSTREAM_CA_FILE": emulator.ca_file})
        assert done.returncode == 0, done


def test_a_service_that_cannot_start_leaves_no_ready_line(bff):
    with pytest.raises(EndedEarly) as caught:
        bff(None, BFF_LISTEN="nowhere")
    assert caught.value.status == 78
    assert "listener.ready" not in caught.value.output
