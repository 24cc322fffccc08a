# SPDX-License-Identifier: Apache-2.0
"""The virtual phone from outside: exit statuses, what it keeps and what it shows. Its whole story is
told by the demo."""
import json
import stat
import subprocess

import pytest

from harness.paths import PATIENCE, PHONE


@pytest.fixture
def run(shared, tmp_path):
    """run(ARGUMENT...) -> the finished process of a phone that knows the shared service."""
    host, port = shared.service.address("public")

    def start(*arguments, service=f"http://{host}:{port}"):
        return subprocess.run(
            [PHONE, "--bff", service, "--dir", tmp_path / "phone", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * PATIENCE)

    return start


@pytest.fixture
def enrolled(run, shared):
    """The same, with a key enrolled for a user of its own."""
    user = shared.emulator.make_user(face=True)["user_id"]
    done = run("enroll", "--user", user, "--emulator", shared.emulator.url,
               "--emulator-ca", shared.emulator.ca_file)
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def exchanges(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["login", "whoami"], ["login", "--nothing"], ["login", "--dir"],
    ["enroll", "--key", "dsa"], ["approve", "--data", "novalue"], ["login", "--tamper", "everything"]])
def test_a_wrong_command_line_is_a_usage_error(run, arguments):
    done = run(*arguments)
    assert done.returncode == 64
    assert done.stderr


def test_help_names_every_command(run):
    done = run("--help")
    assert done.returncode == 0
    for command in ("enroll", "login", "approve", "unenroll", "revoke-face", "refresh", "logout",
                    "whoami"):
        assert command in done.stdout


def test_no_answer_has_a_status_of_its_own(enrolled):
    done = enrolled("login", service="http://127.0.0.1:1")
    assert done.returncode == 2
    assert "connect" in done.stderr


def test_what_needs_an_earlier_step_says_so(run):
    for command in ("login", "whoami", "refresh", "logout", "unenroll"):
        done = run(command)
        assert done.returncode in (1, 2) and done.stderr, command
    assert run("enroll").returncode == 2


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_the_key_and_the_state_are_for_their_owner_only(run, shared, tmp_path, kind):
    done = run("enroll", "--key", kind, "--emulator", shared.emulator.url,
               "--emulator-ca", shared.emulator.ca_file)
    assert done.returncode == 0, done.stderr
    for name in ("key.pem", "state.json"):
        assert stat.S_IMODE((tmp_path / "phone" / name).stat().st_mode) == 0o600
    assert run("login").returncode == 0


def test_the_first_token_can_come_from_a_file(run, shared, tmp_path):
    user = shared.emulator.make_user()["user_id"]
    file = tmp_path / "token"
    file.write_text(shared.emulator.login(user)["access_token"] + "\n")
    assert run("enroll", "--token-file", file).returncode == 0
    assert json.loads((tmp_path / "phone" / "state.json").read_text())["user_id"] == user


def test_exchanges_are_shown_without_tokens(enrolled, tmp_path):
    done = enrolled("login", "--json")
    start, authenticate = exchanges(done)
    assert (start["path"], start["status"]) == ("/v1/biometrics/start", 200)
    assert (authenticate["path"], authenticate["status"]) == ("/v1/biometrics/authenticate", 200)
    state = json.loads((tmp_path / "phone" / "state.json").read_text())
    shown = done.stdout + enrolled("refresh").stdout
    for secret in ("access_token", "id_token", "refresh_token", "session", "challenge"):
        assert state[secret] not in shown


def test_each_way_to_cheat_is_refused(enrolled):
    assert enrolled("login").returncode == 0
    for arguments, code in ((["--reuse-challenge"], "challenge_used"),
                            (["--tamper", "signature"], "authentication_failed"),
                            (["--tamper", "challenge"], "authentication_failed")):
        done = enrolled("login", "--json", *arguments)
        assert done.returncode == 1
        assert exchanges(done)[-1]["answer"]["code"] == code
    done = enrolled("approve", "--data", "sum=200", "--tamper", "approval", "--json")
    assert done.returncode == 1
    assert exchanges(done)[-1]["answer"]["code"] == "authentication_failed"


def test_approved_data_is_compared_with_what_came_back(enrolled):
    done = enrolled("approve", "--data", "sum=200", "--data", "payee=bank.42")
    assert done.returncode == 0
    assert "came back unchanged" in done.stdout
