# SPDX-License-Identifier: Apache-2.0
"""A service in front of an upstream that the test has in its hands: what the vendor got is there to
the byte, and what it answers is the test's choice. The limits on callers are off."""
import base64
import hashlib
import secrets

from .device import _present, unique
from .hostile import Hostile
from .service import Service
from .stopping import stop_all

SIGNATURE = "c2lnbmF0dXJl"  # this vendor checks none


class Scene:
    def __init__(self, directory, vendor=None):
        self.directory = directory
        self.vendor = vendor or Hostile(directory)
        self.operator_key = secrets.token_urlsafe(32)
        self.seal_key = secrets.token_bytes(32)
        (directory / "operators").write_text(f"ops:{hashlib.sha256(self.operator_key.encode()).hexdigest()}\n")
        (directory / "seal").write_text(base64.b64encode(self.seal_key).decode() + "\n")
        self._services = {}
        self.service = self.other("plain")
        self.api = self.service.client()

    def other(self, name, wait_ready=True, wrap=None, **config):
        """The service of that name with other settings, started at its first use."""
        if name not in self._services:
            directory = self.directory / name
            directory.mkdir()
            self._services[name] = Service(directory, self.vendor, {
                "BFF_OPERATOR_LISTEN": "127.0.0.1:0", "BFF_OPERATOR_KEYS_FILE": self.directory / "operators",
                "BFF_SEAL_KEYS_FILE": self.directory / "seal", "BFF_RATE_PER_USER": "0",
                "BFF_LOCKOUT_FAILURES": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
                "BFF_UPSTREAM_BREAKER_FAILURES": "0", "BFF_UPSTREAM_REPEATS_PERCENT": "100", **config},
                wait_ready=wait_ready, wrap=wrap)
        return self._services[name]

    def calm(self):
        """The vendor behaves again and has seen nothing."""
        self.vendor.behave()
        self.vendor.forget_calls()

    def stop(self):
        stop_all([*self._services.values(), self.vendor])

    # ---- the calls of an app ----

    def user(self):
        return unique("user")

    def start(self, user_id=None, api=None, **members):
        return (api or self.api).post("/v1/biometrics/start", _present({"user_id": user_id, **members}))

    def started(self, user_id=None, **members):
        answer = self.start(user_id, **members)
        assert answer.status == 200, answer
        return answer.json

    def authenticate(self, started, user_id, api=None, headers=None, **members):
        document = {"challenge_id": started["challenge_id"], "user_id": user_id, "key_id": "key-1",
                    "signature": SIGNATURE, **members}
        return (api or self.api).post("/v1/biometrics/authenticate", _present(document), headers=headers)

    def login(self, user_id, **members):
        answer = self.authenticate(self.started(user_id), user_id, **members)
        assert answer.status == 200, answer
        return answer.json

    def the_call(self, operation):
        """The one call of the operation that the vendor got."""
        calls = self.vendor.calls(operation)
        assert len(calls) == 1, f"{len(calls)} calls of {operation}"
        return calls[0]


def pointers(answer):
    return {error["pointer"] for error in answer.json.get("errors", [])}


def assert_problem(answer, status, code, retry=None):
    assert (answer.status, answer.code) == (status, code), answer
    if retry is not None:
        assert answer.json["retry"] == retry, answer
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
