# SPDX-License-Identifier: Apache-2.0
"""C1 to C7: good tokens of every accepted form. A run counts only if all of them pass in it."""
from .case import ACCESS, AS_ACCESS, BEARER, ID, REFRESH, Case, one_each

CONTROLS = one_each("C1", {"plain": lambda shop: shop.sign()})
CONTROLS += one_each("C2", {"ps256": lambda shop: shop.sign(key=shop.keys.ps)})
CONTROLS += one_each("C3", {"es256": lambda shop: shop.sign(key=shop.keys.es)})
CONTROLS += one_each("C4", {
    "at-jwt": lambda shop: shop.sign(typ="at+jwt"),
    "at-jwt-long": lambda shop: shop.sign(typ="application/AT+JWT"),
}, ways=AS_ACCESS)
CONTROLS += one_each("C5", {
    "no-typ": lambda shop: shop.sign(typ=None),
    "lower-case-typ": lambda shop: shop.sign(typ="jwt"),
})
CONTROLS += one_each("C6", {"audience-list": lambda shop: shop.sign(shop.claims(aud=[shop.claims()["aud"]]))})
CONTROLS += [Case("C6-audience-among-others", lambda shop: shop.sign(shop.claims(aud=["x", "userid-api"])),
                  ways=AS_ACCESS)]
CONTROLS += one_each("C7", {
    "all-claims": lambda shop: shop.sign(shop.claims(
        nbf=shop.now, azp="client-1", jti="j", auth_time=shop.now, amr=["mfa"], roles=["a"], app_name="\u00e9")),
    "skew": lambda shop: shop.sign(shop.claims(iat=shop.now + 30, nbf=shop.now + 30, exp=shop.now + 3600)),
})
assert {ACCESS, BEARER, ID, REFRESH} == {way for case in CONTROLS for way in case.ways}
