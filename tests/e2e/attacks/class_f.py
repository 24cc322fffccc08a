# SPDX-License-Identifier: Apache-2.0
"""F: what is not one compact JWS of three parts."""
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness import jose

from .case import FROM_VENDOR, Case, one_each


def _arranged(form):
    """The parts of a good token put together differently."""
    return lambda shop: form.format(*shop.parts())


def _jwe(header, wrapped):
    """A real encryption of a good token under a content key that `wrapped` hands over."""
    def make(shop):
        key, iv = os.urandom(32), os.urandom(12)
        protected = jose.part({**header, "enc": "A256GCM", "cty": "JWT", "kid": "key-1"})
        sealed = AESGCM(key).encrypt(iv, shop.sign().encode(), protected.encode())
        return ".".join([protected, jose.b64url(wrapped(shop, key)), jose.b64url(iv),
                         jose.b64url(sealed[:-16]), jose.b64url(sealed[-16:])])
    return make


def _rsa_oaep(shop, key):
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return shop.keys.rs.private.public_key().encrypt(key, oaep)


def _json_form(flat):
    def make(shop):
        header, payload, signature = shop.parts()
        signed = {"protected": header, "signature": signature}
        document = {"payload": payload, **signed} if flat else {"payload": payload, "signatures": [signed]}
        return json.dumps(document, separators=(",", ":"))
    return make


def _polyglot(shop):
    """JSON that also splits at dots into three parts."""
    header, payload, signature = shop.parts()
    return f'{{"protected":"{header}","payload":"{payload}","a":".{payload}.","signature":"{signature}"}}'


CASES = one_each("F", {
    "empty": lambda shop: "",
    "one-part": _arranged("{0}"),
    "two-parts": _arranged("{0}.{1}"),
    "no-signature": _arranged("{0}.{1}."),
    "four-parts": _arranged("{0}.{1}.{2}.{2}"),
    "six-parts": _arranged("{0}.{1}.{2}.{0}.{1}.{2}"),
    "trailing-dot": _arranged("{0}.{1}.{2}."),
    "leading-dot": _arranged(".{0}.{1}.{2}"),
    "double-dot": _arranged("{0}..{1}.{2}"),
    "only-dots-2": lambda shop: "..",
    "only-dots-4": lambda shop: "....",
    "no-header": _arranged(".{1}.{2}"),
    "no-payload": _arranged("{0}..{2}"),
    "parts-swapped": _arranged("{1}.{0}.{2}"),
    "jwe-rsa-oaep": _jwe({"alg": "RSA-OAEP-256"}, _rsa_oaep),
    "jwe-dir": _jwe({"alg": "dir"}, lambda shop, key: b""),
    "jwe-pbes2": _jwe({"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "p2s": "AAAA"},
                      lambda shop, key: bytes(40)),
    "json-general": _json_form(False),
    "json-flat": _json_form(True),
    "polyglot": _polyglot,
    "quoted": _arranged('"{0}.{1}.{2}"'),
    "bearer-inside": _arranged("Bearer {0}.{1}.{2}"),
    "two-with-comma": _arranged("{0}.{1}.{2},{0}.{1}.{2}"),
    "two-with-space": _arranged("{0}.{1}.{2} {0}.{1}.{2}"),
})
CASES += [Case("F-two-with-newline", _arranged("{0}.{1}.{2}\n{0}.{1}.{2}"), ways=FROM_VENDOR)]
