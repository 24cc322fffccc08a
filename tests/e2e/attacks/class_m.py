# SPDX-License-Identifier: Apache-2.0
"""M: key set documents. Each case has an issuer of its own whose key set the hostile vendor serves, and
tokens of that issuer. `refuse`: a token under that set must not pass."""
import dataclasses
import hashlib
import json
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from harness import jose

from .case import EITHER, REFUSE

ACCEPT = "accept"

_KEY = jose.SigningKey("k", "RS256", label="m-vendor")
_OTHER = jose.SigningKey("k", "RS256", label="m-attacker")
_ES = jose.SigningKey("k", "ES256")
_ES384 = jose.SigningKey("k", "ES384")


@dataclasses.dataclass
class SetCase:
    name: str
    body: bytes  # what the vendor serves
    sign: object  # function of the claims that gives the token
    verdict: str = REFUSE
    content_type: str = "application/json"


def _good(claims):
    return _KEY.sign(claims)


def _es(claims):
    return _ES.sign(claims)


def _hmac(secret):
    return lambda claims: jose.sign_hmac(secret, {"alg": "HS256", "typ": "JWT", "kid": "k"}, claims)


def _document(*keys):
    return json.dumps({"keys": list(keys)}).encode()


def _case(name, *keys, sign=_good, verdict=REFUSE, **more):
    return SetCase(f"M-{name}", _document(*keys), sign, verdict, **more)


def _raw(name, body, sign=_good, verdict=REFUSE, **more):
    return SetCase(f"M-{name}", body, sign, verdict, **more)


def _rsa_by(private):
    def sign(claims):
        signed = f'{jose.part({"alg": "RS256", "typ": "JWT", "kid": "k"})}.{jose.part(claims)}'
        return f"{signed}.{jose.b64url(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
    return sign


def _padded_hash(signed, size):
    """EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) with SHA-256."""
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
    return b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info


def _prime(bits):
    while True:
        number = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if number % 65537 != 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7)):
            return number


def _small_rsa(bits):
    """By hand: newer libraries make no key as small as the smallest of these."""
    p, q = _prime(bits // 2), _prime(bits // 2)
    exponent = pow(65537, -1, (p - 1) * (q - 1))

    def sign(claims):
        signed = f'{jose.part({"alg": "RS256", "typ": "JWT", "kid": "k"})}.{jose.part(claims)}'
        number = pow(int.from_bytes(_padded_hash(signed, bits // 8), "big"), exponent, p * q)
        return f"{signed}.{jose.b64url(number.to_bytes(bits // 8, 'big'))}"

    jwk = {"kty": "RSA", "kid": "k", "alg": "RS256", "n": jose.b64url_int(p * q), "e": "AQAB"}
    return _case(f"rsa-{bits}", jwk, sign=sign)


def _unsigned_number(claims):
    """With e = 1 the signature is the padded hash itself."""
    signed = f'{jose.part({"alg": "RS256", "typ": "JWT", "kid": "k"})}.{jose.part(claims)}'
    return f"{signed}.{jose.b64url(_padded_hash(signed, 256))}"


def _rsa_e3():
    private = rsa.generate_private_key(3, 2048)
    return _case("e-3", {"kty": "RSA", "kid": "k", "alg": "RS256", "e": "Aw",
                         "n": jose.b64url_int(private.public_key().public_numbers().n)}, sign=_rsa_by(private))


def _flat(private, data, digest, width):
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def _es_by(private, digest, width):
    def sign(claims):
        signed = f'{jose.part({"alg": "ES256", "typ": "JWT", "kid": "k"})}.{jose.part(claims)}'
        return f"{signed}.{jose.b64url(_flat(private, signed.encode(), digest, width))}"
    return sign


def _k256():
    private = ec.generate_private_key(ec.SECP256K1())
    numbers = private.public_key().public_numbers()
    return _case("ec-secp256k1", {"kty": "EC", "crv": "secp256k1", "kid": "k", "x": jose.b64url_int(numbers.x, 32),
                                  "y": jose.b64url_int(numbers.y, 32)}, sign=_es_by(private, hashes.SHA256(), 32))


def _short_coordinate():
    """A key whose x begins with a zero byte, written without it."""
    while True:
        key = jose.SigningKey("k", "ES256")
        x = jose.b64url_decode(key.jwk()["x"])
        if x[0] == 0:
            return _case("ec-short-x", key.jwk(x=jose.b64url(x[1:])), sign=key.sign)


def _private_members(key):
    numbers = key.private.private_numbers()
    return {"d": jose.b64url_int(numbers.d), "p": jose.b64url_int(numbers.p), "q": jose.b64url_int(numbers.q)}



_OFF_CURVE = jose.b64url(bytes(31) + b"\5")
_N = jose.b64url_decode(_KEY.jwk()["n"])

CONTROLS = [
    _case("control", _KEY.jwk(), verdict=ACCEPT),
    _case("control-es256", _ES.jwk(), sign=_es, verdict=ACCEPT),
]

CASES = [
    # what the key says that it is for
    _case("no-alg", _KEY.jwk(alg=None), verdict=ACCEPT),
    _case("no-alg-empty-hmac", _KEY.jwk(alg=None), sign=_hmac(b"")),  # CVE-2026-44699
    _case("no-alg-pem-hmac", _KEY.jwk(alg=None), sign=_hmac(_KEY.public_pem())),
    _case("no-use", _KEY.jwk(use=None), verdict=ACCEPT),
    _case("use-enc", _KEY.jwk(use="enc")),
    _case("use-number", _KEY.jwk(use=1)),
    _case("use-upper-case", _KEY.jwk(use="SIG")),
    _case("ops-verify", _KEY.jwk(use=None, key_ops=["verify"]), verdict=ACCEPT),
    _case("ops-encrypt", _KEY.jwk(use=None, key_ops=["encrypt"])),
    _case("ops-sign", _KEY.jwk(use=None, key_ops=["sign"])),
    _case("ops-string", _KEY.jwk(use=None, key_ops="verify")),
    _case("alg-other", _KEY.jwk(alg="PS256")),
    _case("alg-hmac", _KEY.jwk(alg="HS256"), sign=_hmac(_KEY.public_pem())),
    _case("alg-none", _KEY.jwk(alg="none")),
    _case("alg-encryption", _KEY.jwk(alg="RSA-OAEP")),
    _case("alg-number", _KEY.jwk(alg=256)),
    _case("kty-missing", _KEY.jwk(kty=None)),
    _case("kty-lower-case", _KEY.jwk(kty="rsa")),
    _case("kty-ec-over-rsa", _KEY.jwk(kty="EC")),
    # RSA numbers
    _small_rsa(512), _small_rsa(1024), _small_rsa(1536),
    _case("e-0", _KEY.jwk(e="AA"), sign=_unsigned_number),
    _case("e-1", _KEY.jwk(e="AQ"), sign=_unsigned_number),
    _case("e-2", _KEY.jwk(e="Ag")),
    _rsa_e3(),
    _case("e-huge", _KEY.jwk(e=_KEY.jwk()["n"])),
    _case("e-padded", _KEY.jwk(e="AAEAAQ")),
    _case("e-number", _KEY.jwk(e=65537)),
    _case("n-16-k", _KEY.jwk(n=jose.b64url(b"\xff" * 2048))),
    _case("n-64-k", _KEY.jwk(n=jose.b64url(b"\xff" * 8192))),
    _case("n-padded", _KEY.jwk(n=jose.b64url(b"\0" + _N))),
    _case("n-with-equals", _KEY.jwk(n=_KEY.jwk()["n"] + "==")),
    _case("n-empty", _KEY.jwk(n="")),
    _case("n-number", _KEY.jwk(n=3233)),
    _case("n-missing", _KEY.jwk(n=None)),
    _case("n-even", _KEY.jwk(n=jose.b64url(_N[:-1] + b"\0"))),
    # EC points
    _case("ec-off-curve", _ES.jwk(y=_OFF_CURVE), sign=_es),
    _case("ec-zero", _ES.jwk(x=jose.b64url(bytes(32)), y=jose.b64url(bytes(32))), sign=_es),
    _case("ec-wrong-crv", _ES.jwk(crv="P-384"), sign=_es),
    _k256(),
    _short_coordinate(),
    _case("ec-long-x", _ES.jwk(x=jose.b64url(b"\0" + jose.b64url_decode(_ES.jwk()["x"]))), sign=_es),
    _case("ec-no-y", _ES.jwk(y=None), sign=_es),
    _case("ec-p384-as-es256", _ES384.jwk(alg="ES256"), sign=_es_by(_ES384.private, hashes.SHA256(), 48)),
    # secrets in public
    _case("private", _KEY.jwk(**_private_members(_KEY))),
    _case("oct", {"kty": "oct", "kid": "k", "alg": "HS256", "k": jose.b64url(b"secret")}, sign=_hmac(b"secret")),
    _case("oct-as-rs256", {"kty": "oct", "kid": "k", "alg": "RS256", "k": jose.b64url(b"secret")},
          sign=_hmac(b"secret")),
    # which key is meant
    _case("kid-repeated-attacker-first", _OTHER.jwk(), _KEY.jwk(), sign=_OTHER.sign),
    _case("kid-repeated-attacker-last", _KEY.jwk(), _OTHER.jwk(), sign=_OTHER.sign),
    _case("kid-missing", _KEY.jwk(kid=None)),
    _case("kid-number", _KEY.jwk(kid=7)),
    _case("kid-nul", _KEY.jwk(kid="k\0")),
    _case("kid-empty", _KEY.jwk(kid="")),
    # neighbours
    _case("unknown-kty-beside", {"kty": "AKP", "kid": "pq", "pub": "AAAA"}, _KEY.jwk(), verdict=ACCEPT),
    _case("garbage-beside", None, [], "x", 1, {}, _KEY.jwk(), verdict=ACCEPT),
    _case("private-beside", _OTHER.jwk(kid="leaked", **_private_members(_OTHER)), _KEY.jwk(), verdict=ACCEPT),
    _case("unknown-members", _KEY.jwk(ext=True, x5c=["AAAA"], other={"a": 1}), verdict=ACCEPT),
    _case("others-key", _OTHER.jwk()),
    # the document
    _raw("empty-object", b"{}"), _raw("empty-array", b"[]"), _raw("empty", b""),
    _raw("keys-null", b'{"keys":null}'), _raw("keys-object", b'{"keys":{}}'), _raw("keys-empty", b'{"keys":[]}'),
    _raw("bare-array", json.dumps([_KEY.jwk()]).encode()),
    _raw("bare-key", json.dumps(_KEY.jwk()).encode()),
    _raw("keys-repeated", b'{"keys":[%s],"keys":[%s]}' % ((json.dumps(_KEY.jwk()).encode(),) * 2)),
    _raw("member-repeated", _document(_KEY.jwk()).replace(b'"kty": "RSA"', b'"kty": "RSA", "kty": "RSA"')),
    _raw("trailing-bytes", _document(_KEY.jwk()) + b"x"),
    _raw("bom", b"\xef\xbb\xbf" + _document(_KEY.jwk())),
    _raw("html", b"<html>" + _document(_KEY.jwk()) + b"</html>", content_type="text/html"),
    _case("5000-keys", *[_KEY.jwk(kid=f"k{n}", n="AQAB") for n in range(4999)], _KEY.jwk()),
    _case("65-keys", *[_ES.jwk(kid=f"k{n}") for n in range(64)], _KEY.jwk()),
    _raw("300-kb", _document(_KEY.jwk()) + b" " * 300_000),
]
CASES += [SetCase("M-swapped-issuer", _document(_OTHER.jwk()), _good)]
