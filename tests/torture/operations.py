# SPDX-License-Identifier: Apache-2.0
"""The nine operations of the API as the torture runs them: each with its happy path and with paths on
which it must refuse. A path prepares a request on a calm service, and knows the one status that the
calm service answers it with."""
import base64
import dataclasses
import hashlib
import http.client
import json
import secrets
import socket

from harness.device import DeviceKey, unique
from harness.emulator import Emulator
from harness.service import Service
from harness.stopping import stop_all

REQUEST_TIMEOUT_MS = 2000
# A machine under load takes the processor away; an answer that never comes takes longer still.
PATIENCE_S = 12.0

# One worker, so that the k-th allocation of a request is the same one each time; no limits on callers.
SETTINGS = {
    "BFF_WORKERS": "1", "BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
    "BFF_UPSTREAM_MAX_CONNECTIONS": "1", "BFF_REFRESH_REPLAY_S": "0",
    "BFF_OPERATOR_LISTEN": "127.0.0.1:0", "BFF_REQUEST_TIMEOUT_MS": str(REQUEST_TIMEOUT_MS),
}


@dataclasses.dataclass
class Request:
    method: str
    path: str
    document: object = None
    token: str = None
    operator: bool = False


@dataclasses.dataclass
class Outcome:
    """What came of a request. kind: answer, closed (the connection ended without one), hung."""
    kind: str
    status: int = 0
    body: bytes = b""
    content_type: str = ""

    @property
    def problem(self):
        if not self.content_type.startswith("application/problem+json"):
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self):
        return f"{self.kind} {self.status} {self.body[:200]!r}" if self.kind == "answer" else self.kind


class World:
    """An emulator, a service with the torture library in it, a user with an enrolled device."""

    def __init__(self, directory, control, settings=None):
        self.control = control
        self.emulator = Emulator(directory)
        self.emulator._client.keep_alive = True
        self.emulator.settings(keys_per_user_max=1000000)
        self.operator_key = secrets.token_urlsafe(32)
        (directory / "operators").write_text(f"ops:{hashlib.sha256(self.operator_key.encode()).hexdigest()}\n")
        (directory / "seal").write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        self.config = {**SETTINGS, "BFF_OPERATOR_KEYS_FILE": directory / "operators",
                       "BFF_SEAL_KEYS_FILE": directory / "seal", **control.environment, **(settings or {})}
        self.directory = directory
        self.service = Service(directory, self.emulator, self.config)
        self.public = self.service.address("public")
        self.operators = self.service.address("operator")
        self._people()

    def _people(self):
        self.user = self.emulator.make_user(email=f"{unique('user')}@example.com", face=True)["user_id"]
        self.other = self.emulator.make_user(email=f"{unique('user')}@example.com")["user_id"]
        self.key = DeviceKey("ec")
        self.token = self.emulator.login(self.user)["access_token"]
        self.other_token = self.emulator.login(self.other)["access_token"]
        self.stranger = self.emulator.sign({"sub": self.user}, {"alg": "RS256", "kid": "nobody's"}, "other")
        self.expect(self.registration(self.key, self.token), 201)
        self.login = json.loads(self.expect(self.authentication(self.challenge()), 200).body)
        key = DeviceKey("ec")
        self.expect(self.registration(key, self.other_token), 201)
        self.other_login = json.loads(self.expect(
            self.authentication(self.challenge(self.other), user=self.other, key=key), 200).body)

    def stop(self):
        stop_all([self.service, self.emulator])

    # ---- requests

    def send(self, request):
        address = self.operators if request.operator else self.public
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S + REQUEST_TIMEOUT_MS / 1000)
        headers = {"Authorization": f"Bearer {request.token}"} if request.token else {}
        body = None
        if request.document is not None:
            body = json.dumps(request.document).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(request.method, request.path, body=body, headers=headers)
            came = connection.getresponse()
            return Outcome("answer", came.status, came.read(), came.headers.get("Content-Type") or "")
        except socket.timeout:
            return Outcome("hung")
        except (OSError, http.client.HTTPException):
            return Outcome("closed")
        finally:
            connection.close()

    def expect(self, request, status):
        outcome = self.send(request)
        assert outcome.status == status, f"{request.method} {request.path} wanted {status}: {outcome}"
        return outcome

    def start(self, user=None, **members):
        return Request("POST", "/v1/biometrics/start", {"user_id": user or self.user, **members})

    def challenge(self, user=None, **members):
        return json.loads(self.expect(self.start(user, **members), 200).body)

    def authentication(self, started, user=None, key=None, **members):
        key = key or self.key
        return Request("POST", "/v1/biometrics/authenticate", {
            "challenge_id": started["challenge_id"], "user_id": user or self.user, "key_id": key.key_id,
            "signature": key.sign(started["challenge"]), **members})

    def registration(self, key, token, **members):
        return Request("POST", "/v1/biometrics/register", {
            "key_id": key.key_id, "public_key": key.public_base64(), "key_type": key.kind, "os": "android",
            **members}, token=token)


# ---- the paths: each takes the world and gives the request that is going to be tortured


def _forged(token):
    """The same token with another signature."""
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{signature[:40]}{'A' if signature[40] != 'A' else 'B'}{signature[41:]}"


def _refresh(world, **members):
    session = world.emulator.login(world.user)
    return Request("POST", "/v1/session/refresh", {"refresh_token": session["refresh_token"], **members})


def _logout(world, token=None, handle=None):
    return Request("POST", "/v1/session/logout", {"session": handle or world.login["session"]},
                   token=token or world.login["access_token"])


def _delete_a_key(world):
    key = DeviceKey("ec")
    world.expect(world.registration(key, world.token), 201)
    return Request("DELETE", f"/v1/biometrics/keys/{key.key_id}", token=world.token)


def _operator(world, key):
    return Request("POST", f"/v1/users/{world.user}/face/revoke", token=key, operator=True)


def _bad_signature(world):
    request = world.authentication(world.challenge())
    request.document["signature"] = DeviceKey("ec").sign("another challenge")
    return request


def _used_challenge(world):
    request = world.authentication(world.challenge())
    world.expect(request, 200)
    return request


def _vendor_gives(world, tokens):
    """The vendor accepts, but the tokens that it hands out are no good."""
    request = world.authentication(world.challenge(approval_data={"amount": "10"}))
    world.emulator.fault("authenticate", next=1000, tokens=tokens)
    return request


def _unknown_user(world):
    nobody = unique("nobody")
    return world.authentication(world.challenge(nobody), user=nobody)


def _refresh_with_bad_tokens(world):
    request = _refresh(world)
    world.emulator.fault("refresh", next=1000, tokens="wrong_key")
    return request


def _start_refused(world):
    world.emulator.fault("start", next=1000, status=400, body={"error_code": 400, "message": "no"})
    return world.start()


@dataclasses.dataclass(frozen=True)
class Path:
    operation: str
    name: str
    status: int  # the calm service's answer; a success anywhere else is an accept
    prepare: object
    scripted: bool = False  # the vendor has been told to misbehave, once

    @property
    def accepts(self):
        return self.status < 300

    def __str__(self):
        return f"{self.operation}, {self.name}"


PATHS = (
    Path("start", "happy", 200, lambda w: w.start()),
    Path("start", "refused by the vendor", 422, _start_refused, scripted=True),
    Path("authenticate", "happy", 200, lambda w: w.authentication(w.challenge())),
    Path("authenticate", "with approval data", 200,
         lambda w: w.authentication(w.challenge(approval_data={"amount": "10"}))),
    Path("authenticate", "bad signature", 401, _bad_signature),
    Path("authenticate", "used challenge", 409, _used_challenge),
    Path("authenticate", "another user's challenge", 409, lambda w: w.authentication(w.challenge(w.other))),
    Path("authenticate", "decoy", 401, _unknown_user),
    Path("authenticate", "token under a wrong key", 502, lambda w: _vendor_gives(w, "wrong_key"), scripted=True),
    Path("authenticate", "token of another user", 502, lambda w: _vendor_gives(w, "foreign_user"), scripted=True),
    Path("authenticate", "other approval data", 502, lambda w: _vendor_gives(w, "changed_approval"), scripted=True),
    Path("authenticate", "another user's session", 403,
         lambda w: w.authentication(w.challenge(), session=w.other_login["session"])),
    Path("register", "happy", 201, lambda w: w.registration(DeviceKey("ec"), w.token)),
    Path("register", "with a challenge", 201,
         lambda w: w.registration(DeviceKey("ec"), w.token, challenge_id=w.challenge()["challenge_id"])),
    Path("register", "forged token", 401, lambda w: w.registration(DeviceKey("ec"), _forged(w.token))),
    Path("register", "another user's challenge", 409,
         lambda w: w.registration(DeviceKey("ec"), w.token, challenge_id=w.challenge(w.other)["challenge_id"])),
    Path("delete key", "happy", 204, _delete_a_key),
    Path("delete key", "forged token", 401,
         lambda w: Request("DELETE", f"/v1/biometrics/keys/{w.key.key_id}", token=_forged(w.token))),
    Path("face revoke", "happy", 204, lambda w: Request("POST", "/v1/face/revoke", token=w.token)),
    Path("face revoke", "forged token", 401, lambda w: Request("POST", "/v1/face/revoke", token=_forged(w.token))),
    Path("session", "happy", 200, lambda w: Request("GET", "/v1/session", token=w.token)),
    Path("session", "forged token", 401, lambda w: Request("GET", "/v1/session", token=_forged(w.token))),
    Path("session", "forged token's kid", 401, lambda w: Request("GET", "/v1/session", token=w.stranger)),
    Path("refresh", "happy", 200, _refresh),
    Path("refresh", "unknown refresh token", 401,
         lambda w: Request("POST", "/v1/session/refresh", {"refresh_token": unique("unknown-refresh-token")})),
    Path("refresh", "another user's session", 403, lambda w: _refresh(w, session=w.other_login["session"])),
    Path("refresh", "token under a wrong key", 502, _refresh_with_bad_tokens, scripted=True),
    Path("logout", "happy", 204, _logout),
    Path("logout", "forged token", 401, lambda w: _logout(w, token=_forged(w.token))),
    Path("logout", "another user's session", 403, lambda w: _logout(w, handle=w.other_login["session"])),
    Path("operator face revoke", "happy", 204, lambda w: _operator(w, w.operator_key)),
    Path("operator face revoke", "wrong key", 401, lambda w: _operator(w, w.operator_key[:-1] + "~")),
)
