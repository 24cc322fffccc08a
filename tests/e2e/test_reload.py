# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what changed is taken up without losing a request; what cannot be taken up is refused as a
whole, and the old configuration stays."""
import base64
import hashlib
import pathlib
import re
import signal
import threading

import pytest

from faults.marks import row
from harness import seal
from harness.background import InBackground
from harness.device import unique
from harness.hostile import Reply
from harness.paths import SANITIZER
from harness.reloadable import base64_lines
from harness.tls import Authority
from harness.waiting import until
from torture import control as torture

LARGE = {"approval_data": {f"text{n}": "x" * 200 for n in range(7)}}  # of a start: over 1024 bytes
KEY_A, KEY_B = b"A" * 32, b"B" * 32


# ---- the whole


def test_a_new_limit_is_taken_up(reloadable, hostile):
    bff = reloadable(hostile, BFF_MAX_BODY_BYTES=1024)
    assert bff.start(**LARGE).status == 413
    assert bff.start().status == 200
    done = bff.reload(BFF_MAX_BODY_BYTES=4096)
    assert (done["event.outcome"], done["config.changed"]) == ("success", "BFF_MAX_BODY_BYTES")
    assert bff.start(**LARGE).status == 200
    assert bff.service.metric("bff_config_reload_total", result="ok") == 1
    bff.reload(BFF_MAX_BODY_BYTES=1024)
    assert bff.start(**LARGE).status == 413


@row("FP03")
def test_an_invalid_configuration_is_refused_and_the_old_one_stays(reloadable, hostile):
    bff = reloadable(hostile, BFF_MAX_BODY_BYTES=1024, BFF_LOG_LEVEL="info")
    loaded_at = bff.service.metric("bff_config_loaded_timestamp_seconds")
    failed = bff.reload(BFF_MAX_BODY_BYTES=4096, BFF_LOG_LEVEL="loud")
    assert failed["event.outcome"] == "failure"
    assert failed["log.level"] == "error"
    assert re.search(r'BFF_LOG_LEVEL: value "loud" \(.*bff\.conf:2\)', failed["error.reason"])
    assert bff.start(**LARGE).status == 413
    assert bff.service.metric("bff_config_reload_total", result="refused") == 1
    assert bff.service.metric("bff_config_loaded_timestamp_seconds") == loaded_at
    assert bff.service.management().get("/readyz").status == 200
    assert bff.reload(BFF_MAX_BODY_BYTES=4096, BFF_LOG_LEVEL="info")["event.outcome"] == "success"


def test_a_change_that_needs_a_restart_is_refused_as_a_whole(reloadable, hostile):
    bff = reloadable(hostile, BFF_MAX_BODY_BYTES=1024, BFF_USED_CHALLENGES_MAX=1000)
    failed = bff.reload(BFF_MAX_BODY_BYTES=4096, BFF_USED_CHALLENGES_MAX=2000)
    assert failed["event.outcome"] == "failure"
    assert failed["error.reason"].startswith('BFF_USED_CHALLENGES_MAX: value "2000"')
    assert failed["error.reason"].endswith("a change of it needs a restart")
    assert bff.start(**LARGE).status == 413


def test_nothing_changed_is_a_good_reload(reloadable, hostile):
    bff = reloadable(hostile, BFF_LOG_LEVEL="info")
    token_calls = len(hostile.calls("token"))
    done = bff.reload()
    assert done["event.outcome"] == "success"
    assert done["config.changed"] == ""
    assert bff.start().status == 200
    assert len(hostile.calls("token")) == token_calls
    assert hostile.open_count() >= 1  # the pool was kept


def test_files_whose_contents_changed_are_named_and_those_that_were_written_again_are_not(reloadable, hostile, tmp_path):
    secret, keys, ca = (tmp_path / name for name in ("secret", "seal.keys", "ca.pem"))
    secret.write_text("first-secret-of-ours\n")
    keys.write_text(base64_lines(KEY_A))
    ca.write_bytes(hostile.ca_file.read_bytes())
    bff = reloadable(hostile, config={"BFF_CLIENT_SECRET": None, "BFF_UPSTREAM_CA_FILE": ca},
                     BFF_CLIENT_SECRET_FILE=secret, BFF_SEAL_KEYS_FILE=keys)
    secret.write_text("second-secret-of-ours\n")
    keys.write_text(base64_lines(KEY_A))
    assert bff.reload()["config.changed"] == "BFF_CLIENT_SECRET_FILE"
    keys.write_text(base64_lines(KEY_B, KEY_A))
    ca.write_bytes(ca.read_bytes() + Authority(tmp_path, "another").ca_file.read_bytes())
    assert bff.reload()["config.changed"] == "BFF_UPSTREAM_CA_FILE BFF_SEAL_KEYS_FILE"
    assert bff.reload()["config.changed"] == ""


def test_the_log_level_is_taken_up(reloadable, hostile):
    bff = reloadable(hostile, BFF_LOG_LEVEL="info")
    api = bff.service.client()

    def start_is_logged():
        request = api.post("/v1/biometrics/start", {"user_id": unique("user")}).headers["X-Request-Id"]
        bff.reload()  # whose line comes behind, and at every level
        return request in bff.service.output

    assert start_is_logged()
    assert bff.reload(BFF_LOG_LEVEL="error")["config.changed"] == "BFF_LOG_LEVEL"
    assert not start_is_logged()
    assert bff.reload(BFF_LOG_LEVEL="info")["config.changed"] == "BFF_LOG_LEVEL"
    assert start_is_logged()


def test_rates_are_taken_up(reloadable, hostile):
    bff = reloadable(hostile, BFF_RATE_PER_USER="1/h")
    api = bff.service.client()
    user = {"user_id": unique("user")}
    assert [api.post("/v1/biometrics/start", user).status for _ in range(2)] == [200, 429]
    bff.reload(BFF_RATE_PER_USER="0")
    assert [api.post("/v1/biometrics/start", user).status for _ in range(3)] == [200] * 3


# ---- requests under way


def test_a_request_under_way_is_finished_whatever_is_exchanged(reloadable, hostile, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pathlib.Path(hostile.ca_file).read_bytes())
    bff = reloadable(hostile, BFF_UPSTREAM_CA_FILE=ca, BFF_MAX_IN_FLIGHT=100)
    release = threading.Event()
    hostile.on("start", Reply(document={"challenge": "c2lnbi10aGlz"}, hold=release), times=1)
    request = InBackground(bff.start)
    hostile.wait_calls("start")
    for number in range(3):
        ca.write_bytes(ca.read_bytes() + b"# another text\n")
        assert bff.reload(BFF_UPSTREAM_CA_FILE=ca, BFF_MAX_IN_FLIGHT=101 + number)["event.outcome"] == "success"
        assert bff.start().status == 200
    release.set()
    assert request.answer().status == 200


@row("FP03")
def test_hundreds_of_reloads_under_load_fail_nobody_and_leave_nothing(reloadable, hostile, tmp_path):
    ca = tmp_path / "ca.pem"
    good = pathlib.Path(hostile.ca_file).read_bytes()
    ca.write_bytes(good)
    bff = reloadable(hostile, BFF_UPSTREAM_CA_FILE=ca, BFF_RATE_PER_USER="1000/s",
                     config={"BFF_UPSTREAM_MAX_PER_SECOND": 0})
    done = threading.Event()

    def app():
        client = bff.service.client(keep_alive=True)
        statuses = []
        while not done.is_set():
            statuses.append(client.post("/v1/biometrics/start", {"user_id": unique("user")}).status)
        client.close()
        return statuses

    apps = [InBackground(app) for _ in range(4)]

    def reloads(count):
        for number in range(count):
            ca.write_bytes(good + b"# %d\n" % number)
            assert bff.reload(BFF_UPSTREAM_CA_FILE=ca, BFF_RATE_PER_USER=f"{1000 + number}/s")[
                "event.outcome"] == "success"

    reloads(50)
    before = anonymous_kib(bff.service.pid)
    reloads(150)
    after = anonymous_kib(bff.service.pid)
    done.set()
    statuses = [status for each in apps for status in each.answer()]
    assert set(statuses) == {200}
    assert len(statuses) > 200
    if SANITIZER == "none":  # a sanitizer keeps freed memory for a while
        assert after - before < 1024, (before, after)
    until(lambda: hostile.open_count() <= 8, "the pools of former trust are closed")


def anonymous_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB$", status, re.M).group(1))


# ---- credentials


def test_a_new_client_secret_fetches_a_token_and_the_old_one_serves_until_then(reloadable, hostile, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("first-secret-of-ours\n")
    bff = reloadable(hostile, BFF_CLIENT_SECRET_FILE=secret, config={"BFF_CLIENT_SECRET": None})
    assert hostile.calls("token")[-1].form["client_secret"] == "first-secret-of-ours"
    assert bff.start().status == 200
    old = hostile.calls("start")[-1].bearer

    release = threading.Event()
    hostile.on("token", lambda call: Reply(hold=release, document={
        "access_token": "new-token", "token_type": "Bearer", "expires_in": 3600}))
    secret.write_text("second-secret-of-ours\n")
    assert bff.reload()["event.outcome"] == "success"
    call = hostile.wait_calls("token", 2)[-1]
    assert call.form["client_secret"] == "second-secret-of-ours"
    assert bff.start().status == 200
    assert hostile.calls("start")[-1].bearer == old
    release.set()
    until(lambda: bff.start().status == 200 and hostile.calls("start")[-1].bearer == "new-token",
          "the new token is used")
    assert "secret-of-ours" not in bff.service.output


@row("FK07")
def test_a_fetch_under_way_with_old_credentials_is_given_up(reloadable, hostile, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("first-secret-of-ours\n")
    release = threading.Event()

    def reply(call):
        first = call.form["client_secret"] == "first-secret-of-ours"
        return Reply(hold=release if first else None, document={
            "access_token": "old-token" if first else "new-token",
            "token_type": "Bearer", "expires_in": 3600})

    hostile.on("token", reply)
    bff = reloadable(hostile, wait_ready=False, BFF_CLIENT_SECRET_FILE=secret,
                     config={"BFF_CLIENT_SECRET": None})
    hostile.wait_calls("token")
    secret.write_text("second-secret-of-ours\n")
    bff.reload()
    bff.service.wait_event("service.ready")
    release.set()
    assert bff.start().status == 200
    assert {call.bearer for call in hostile.calls("start")} == {"new-token"}


class Secrets:
    """A vendor that accepts some client secrets and no others."""

    def __init__(self, vendor, path, *good, life_s=3600):
        self.vendor, self.path, self.good, self.life_s = vendor, path, set(good), life_s
        vendor.on("token", self._reply)
        self.write(*good[:1])

    def _reply(self, call):
        secret = call.form["client_secret"]
        if secret not in self.good:
            return Reply(401, {"error": "invalid_client"})
        return Reply(document={"access_token": f"by-{secret}", "token_type": "Bearer", "expires_in": self.life_s})

    def write(self, secret):
        self.path.write_text(secret + "\n")

    def sent(self):
        return [call.form["client_secret"] for call in self.vendor.calls("token")]


@row("FK07")
def test_a_new_secret_that_is_refused_leaves_the_old_one_in_use_until_a_good_one_comes(
        reloadable, hostile, tmp_path):
    secrets = Secrets(hostile, tmp_path / "secret", "first-secret", life_s=2)
    bff = reloadable(hostile, watch=True, BFF_CLIENT_SECRET_FILE=secrets.path,
                     config={"BFF_CLIENT_SECRET": None})
    secrets.write("wrong-secret")
    refused = bff.service.wait_event("token.credentials_refused", token_client="client")
    assert "401 invalid_client" in refused["error.reason"]
    assert refused["log.level"] == "error"
    assert bff.service.metric("bff_token_credentials_pending", client="client") == 1
    tried = len(secrets.sent())
    until(lambda: secrets.sent()[tried:].count("first-secret") >= 2, "the old secret renews its token")
    assert "wrong-secret" not in secrets.sent()[tried:]  # there is a pause of half a minute
    assert bff.start().status == 200
    assert bff.service.management().get("/readyz").status == 200

    secrets.good.add("second-secret")
    secrets.write("second-secret")
    bff.service.wait_event("token.credentials_accepted", token_client="client")
    assert bff.service.metric("bff_token_credentials_pending") == 0
    accepted = secrets.sent().index("second-secret")
    until(lambda: len(secrets.sent()) > accepted + 2, "the new secret renews its token")
    assert set(secrets.sent()[accepted:]) == {"second-secret"}
    until(lambda: bff.start().status == 200 and hostile.calls("start")[-1].bearer == "by-second-secret",
          "the new token is used")


def test_a_secret_that_the_vendor_learns_of_late_is_taken_up_by_the_next_signal(reloadable, hostile, tmp_path):
    secrets = Secrets(hostile, tmp_path / "secret", "first-secret")
    bff = reloadable(hostile, BFF_CLIENT_SECRET_FILE=secrets.path, config={"BFF_CLIENT_SECRET": None})
    secrets.write("second-secret")
    bff.reload()
    bff.service.wait_event("token.credentials_refused")
    secrets.good = {"second-secret"}
    bff.reload()
    bff.service.wait_event("token.credentials_accepted")


def test_the_old_secret_again_ends_the_trial_of_a_new_one(reloadable, hostile, tmp_path):
    secrets = Secrets(hostile, tmp_path / "secret", "first-secret")
    bff = reloadable(hostile, BFF_CLIENT_SECRET_FILE=secrets.path, config={"BFF_CLIENT_SECRET": None})
    secrets.write("wrong-secret")
    bff.reload()
    bff.service.wait_event("token.credentials_refused")
    secrets.write("first-secret")
    bff.reload()
    until(lambda: bff.service.metric("bff_token_credentials_pending") == 0, "the end of the trial")
    assert secrets.sent() == ["first-secret", "wrong-secret"]


def test_before_any_token_came_a_new_secret_takes_the_place_of_the_old_at_once(reloadable, hostile, tmp_path):
    secrets = Secrets(hostile, tmp_path / "secret", "right-secret")
    secrets.write("wrong-secret")
    bff = reloadable(hostile, wait_ready=False, BFF_CLIENT_SECRET_FILE=secrets.path,
                     config={"BFF_CLIENT_SECRET": None})
    bff.service.wait_event("token.fetch_failed")
    secrets.write("right-secret")
    bff.reload()
    bff.service.wait_event("service.ready")


# ---- keys and certificates


def authenticate(bff, hostile, challenge_id, user_id):
    return bff.service.client().post("/v1/biometrics/authenticate", {
        "challenge_id": challenge_id, "user_id": user_id, "key_id": "key-1",
        "signature": base64.b64encode(b"signature").decode()})


def test_sealing_keys_come_and_go(reloadable, hostile, tmp_path):
    keys = tmp_path / "seal.keys"
    keys.write_text(base64_lines(KEY_A))
    bff = reloadable(hostile, BFF_SEAL_KEYS_FILE=keys)

    def opens(key):
        user = unique("user")
        answer = authenticate(bff, hostile, seal.challenge(key, user), user)
        return answer.status == 200

    assert (opens(KEY_A), opens(KEY_B)) == (True, False)
    keys.write_text(base64_lines(KEY_B, KEY_A))
    bff.reload()
    assert (opens(KEY_A), opens(KEY_B)) == (True, True)
    made = base64.urlsafe_b64decode(bff.start().json["challenge_id"] + "==")
    assert made[1:9] == hashlib.sha256(KEY_B).digest()[:8]  # the first key seals
    keys.write_text(base64_lines(KEY_B))
    bff.reload()
    assert (opens(KEY_A), opens(KEY_B)) == (False, True)
    keys.write_text("not a key\n")
    failed = bff.reload()
    assert failed["event.outcome"] == "failure"
    assert "BFF_SEAL_KEYS_FILE" in failed["error.reason"]
    assert opens(KEY_B)


def test_without_a_file_handles_survive_a_reload(reloadable, hostile):
    bff = reloadable(hostile, BFF_LOG_LEVEL="info")
    user = unique("user")
    started = bff.start(user_id=user).json
    bff.reload()
    assert authenticate(bff, hostile, started["challenge_id"], user).status == 200


def test_a_certificate_authority_that_goes_is_trusted_no_longer(reloadable, hostile, tmp_path):
    ca = tmp_path / "ca.pem"
    good = pathlib.Path(hostile.ca_file).read_bytes()
    other = Authority(tmp_path, "other-ca").ca_file.read_bytes()
    ca.write_bytes(good)
    bff = reloadable(hostile, BFF_UPSTREAM_CA_FILE=ca)
    assert bff.start().status == 200
    ca.write_bytes(other)
    bff.reload()
    # Also not over the connection of the pool, which is open still.
    calls = len(hostile.calls("start"))
    assert bff.start().status == 503
    assert len(hostile.calls("start")) == calls
    ca.write_bytes(other + good)
    bff.reload()
    assert bff.start().status == 200


def test_operator_keys_are_read_again(reloadable, hostile, tmp_path):
    def line(key):
        return f"ops:{hashlib.sha256(key.encode()).hexdigest()}\n"

    keys = tmp_path / "operators"
    keys.write_text(line("first-operator-key"))
    bff = reloadable(hostile, BFF_OPERATOR_KEYS_FILE=keys, config={"BFF_OPERATOR_LISTEN": "127.0.0.1:0"})

    def status(key):
        return bff.service.operator().request(
            "POST", "/v1/users/user-1/face/revoke", token=key).status

    assert (status("first-operator-key"), status("second-operator-key")) == (204, 401)
    keys.write_text(line("second-operator-key"))
    bff.reload()
    assert (status("first-operator-key"), status("second-operator-key")) == (401, 204)


def test_verification_rules_hold_for_tokens_that_are_remembered(reloadable, hostile):
    bff = reloadable(hostile, BFF_ACCESS_TOKEN_AUDIENCES="userid-api")
    token = hostile.access_token("user-1")
    client = bff.service.client()
    path = "/v1/biometrics/keys/key-1"
    assert [client.delete(path, token=token).status for _ in range(4)] == [204] * 4
    bff.reload(BFF_ACCESS_TOKEN_AUDIENCES="something-else")
    assert [client.delete(path, token=token).status for _ in range(4)] == [401] * 4


# ---- memory


@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's runtime must be the first library")
def test_memory_that_is_out_refuses_a_reload_and_nothing_else(reloadable, hostile, tmp_path):
    """Each allocation of the main thread fails once."""
    control = torture.Control(tmp_path)
    bff = reloadable(hostile, BFF_LOG_LEVEL="info", config={**control.environment, "BFF_WORKERS": 1})
    outcomes = []
    for k in range(1, 400):
        control.fail_allocations(torture.ONE, k, "biometrics-bff")
        outcomes.append(bff.reload()["event.outcome"])
        failed = control.shared.allocations.failed
        control.relieve()
        if not failed:
            break
    assert outcomes.count("failure") > 100
    assert not failed
    assert bff.start().status == 200
    assert bff.reload()["event.outcome"] == "success"


# ---- signals that come together


def pause(service):
    """Signals that come now wait until SIGCONT."""
    service.signal(signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{service.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the service stands still")


def test_a_signal_to_end_goes_before_a_reload(reloadable, hostile):
    bff = reloadable(hostile, BFF_LOG_LEVEL="info")
    pause(bff.service)
    bff.service.signal(signal.SIGHUP)
    bff.service.signal(signal.SIGTERM)
    bff.service.signal(signal.SIGCONT)
    assert bff.service.wait() == 0
    assert not bff.outcomes()


def test_reloads_that_come_together_are_one(reloadable, hostile):
    bff = reloadable(hostile, BFF_MAX_BODY_BYTES=1024)
    bff.write(BFF_MAX_BODY_BYTES=4096)
    pause(bff.service)
    for _ in range(5):
        bff.service.signal(signal.SIGHUP)
    bff.service.signal(signal.SIGCONT)
    bff.service.wait_event("config.reload", config_changed="BFF_MAX_BODY_BYTES")
    assert bff.start(**LARGE).status == 200
    assert bff.service.metric("bff_config_reload_total") == 1


def test_a_reload_while_it_drains_is_ignored(reloadable, hostile):
    bff = reloadable(hostile, BFF_DRAIN_DELAY_S=60)
    bff.service.signal(signal.SIGTERM)
    bff.service.wait_event("service.draining")
    ignored = bff.reload(BFF_DRAIN_DELAY_S=1)
    assert ignored["event.outcome"] == "failure"
    assert bff.service.metric("bff_config_reload_total", result="ignored") == 1
    bff.service.signal(signal.SIGTERM)
    assert bff.service.wait() == 0
