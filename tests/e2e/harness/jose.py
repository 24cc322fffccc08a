# SPDX-License-Identifier: Apache-2.0
"""Tokens and key sets made by hand, right or wrong in any way that a test asks for."""
import base64
import functools
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES = {"256": ec.SECP256R1, "384": ec.SECP384R1, "512": ec.SECP521R1}
_CURVE_NAMES = {"256": "P-256", "384": "P-384", "512": "P-521"}
_CURVE_BYTES = {"256": 32, "384": 48, "512": 66}


def b64url(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64url_int(number, width=None):
    width = width or max(1, (number.bit_length() + 7) // 8)
    return b64url(number.to_bytes(width, "big"))


@functools.lru_cache(maxsize=None)
def rsa_private_key(label, bits=2048):
    """One key for each label; made once in a process, for making them is slow."""
    del label
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def part(value):
    """Base64url of a header or payload: bytes and text as they are, anything else as JSON."""
    if isinstance(value, (bytes, str)):
        return b64url(value)
    return b64url(json.dumps(value, separators=(",", ":")))


class SigningKey:
    """A private key under a kid, for one algorithm: RS, PS or ES with 256, 384 or 512."""

    def __init__(self, kid="key-1", alg="RS256", label=None, bits=2048):
        self.kid = kid
        self.alg = alg
        self.size = alg[2:]
        if alg.startswith("ES"):
            self.private = ec.generate_private_key(_CURVES[self.size]())
        else:
            self.private = rsa_private_key(label or kid, bits)

    def jwk(self, **changes):
        """The public JWK; a change to None removes a member."""
        if self.alg.startswith("ES"):
            numbers, width = self.private.public_key().public_numbers(), _CURVE_BYTES[self.size]
            key = {"kty": "EC", "crv": _CURVE_NAMES[self.size], "x": b64url_int(numbers.x, width),
                   "y": b64url_int(numbers.y, width)}
        else:
            numbers = self.private.public_key().public_numbers()
            key = {"kty": "RSA", "n": b64url_int(numbers.n), "e": b64url_int(numbers.e)}
        key.update({"kid": self.kid, "use": "sig", "alg": self.alg}, **changes)
        return {name: value for name, value in key.items() if value is not None}

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def signature(self, data):
        digest = _HASHES[self.size]()
        if self.alg.startswith("RS"):
            return self.private.sign(data, padding.PKCS1v15(), digest)
        if self.alg.startswith("PS"):
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return self.private.sign(data, pss, digest)
        width = _CURVE_BYTES[self.size]
        r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    def header(self, **changes):
        header = {"alg": self.alg, "typ": "JWT", "kid": self.kid, **changes}
        return {name: value for name, value in header.items() if value is not None}

    def sign(self, claims, header=None, **header_changes):
        """A compact token. claims and header: an object, or the very bytes or text to encode."""
        if header is None:
            header = self.header(**header_changes)
        signed = f"{part(header)}.{part(claims)}"
        return f"{signed}.{b64url(self.signature(signed.encode()))}"


def sign_hmac(secret, header, claims, size="256"):
    digest = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}[size]
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{b64url(hmac.new(secret, signed.encode(), digest).digest())}"


def claims_of(token):
    """The payload, unverified."""
    return json.loads(b64url_decode(token.split(".")[1]))


def header_of(token):
    return json.loads(b64url_decode(token.split(".")[0]))


def at_hash(access_token):
    return b64url(hashlib.sha256(access_token.encode()).digest()[:16])


def jwks(*keys):
    return {"keys": [key.jwk() if isinstance(key, SigningKey) else key for key in keys]}
