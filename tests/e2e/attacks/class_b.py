# SPDX-License-Identifier: Apache-2.0
"""B: an HMAC over something that everybody knows, where a signature is due; and signatures under a
key that is for another algorithm."""
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from harness import jose

from .case import Case, one_each

_DER, _PEM = serialization.Encoding.DER, serialization.Encoding.PEM
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS1 = serialization.PublicFormat.PKCS1
_POINT = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _public(key, encoding, form):
    return key.private.public_key().public_bytes(encoding, form)


_RSA_SECRETS = {
    "spki-pem": lambda k: _public(k.rs, _PEM, _SPKI),
    "spki-pem-crlf": lambda k: _public(k.rs, _PEM, _SPKI).replace(b"\n", b"\r\n"),
    "spki-pem-no-newline": lambda k: _public(k.rs, _PEM, _SPKI).rstrip(b"\n"),
    "spki-pem-one-line": lambda k: _public(k.rs, _PEM, _SPKI).replace(b"\n", b""),
    "pkcs1-pem": lambda k: _public(k.rs, _PEM, _PKCS1),
    "spki-der": lambda k: _public(k.rs, _DER, _SPKI),
    "pkcs1-der": lambda k: _public(k.rs, _DER, _PKCS1),
    "jwk": lambda k: json.dumps(k.rs.jwk()).encode(),
    "key-set": lambda k: json.dumps(k.key_set()).encode(),
    "modulus-text": lambda k: k.rs.jwk()["n"].encode(),
    "modulus-bytes": lambda k: jose.b64url_decode(k.rs.jwk()["n"]),
    "exponent": lambda k: b"AQAB",
    "kid": lambda k: b"key-1",
    "empty": lambda k: b"",
    "zeros": lambda k: bytes(32),
}

_EC_SECRETS = {
    "spki-pem": lambda k: _public(k.es, _PEM, _SPKI),
    "spki-der": lambda k: _public(k.es, _DER, _SPKI),
    "jwk": lambda k: json.dumps(k.es.jwk()).encode(),
    "x": lambda k: jose.b64url_decode(k.es.jwk()["x"]),
    "point": lambda k: _public(k.es, *_POINT),
}


def _hmac(secret, kid, size):
    def make(shop):
        header = {"alg": f"HS{size}", "typ": "JWT", "kid": kid}
        return jose.sign_hmac(secret(shop.keys), header, shop.claims(), size)
    return make


CASES = [Case(f"B-hs{size}-{name}", _hmac(secret, "key-1", size))
         for name, secret in _RSA_SECRETS.items() for size in ("256", "384", "512")]
CASES += [Case(f"B-es-hs256-{name}", _hmac(secret, "key-es", "256"))
          for name, secret in _EC_SECRETS.items()]


def _signed_as(header, signature):
    """Any signature under any header."""
    def make(shop):
        signed = f"{jose.part(header)}.{jose.part(shop.claims())}"
        return f"{signed}.{jose.b64url(signature(shop.keys, signed.encode()))}"
    return make


def _ps256(key):
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return lambda keys, data: key(keys).private.sign(data, pss, hashes.SHA256())


def _flat(private, data, digest, width):
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


_K256 = ec.generate_private_key(ec.SECP256K1())

CASES += one_each("B-binding", {
    "ps256-by-rs256-key": _signed_as({"alg": "PS256", "kid": "key-1"}, _ps256(lambda k: k.rs)),
    "rs256-by-ps256-key": _signed_as({"alg": "RS256", "kid": "key-ps"},
                                     lambda k, data: k.ps.private.sign(data, padding.PKCS1v15(), hashes.SHA256())),
    "rs512-by-rs256-key": _signed_as({"alg": "RS512", "kid": "key-1"},
                                     lambda k, data: k.rs.private.sign(data, padding.PKCS1v15(), hashes.SHA512())),
    "es256-names-rsa-kid": _signed_as({"alg": "ES256", "kid": "key-1"}, lambda k, data: k.es.signature(data)),
    "rs256-names-ec-kid": _signed_as({"alg": "RS256", "kid": "key-es"}, lambda k, data: k.rs.signature(data)),
    "es384-by-p256-key": _signed_as({"alg": "ES384", "kid": "key-es"},
                                    lambda k, data: _flat(k.es.private, data, hashes.SHA384(), 32)),
    "es256-by-p384-key": _signed_as({"alg": "ES256", "kid": "key-384"},
                                    lambda k, data: _flat(k.p384.private, data, hashes.SHA256(), 48)),
    "es256k": _signed_as({"alg": "ES256K", "kid": "key-es"},
                         lambda k, data: _flat(_K256, data, hashes.SHA256(), 32)),
    "pss-salt-of-no-bytes": _signed_as({"alg": "PS256", "kid": "key-ps"}, lambda k, data: k.ps.private.sign(
        data, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())),
    "pss-other-mgf1": _signed_as({"alg": "PS256", "kid": "key-ps"}, lambda k, data: k.ps.private.sign(
        data, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())),
})
