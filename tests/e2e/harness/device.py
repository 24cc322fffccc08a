# SPDX-License-Identifier: Apache-2.0
"""A phone: a device key, and the calls that an app makes with it."""
import base64
import itertools
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from . import canaries
from .jose import rsa_private_key

_numbers = itertools.count(1)


def unique(prefix):
    """An id that no other test uses."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


class DeviceKey:
    def __init__(self, kind="ec", key_id=None):
        self.kind = kind
        self.key_id = key_id or unique("key")
        if kind == "ec":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = rsa_private_key(self.key_id)

    def public_der(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def public_base64(self):
        return base64.b64encode(self.public_der()).decode()

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, challenge):
        data = challenge.encode()
        if self.kind == "ec":
            signature = self.private.sign(data, ec.ECDSA(hashes.SHA256()))
        else:
            signature = self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()


class Phone:
    """One user on one device, talking to one service."""

    def __init__(self, service, emulator, kind="ec", user=None, device_id=None):
        self.api = service.client()
        self.emulator = emulator
        self.user = user or emulator.make_user(email=f"{unique('user')}@example.com")
        self.user_id = self.user["user_id"]
        self.device_id = device_id
        self.key = DeviceKey(kind)
        self.session = None
        self._token = None

    @property
    def token(self):
        """A user access token: of the last login, else one got by another method."""
        if self.session:
            return self.session["access_token"]
        if not self._token:
            session = self.emulator.login(self.user_id)
            canaries.note_session(session)
            self._token = session["access_token"]
        return self._token

    # ---- the calls, as they come back ----

    def register(self, **members):
        document = {"key_id": self.key.key_id, "public_key": self.key.public_base64(),
                    "key_type": self.key.kind, "os": "android", **members}
        return self.api.post("/v1/biometrics/register", _present(document), token=self.token)

    def start(self, **members):
        document = {"user_id": self.user_id, "device_id": self.device_id, **members}
        return self.api.post("/v1/biometrics/start", _present(document))

    def authenticate(self, started, **members):
        """started: the document that start answered."""
        document = {"challenge_id": started["challenge_id"], "user_id": self.user_id,
                    "key_id": self.key.key_id, "signature": self.key.sign(started["challenge"]),
                    "device_id": self.device_id, **members}
        return self.api.post("/v1/biometrics/authenticate", _present(document))

    def refresh(self, **members):
        document = {"refresh_token": self.session["refresh_token"], **members}
        return self.api.post("/v1/session/refresh", _present(document))

    def logout(self, **members):
        document = {"session": self.session["session"], **members}
        return self.api.post("/v1/session/logout", _present(document), token=self.token)

    def delete_key(self, key_id=None):
        return self.api.delete(f"/v1/biometrics/keys/{key_id or self.key.key_id}", token=self.token)

    def whoami(self):
        return self.api.get("/v1/session", token=self.token)

    # ---- whole stories, which must go well ----

    def enroll(self, **members):
        answer = self.register(**members)
        assert answer.status == 201, answer
        return self

    def started(self, **members):
        answer = self.start(**members)
        assert answer.status == 200, answer
        canaries.note(answer.json["challenge_id"])
        return answer.json

    def login(self, started=None, **members):
        answer = self.authenticate(started or self.started(), **members)
        assert answer.status == 200, answer
        self.session = answer.json
        canaries.note_session(self.session)
        return self.session


def _present(document):
    """Members given as None are left out."""
    return {name: value for name, value in document.items() if value is not None}
