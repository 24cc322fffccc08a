# SPDX-License-Identifier: Apache-2.0
"""The fixed script behind bench/instructions and bench/syscalls: the real service with one worker, the
emulator as its identity API, and requests that are the same in every run but for what is random by
design (handles, signatures, tokens), whose lengths do not change.

Everything random is made before the requests that count are sent: a list of requests is prepared, then
sent one after the other over one connection that stays open. The service sleeps before each, and the
emulator takes its time, so that how often the service wakes is no matter of chance."""
import itertools
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness.device import DeviceKey  # noqa: E402
from harness.emulator import Emulator  # noqa: E402
from harness.http import Client, RawConnection  # noqa: E402
from harness.paths import SERVICE  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.stopping import stop_all  # noqa: E402

OPERATIONS = ("start", "authenticate", "register", "session")
USER_ID = "user-0000000001"
# What a token costs depends on its letters.
SESSION_TOKENS = 10
KEY_ID = "key-of-the-device-0001"
# Of an ECDSA signature over P-256 with 71 bytes: about every second one.
SIGNATURE_BASE64_ENDING = "="
# Later than anything that the service does before it waits for the answer, even when it is slowed down.
UPSTREAM_DELAY_MS = 20
QUIET_LOOKS = 2
LOOK_EVERY_S = 0.002
IDLE_WITHIN_S = 60

SETTINGS = {
    "BFF_LISTEN": "127.0.0.1:0", "BFF_MANAGEMENT_LISTEN": "127.0.0.1:0", "BFF_WORKERS": "1", "BFF_LOG_FORMAT": "json",
    "BFF_DRAIN_DELAY_S": "0", "BFF_DRAIN_TIMEOUT_S": "1", "BFF_RATE_PER_USER": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
    # Tools that watch every instruction or system call slow the service down.
    "BFF_REQUEST_TIMEOUT_MS": "60000", "BFF_UPSTREAM_CONNECT_TIMEOUT_MS": "30000",
}


class Refused(Exception):
    """The service does not do what the script needs: the text says what."""


class Workload:
    """directory: an empty one for what the programs leave. wrap: the command in front of the service's."""

    def __init__(self, directory, wrap=(), tls=False, config=None):
        self.emulator = self.service = self.connection = None
        for name in ("emulator", "service"):
            (directory / name).mkdir()
        try:
            self.emulator = Emulator(directory / "emulator", tls=tls)
            settings = {**SETTINGS, **self.emulator.config(), **(config or {})}
            self.service = Process([*wrap, SERVICE, "serve"], directory / "service", env=settings, name="biometrics-bff")
            self.pid = self._event("service.starting")["process.pid"]
            self._event("service.ready")
            self.management = Client(*self._address("management"))
            self.connection = RawConnection(*self._address("public"), timeout_s=120)
            self.emulator.fault("*", next=1000000, delay_ms=UPSTREAM_DELAY_MS)
            self.emulator.make_user(user_id=USER_ID, email="ada@bank.example")
            self.numbers = itertools.count(1000)
            self.key = DeviceKey("ec", KEY_ID)
            self.send([self._register(self.key, self._token(USER_ID))])
            self.session_tokens = itertools.cycle([self._token(USER_ID) for _ in range(SESSION_TOKENS)])
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.connection:
            self.connection.close()
        stop_all([thing for thing in (self.service, self.emulator) if thing])

    def _event(self, action, **members):
        return self.service.wait_record(
            lambda record: record.get("event.action") == action and members.items() <= record.items(), action, 60)

    def _address(self, listener):
        ready = self._event("listener.ready", listener=listener)
        return ready["server.address"], ready["server.port"]

    # ---- requests ----

    def prepare(self, operation, count):
        """So many requests as bytes, ready to be sent."""
        return [getattr(self, f"_{operation}_request")() for _ in range(count)]

    def send(self, requests):
        """One after the other, each when the service sleeps again; the documents that came back."""
        documents = []
        for request in requests:
            documents.append(self._exchange(request))
            self.wait_idle(QUIET_LOOKS)
        return documents

    def _exchange(self, request):
        answer = self.connection.send(request).read_answer()
        if answer is None or answer.status not in (200, 201):
            raise Refused(f"{request.split(b' HTTP')[0].decode()}: {answer}; the service's last lines:\n"
                          + "\n".join(self.service.lines[-5:]))
        return answer.json

    def _start_request(self):
        return request_bytes("POST", "/v1/biometrics/start", {"user_id": USER_ID})

    def _authenticate_request(self):
        started = self._exchange(self._start_request())
        signature = self.key.sign(started["challenge"])
        while not signature.endswith(SIGNATURE_BASE64_ENDING) or signature.endswith("=="):
            signature = self.key.sign(started["challenge"])
        return request_bytes("POST", "/v1/biometrics/authenticate", {
            "challenge_id": started["challenge_id"], "user_id": USER_ID, "key_id": KEY_ID, "signature": signature})

    def _register_request(self):
        """Each of a user of its own, with a token that the service has not seen: an app registers once,
        after a login."""
        number = next(self.numbers)
        user = self.emulator.make_user(user_id=f"user-{number:010d}", email=f"a{number}@bank.example")
        return self._register(DeviceKey("ec", f"key-of-the-device-{number}"), self._token(user["user_id"]))

    def _token(self, user_id):
        return self.emulator.login(user_id)["access_token"]

    def _register(self, key, token):
        return request_bytes("POST", "/v1/biometrics/register", {
            "key_id": key.key_id, "public_key": key.public_base64(), "key_type": "ec", "os": "android"}, token)

    def _session_request(self):
        return request_bytes("GET", "/v1/session", token=next(self.session_tokens))

    # ---- the process ----

    def nudge(self):
        """Has the management thread do something; the worker goes on as it was."""
        self.management.get("/livez")

    def wait_idle(self, looks=10 * QUIET_LOOKS):
        """Until so many looks in a row found all threads of the service asleep."""
        quiet, deadline = 0, time.monotonic() + IDLE_WITHIN_S
        while quiet < looks:
            if time.monotonic() > deadline:
                raise Refused(f"the service was never idle for {IDLE_WITHIN_S} s")
            quiet = quiet + 1 if all(state == "S" for state in self._thread_states()) else 0
            time.sleep(LOOK_EVERY_S)

    def _thread_states(self):
        for stat in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat"):
            yield stat.read_text().rpartition(") ")[2][0]


def request_bytes(method, path, document=None, token=None):
    head = [f"{method} {path} HTTP/1.1", "Host: bff.bank.example", "Accept: application/json"]
    body = b"" if document is None else json.dumps(document).encode()
    if document is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if token is not None:
        head.append(f"Authorization: Bearer {token}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
