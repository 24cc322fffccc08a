# SPDX-License-Identifier: Apache-2.0
"""Secrets must not show. Every service that a test starts is watched: its log (whatever the level), its
metrics, the answers to its clients, its command line and its environment. A hit fails the test."""
import base64
import json
import re

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_SECRET_SETTINGS = ("BFF_CLIENT_SECRET", "BFF_ADMIN_CLIENT_SECRET")

# A shorter value could stand in an innocent text.
_SHORTEST = 8

_noted = set()


class SecretShown(AssertionError):
    """Names where it was, and of the secret no more than what kind it is."""


def note(value):
    """A text that no log line may carry: a token, a handle, a key."""
    if isinstance(value, str) and len(value) >= _SHORTEST:
        _noted.add(value)


def note_session(document):
    """What a session hands out is for the app alone."""
    for name in ("access_token", "id_token", "refresh_token", "session"):
        note(document.get(name))


def secrets_of(settings):
    """The secrets among a service's settings, files included."""
    found = [settings[name] for name in _SECRET_SETTINGS if settings.get(name)]
    for name in _SECRET_SETTINGS:
        path = settings.get(f"{name}_FILE")
        try:
            found += [open(path, encoding="utf-8").read().rstrip("\n")] if path else []
        except (OSError, UnicodeDecodeError):
            pass
    return [secret for secret in found if len(secret) >= _SHORTEST]


def check_text(text, settings, where):
    """A log or a scrape: no secret, no token, no key."""
    for secret in secrets_of(settings):
        if secret in text:
            raise SecretShown(f"{where} shows a secret of the configuration")
    if _JWT.search(text):
        raise SecretShown(f"{where} shows a signed token")
    if _PEM.search(text):
        raise SecretShown(f"{where} shows a private key")
    for value in _noted:
        if value in text:
            raise SecretShown(f"{where} shows a token, a handle or a key")


def _claims(token):
    part = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def check_answer(answer, settings):
    """An answer may carry the user's tokens, but no secret and none of the service's own tokens."""
    text = answer.body.decode("utf-8", "replace") + str(answer.headers)
    for secret in secrets_of(settings):
        if secret in text:
            raise SecretShown("an answer shows a secret of the configuration")
    if _PEM.search(text):
        raise SecretShown("an answer shows a private key")
    own = {settings.get("BFF_CLIENT_ID"), settings.get("BFF_ADMIN_CLIENT_ID")} - {None}
    for token in _JWT.findall(text):
        if _claims(token).get("sub") in own:
            raise SecretShown("an answer shows a token of the service itself")


def check_process(pid, settings):
    """Once it runs, the secrets are nowhere that another process of the machine could look."""
    for name in ("cmdline", "environ"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            content = file.read()
        for secret in secrets_of(settings):
            if secret.encode() in content:
                raise SecretShown(f"/proc/PID/{name} shows a secret of the configuration")
