# SPDX-License-Identifier: Apache-2.0
"""A handle as another replica with the same sealing key would make it: for ages and contents that
the service itself would not make while a test waits."""
import base64
import hashlib
import hmac
import os
import struct
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION, CHALLENGE, SESSION = 1, 1, 2
_ABSENT = struct.pack(">H", 0xFFFF)


def _text(value):
    if value is None:
        return _ABSENT
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _box(key, purpose, plain):
    key_id, nonce = hashlib.sha256(key).digest()[:8], os.urandom(24)
    derived = hmac.new(key, nonce[:12], hashlib.sha256).digest()
    sealed = AESGCM(derived).encrypt(nonce[12:], plain, bytes([_VERSION, purpose]) + key_id)
    return base64.urlsafe_b64encode(bytes([_VERSION]) + key_id + nonce + sealed).rstrip(b"=").decode()


def challenge(key, user_id, challenge_text="a-challenge", expires_in_s=120, started_ago_s=0, device_id=None):
    now = int(time.time())
    times = struct.pack(">QQ", now - started_ago_s, now + expires_in_s)
    texts = (challenge_text, user_id, None, None, device_id, None)
    return _box(key, CHALLENGE, b"\0" + os.urandom(16) + times + b"".join(map(_text, texts)))


def session(key, session_id, user_id):
    return _box(key, SESSION, struct.pack(">Q", int(time.time())) + _text(session_id) + _text(user_id))
