# SPDX-License-Identifier: Apache-2.0
"""E: header members that change how the token must be read (RFC 7515, 7516, 7797), and token types that
are not ours."""
from harness import jose

from .case import EITHER, one_each, signed_header


def _unencoded(shop):
    """RFC 7797: the payload stands in the token as it is."""
    header = jose.part(shop.header(b64=False, crit=["b64"]))
    payload = shop.payload().decode().replace(".", "-")
    signature = shop.keys.rs.signature(f"{header}.{payload}".encode())
    return f"{header}.{payload}.{jose.b64url(signature)}"


CASES = one_each("E", {
    "crit-unknown": signed_header(crit=["made-up"], **{"made-up": 1}),
    "crit-empty": signed_header(crit=[]),
    "crit-no-array": signed_header(crit="made-up", **{"made-up": 1}),
    "crit-absent-name": signed_header(crit=["nowhere"]),
    "crit-repeated": signed_header(crit=["made-up", "made-up"], **{"made-up": 1}),
    "crit-standard-name": signed_header(crit=["alg"]),
    "crit-exp": signed_header(crit=["exp"], exp=1),
    "b64-true": signed_header(b64=True),
    "b64-false": signed_header(b64=False),
    "b64-true-crit": signed_header(b64=True, crit=["b64"]),
    "b64-false-crit": signed_header(b64=False, crit=["b64"]),
    "unencoded-payload": _unencoded,
    "typ-object": signed_header(typ={"a": 1}),
    "typ-number": signed_header(typ=1),
    "typ-dpop": signed_header(typ="dpop+jwt"),
    "typ-logout": signed_header(typ="logout+jwt"),
    "typ-secevent": signed_header(typ="secevent+jwt"),
    "typ-introspection": signed_header(typ="token-introspection+jwt"),
    "typ-jose": signed_header(typ="JOSE+JSON"),
    "typ-empty": signed_header(typ=""),
})
CASES += one_each("E", {
    "zip": signed_header(zip="DEF"),
    "cty": signed_header(cty="JWT"),
    "enc": signed_header(enc="A256GCM"),
    "p2c": signed_header(p2c=2147483647, p2s="AAAA"),
    "unknown-member": signed_header(unknown={"a": [1]}),
}, verdict=EITHER)
