# SPDX-License-Identifier: Apache-2.0
"""C: a token that brings its own key or says where to fetch one. Signed by the attacker it must be
refused; signed by the vendor it may pass; nobody may ever be connected to."""
import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from harness import jose

from .case import EITHER, Case


def _certificate(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "attacker")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.private.public_key()).serial_number(1).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key.private, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.DER)


def _private_jwk(key):
    return key.jwk(d=jose.b64url_int(key.private.private_numbers().private_value, 32))


def _thumbprint(shop):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_certificate(shop.keys.attacker))
    return jose.b64url(digest.finalize())


_MEMBERS = {
    "jwk": lambda shop: {"jwk": shop.keys.attacker.jwk()},
    "jwk-private": lambda shop: {"jwk": _private_jwk(shop.keys.attacker_es)},
    "jwk-other-kid": lambda shop: {"jwk": shop.keys.attacker.jwk(kid="mine"), "kid": "mine"},
    "jku": lambda shop: {"jku": f"{shop.canary_url}/jwks.json"},
    "jku-with-userinfo": lambda shop: {"jku": shop.canary_url.replace("//", "//issuer.test@") + "/jwks"},
    "jku-new-kid": lambda shop: {"jku": f"{shop.canary_url}/jwks.json", "kid": "mine"},
    "x5u": lambda shop: {"x5u": f"{shop.canary_url}/cert.pem"},
    "x5c": lambda shop: {"x5c": [base64.b64encode(_certificate(shop.keys.attacker)).decode()]},
    "x5t": lambda shop: {"x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    "x5t-s256": lambda shop: {"x5t#S256": _thumbprint(shop)},
    "cnf": lambda shop: {"cnf": {"jwk": shop.keys.attacker.jwk()}},
}


def _by(who, members):
    return lambda shop: shop.sign(key=getattr(shop.keys, who), **members(shop))


def _oct(shop):
    header = {"alg": "HS256", "kid": "key-1", "jwk": {"kty": "oct", "k": jose.b64url(b"secret")}}
    return jose.sign_hmac(b"secret", header, shop.claims())


CASES = [Case(f"C-{name}-by-attacker", _by("attacker", members)) for name, members in _MEMBERS.items()]
CASES += [Case("C-jwk-oct-by-attacker", _oct)]
CASES += [Case(f"C-{name}-by-vendor", _by("rs", _MEMBERS[name]), verdict=EITHER)
          for name in ("jwk", "jku", "x5u", "x5c", "x5t", "cnf")]
