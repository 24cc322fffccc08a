# SPDX-License-Identifier: Apache-2.0
"""L: properly signed tokens whose claims are not ours, not now, or not of this kind."""
from harness import jose

from .case import ACCESS, AS_ACCESS, BEARER, EITHER, FROM_VENDOR, ID, REFRESH, Case, one_each, replaced, signed_claims


def _at(name, seconds):
    """A time claim relative to now."""
    return lambda shop: shop.sign(shop.claims(**{name: shop.now + seconds}))


CASES = one_each("L-exp", {
    "missing": signed_claims(exp=None),
    "past": _at("exp", -3600),
    "past-61": _at("exp", -61),
    "string": lambda shop: shop.sign(shop.claims(exp=str(shop.now + 3600))),
    "words": signed_claims(exp="tomorrow"),
    "null": replaced("exp", "null"),
    "true": signed_claims(exp=True),
    "array": lambda shop: shop.sign(shop.claims(exp=[shop.now + 3600])),
    "object": signed_claims(exp={}),
    "negative": signed_claims(exp=-1),
    "zero": signed_claims(exp=0),
    "milliseconds": lambda shop: shop.sign(shop.claims(exp=(shop.now + 3600) * 1000)),
    "10-years": _at("exp", 315360000),
    "1e400": replaced("exp", "1e400"),
    "1e308": replaced("exp", "1e308"),
    "2-to-53-plus-1": signed_claims(exp=2 ** 53 + 1),
    "2-to-63": signed_claims(exp=2 ** 63),
    "2-to-64-plus-soon": lambda shop: shop.sign(shop.claims(exp=2 ** 64 + shop.now + 3600)),
    "400-digits": replaced("exp", "9" * 400),
})
CASES += one_each("L-exp", {
    "fraction": lambda shop: shop.sign(shop.claims(exp=shop.now + 3600.5)),
    "exponent": replaced("exp", lambda shop: f"{(shop.now + 3600) / 10}e1"),
}, verdict=EITHER)

CASES += one_each("L-time", {
    "nbf-future": _at("nbf", 3600),
    "nbf-90": _at("nbf", 90),
    "nbf-string": lambda shop: shop.sign(shop.claims(nbf=str(shop.now))),
    "nbf-null": replaced("nbf", "null"),
    "nbf-negative": signed_claims(nbf=-1),
    "nbf-1e308": replaced("nbf", "1e308"),
    "iat-missing": signed_claims(iat=None),
    "iat-future": _at("iat", 3600),
    "iat-90": _at("iat", 90),
    "iat-string": lambda shop: shop.sign(shop.claims(iat=str(shop.now))),
    "iat-null": replaced("iat", "null"),
    "iat-array": lambda shop: shop.sign(shop.claims(iat=[shop.now])),
    "iat-negative": signed_claims(iat=-1),
    "iat-2-days-old": _at("iat", -2 * 86400),
})
CASES += one_each("L-time", {
    "nbf-skew": _at("nbf", 10), "iat-skew": _at("iat", 10), "exp-skew": _at("exp", -10),
}, verdict=EITHER)

CASES += one_each("L-iss", {
    "missing": signed_claims(iss=None),
    "empty": signed_claims(iss=""),
    "slash": signed_claims(iss="https://issuer.test/"),
    "case": signed_claims(iss="https://Issuer.test"),
    "http": signed_claims(iss="http://issuer.test"),
    "suffix": signed_claims(iss="https://issuer.test.attacker.test"),
    "prefix": signed_claims(iss="https://attacker.test/https://issuer.test"),
    "userinfo": signed_claims(iss="https://issuer.test@attacker.test"),
    "port": signed_claims(iss="https://issuer.test:443"),
    "dot-segment": signed_claims(iss="https://issuer.test/."),
    "percent": signed_claims(iss="https://issuer%2etest"),
    "space": signed_claims(iss="https://issuer.test "),
    "array": signed_claims(iss=["https://issuer.test"]),
    "null": replaced("iss", "null"),
    "number": signed_claims(iss=1),
    "cyrillic": signed_claims(iss="https://issu\u0435r.test"),
    "other-configured": signed_claims(iss="https://second.test"),
})

CASES += one_each("L-aud", {
    "missing": signed_claims(aud=None),
    "empty": signed_claims(aud=""),
    "empty-array": signed_claims(aud=[]),
    "other": signed_claims(aud="other-api"),
    "others": signed_claims(aud=["other-api", "another"]),
    "case": lambda shop: shop.sign(shop.claims(aud=shop.claims()["aud"].upper())),
    "prefix": lambda shop: shop.sign(shop.claims(aud=shop.claims()["aud"][:-1])),
    "longer": lambda shop: shop.sign(shop.claims(aud=shop.claims()["aud"] + "2")),
    "comma-list": lambda shop: shop.sign(shop.claims(aud=shop.claims()["aud"] + ",other")),
    "space-list": lambda shop: shop.sign(shop.claims(aud="other " + shop.claims()["aud"])),
    "nested": lambda shop: shop.sign(shop.claims(aud=[[shop.claims()["aud"]]])),
    "object": lambda shop: shop.sign(shop.claims(aud={shop.claims()["aud"]: True})),
    "mixed": lambda shop: shop.sign(shop.claims(aud=[shop.claims()["aud"], 1])),
    "null": replaced("aud", "null"),
    "number": signed_claims(aud=1),
    "true": signed_claims(aud=True),
    "17-entries": lambda shop: shop.sign(shop.claims(aud=[str(n) for n in range(16)] + [shop.claims()["aud"]])),
    "5000-entries": lambda shop: shop.sign(shop.claims(aud=["x"] * 4999 + [shop.claims()["aud"]])),
})
CASES += [Case("L-aud-superset", lambda shop: shop.sign(shop.claims(aud=[shop.claims()["aud"], "other"])),
               verdict=EITHER)]

CASES += one_each("L-sub", {
    "missing": signed_claims(sub=None),
    "empty": signed_claims(sub=""),
    "number": signed_claims(sub=1),
    "null": replaced("sub", "null"),
    "array": signed_claims(sub=["user-1"]),
    "object": signed_claims(sub={"user-1": 1}),
    "2-kb": signed_claims(sub="x" * 2048),
    "256-bytes": signed_claims(sub="x" * 256),
    "newline": signed_claims(sub="user-1\n"),
    "escape": signed_claims(sub="\x1b[2Juser-1"),
    "delete": signed_claims(sub="user-1\x7f"),
    "c1": signed_claims(sub="user-1\u0085"),
})
# A good token of somebody else: the vendor must not return it for this user.
CASES += one_each("L-sub", {
    "other": signed_claims(sub="user-2"),
    "case": signed_claims(sub="USER-1"),
    "space": signed_claims(sub="user-1 "),
    "longer": signed_claims(sub="user-12"),
    "bidi": signed_claims(sub="user-1\u202e"),
}, ways=(ACCESS, ID))

CASES += one_each("L-tid", {
    "missing": signed_claims(tid=None),
    "empty": signed_claims(tid=""),
    "other": signed_claims(tid="tenant-2"),
    "case": signed_claims(tid="TENANT-1"),
    "array": signed_claims(tid=["tenant-1"]),
    "null": replaced("tid", "null"),
})
CASES += one_each("L-client", {
    "azp-other": signed_claims(azp="client-2"),
    "azp-empty": signed_claims(azp=""),
    "azp-array": signed_claims(azp=["client-1"]),
    "other": signed_claims(client_id="client-2"),
    "case": signed_claims(client_id="CLIENT-1"),
    "null": replaced("client_id", "null"),
})
CASES += [Case("L-client-missing", signed_claims(client_id=None), ways=AS_ACCESS)]

CASES += one_each("L-kind", {
    "client-token": signed_claims(sub="client-1"),
    "client-token-with-roles": signed_claims(sub="client-1", role="Admin", ts_roles=["a"]),
    "nonce": signed_claims(nonce="n-1"),
    "at-hash": signed_claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "id-token-shape": lambda shop: shop.sign(
        {key: value for key, value in shop.claims(aud="client-1").items() if key not in ("client_id", "scope")}),
    "bound-x5t": signed_claims(cnf={"x5t#S256": "AAAA"}),
    "bound-jkt": signed_claims(cnf={"jkt": "AAAA"}),
}, ways=AS_ACCESS)
CASES += one_each("L-kind", {
    "logout-token": lambda shop: shop.sign(shop.claims(
        events={"http://schemas.openid.net/event/backchannel-logout": {}}, sid="s"), typ="logout+jwt"),
    "logout-token-plain": signed_claims(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
})
CASES += one_each("L-id", {
    "access-token": lambda shop: shop.sign(shop.claims(aud="userid-api", client_id="client-1")),
    "at-jwt": lambda shop: shop.sign(typ="at+jwt"),
    "at-jwt-long": lambda shop: shop.sign(typ="application/at+jwt"),
    "two-audiences": signed_claims(aud=["client-1", "userid-api"]),
    "wrong-at-hash": signed_claims(at_hash=jose.at_hash("another token")),
    "empty-at-hash": signed_claims(at_hash=""),
    "at-hash-null": replaced("at_hash", "null"),
    "client-token": signed_claims(sub="client-1"),
}, ways=(ID,))

CASES += [Case("L-stale-before-start", _at("iat", -3600), ways=(ACCESS, ID))]
CASES += [Case(f"L-nested-{name}", make) for name, make in {
    "in-payload": lambda shop: shop.sign(shop.sign().encode(), cty="JWT"),
    "without-cty": lambda shop: shop.sign(shop.sign().encode()),
    "as-claim": lambda shop: shop.sign({"jwt": shop.sign()}),
}.items()]
