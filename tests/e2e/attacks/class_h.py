# SPDX-License-Identifier: Apache-2.0
"""H: signature bytes. RSA values out of range or of another length; ECDSA pairs that prove nothing
("psychic" signatures, CVE-2022-21449), in other encodings; signatures of something else."""
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from harness.jose import b64url

from .case import EITHER, Case, one_each

_N256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551


def _rsa(change):
    """The good RSA signature changed: bytes to bytes."""
    return lambda shop: shop.with_signature(change(shop.signature(shop.sign()), shop))


def _plus_modulus(signature, shop):
    n = shop.keys.rs.private.public_key().public_numbers().n
    total = int.from_bytes(signature, "big") + n
    return total.to_bytes((total.bit_length() + 7) // 8, "big")


def _modulus(_, shop):
    return shop.keys.rs.private.public_key().public_numbers().n.to_bytes(256, "big")


def _pair(r, s):
    return lambda shop: shop.with_signature(r.to_bytes(32, "big") + s.to_bytes(32, "big"), shop.keys.es)


def _es(change):
    """The good ES256 signature of one token changed: (r, s) to bytes."""
    def make(shop):
        token = shop.sign(key=shop.keys.es)
        signature = shop.signature(token)
        changed = change(signature[:32], signature[32:])
        return token.rsplit(".", 1)[0] + "." + b64url(changed)
    return make


def _es_der(shop):
    header, payload, _ = shop.parts(shop.keys.es)
    der = shop.keys.es.private.sign(f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    return f"{header}.{payload}.{b64url(der)}"


def _wide_s(r, s):
    total = int.from_bytes(s, "big") + _N256
    return r + total.to_bytes((total.bit_length() + 7) // 8, "big")


def _twin(r, s):
    return r + (_N256 - int.from_bytes(s, "big")).to_bytes(32, "big")


def _mixed(part):
    """Header or payload of one token, the rest of another."""
    def make(shop):
        mine = shop.sign().split(".")
        other = shop.sign(shop.claims(jti="other"), typ=None).split(".")
        mine[part] = other[part]
        return ".".join(mine)
    return make


CASES = one_each("H-rsa", {
    "zeros": _rsa(lambda signature, _: bytes(256)),
    "one": _rsa(lambda signature, _: bytes(255) + b"\1"),
    "all-ff": _rsa(lambda signature, _: b"\xff" * 256),
    "modulus": _rsa(_modulus),
    "modulus-minus-one": _rsa(lambda s, shop: (int.from_bytes(_modulus(s, shop), "big") - 1).to_bytes(256, "big")),
    "plus-modulus": _rsa(_plus_modulus),
    "short": _rsa(lambda signature, _: signature[:-1]),
    "short-at-the-front": _rsa(lambda signature, _: signature[1:]),
    "long": _rsa(lambda signature, _: signature + b"\0"),
    "leading-zero": _rsa(lambda signature, _: b"\0" + signature),
    "one-byte": _rsa(lambda signature, _: b"\0"),
    "4-kib": _rsa(lambda signature, _: signature * 16),
    "first-bit": _rsa(lambda signature, _: bytes([signature[0] ^ 1]) + signature[1:]),
    "last-bit": _rsa(lambda signature, _: signature[:-1] + bytes([signature[-1] ^ 1])),
    "reversed": _rsa(lambda signature, _: signature[::-1]),
    "other-header": _mixed(0),
    "other-payload": _mixed(1),
    "other-signature": _mixed(2),
    "attackers-key": lambda shop: shop.sign(key=shop.keys.attacker),
})
CASES += one_each("H-es", {
    **{f"r-{r_name}-s-{s_name}": _pair(r, s) for (r_name, r), (s_name, s) in [
        (("0", 0), ("0", 0)), (("0", 0), ("1", 1)), (("1", 1), ("0", 0)), (("1", 1), ("1", 1)),
        (("n", _N256), ("n", _N256)), (("n", _N256), ("1", 1)), (("1", 1), ("n", _N256)),
        (("n-1", _N256 - 1), ("n-1", _N256 - 1)), (("max", 2 ** 256 - 1), ("max", 2 ** 256 - 1))]},
    "der": _es_der,
    "63-bytes": _es(lambda r, s: r + s[:-1]),
    "65-bytes": _es(lambda r, s: r + s + b"\0"),
    "66-bytes": _es(lambda r, s: b"\0" + r + b"\0" + s),
    "96-bytes": _es(lambda r, s: bytes(16) + r + bytes(16) + s),
    "swapped": _es(lambda r, s: s + r),
    "s-plus-n": _es(_wide_s),
    "attackers-key": lambda shop: shop.sign(key=shop.keys.attacker_es),
})
CASES += [Case("H-es-twin", _es(_twin), verdict=EITHER)]
