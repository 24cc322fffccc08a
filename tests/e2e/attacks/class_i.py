# SPDX-License-Identifier: Apache-2.0
"""I: JSON that two readers read differently, all of it properly signed; and sizes."""
from harness import jose

from .case import EITHER, Case, one_each, text


def _payload(change):
    """A maker: signed over changed payload bytes."""
    return lambda shop: shop.sign(change(shop.payload()))


def _header(change):
    """A maker: signed under changed header bytes."""
    return lambda shop: shop.sign(header=change(text(shop.header())))


def _claims(raw):
    """A maker: signed over this very payload."""
    return lambda shop: shop.sign(raw)


def _member_first(raw):
    return _payload(lambda good: b"{" + raw + b"," + good[1:])


def _member_last(raw):
    return _payload(lambda good: good[:-1] + b"," + raw + b"}")


def _sub(raw):
    """The value of sub as raw JSON bytes."""
    return _payload(lambda good: good.replace(b'"sub":"user-1"', b'"sub":' + raw))


CASES = one_each("I-duplicate", {
    "sub-first": _member_first(b'"sub":"other"'),
    "sub-last": _member_last(b'"sub":"other"'),
    "sub-same": _member_last(b'"sub":"user-1"'),
    "sub-escaped": _member_last(b'"s\\u0075b":"other"'),
    "exp-last": _member_last(b'"exp":9999999999'),
    "exp-escaped": _member_first(b'"\\u0065xp":1'),
    "iss": _member_last(b'"iss":"https://attacker.test"'),
    "aud": _member_last(b'"aud":"other"'),
    "nested": _member_last(b'"deep":{"a":1,"a":2}'),
    "alg-first": _header(lambda good: b'{"alg":"none",' + good[1:]),
    "alg-last": _header(lambda good: good[:-1] + b',"alg":"none"}'),
    "alg-same": _header(lambda good: good[:-1] + b',"alg":"RS256"}'),
    "alg-escaped": _header(lambda good: good[:-1] + b',"\\u0061lg":"none"}'),
    "kid-last": _header(lambda good: good[:-1] + b',"kid":"key-es"}'),
    "kid-escaped": _header(lambda good: b'{"k\\u0069d":"key-es",' + good[1:]),
})
CASES += one_each("I-text", {
    "nul-in-sub": _sub(b'"user-1\\u0000other"'),
    "nul-only-after-sub": _sub(b'"user-1\\u0000"'),
    "nul-in-iss": _payload(lambda good: good.replace(b'issuer.test"', b'issuer.test\\u0000.attacker.test"')),
    "nul-in-aud": _member_last(b'"aud2":"a\\u0000b"'),
    "nul-in-name": _member_last(b'"sub\\u0000":"other"'),
    "raw-nul": _sub(b'"user-1\0"'),
    "raw-nul-and-second": _payload(lambda good: good + b'\0{"sub":"other"}'),
    "raw-newline": _sub(b'"user\n-1"'),
    "raw-tab": _member_last(b'"a":"\t"'),
    "raw-escape": _member_last(b'"a":"\x1b[2J"'),
    "overlong-utf8": _member_last(b'"a":"\xc0\xaf"'),
    "overlong-nul": _member_last(b'"a":"\xc0\x80"'),
    "utf8-surrogate": _member_last(b'"a":"\xed\xa0\x80"'),
    "utf8-beyond": _member_last(b'"a":"\xf4\x90\x80\x80"'),
    "utf8-cut": _member_last(b'"a":"\xe2\x82"'),
    "latin-1": _member_last(b'"a":"\xe9"'),
    "lone-high-surrogate": _member_last(b'"a":"\\ud800"'),
    "lone-low-surrogate": _member_last(b'"a":"\\udc00"'),
    "swapped-surrogates": _member_last(b'"a":"\\udc00\\ud800"'),
    "bad-escape": _member_last(b'"a":"\\x41"'),
    "short-escape": _member_last(b'"a":"\\u12"'),
    "single-quotes": _payload(lambda good: good.replace(b'"', b"'")),
})
CASES += one_each("I-grammar", {
    "trailing-bytes": _payload(lambda good: good + b"x"),
    "second-document": _payload(lambda good: good + good),
    "trailing-comma": _payload(lambda good: good[:-1] + b",}"),
    "leading-comma": _payload(lambda good: b"{," + good[1:]),
    "comment": _payload(lambda good: b"{/* */" + good[1:]),
    "line-comment": _payload(lambda good: good + b"// end"),
    "missing-brace": _payload(lambda good: good[:-1]),
    "bom": _payload(lambda good: b"\xef\xbb\xbf" + good),
    "utf-16": _payload(lambda good: good.decode().encode("utf-16")),
    "utf-16-no-mark": _payload(lambda good: good.decode().encode("utf-16-le")),
    "form-feed": _payload(lambda good: good[:1] + b"\f" + good[1:]),
    "leading-zero": _member_last(b'"a":01'),
    "plus": _member_last(b'"a":+1'),
    "point": _member_last(b'"a":1.'),
    "hexadecimal": _member_last(b'"a":0x10'),
    "nan": _member_last(b'"a":NaN'),
    "infinity": _member_last(b'"a":Infinity'),
    "true-in-capitals": _member_last(b'"a":True'),
    "no-quotes": _member_last(b"a:1"),
    "header-bom": _header(lambda good: b"\xef\xbb\xbf" + good),
    "header-trailing-bytes": _header(lambda good: good + b"x"),
    "header-second-document": _header(lambda good: good + good),
    "header-nul": _header(lambda good: good + b"\0"),
})
CASES += one_each("I-type", {
    **{f"payload-{name}": _claims(raw) for name, raw in {
        "array": b"[]", "array-of-it": b'[{"sub":"user-1"}]', "string": b'"user-1"', "number": b"1",
        "null": b"null", "true": b"true", "empty": b"", "empty-object": b"{}"}.items()},
    **{f"header-{name}": (lambda raw: lambda shop: shop.sign(header=raw))(raw) for name, raw in {
        "array": b"[]", "string": b'"RS256"', "null": b"null", "empty-object": b"{}"}.items()},
    "payload-base64-twice": lambda shop: shop.sign(jose.part(shop.claims())),
})
CASES += one_each("I-deep", {
    **{f"array-{depth}": _member_last(b'"a":' + b"[" * depth + b"]" * depth) for depth in (10, 100, 1000)},
    "object-10": _member_last(b'"a":' + b'{"a":' * 10 + b"1" + b"}" * 10),
    "open-2000": _payload(lambda good: b"[" * 2000),
    "header-array-100": _header(lambda good: good[:-1] + b',"a":' + b"[" * 100 + b"]" * 100 + b"}"),
})
CASES += one_each("I", {
    "array-20000": _member_last(b'"a":[' + b"0," * 19999 + b"0]"),
    "members-2000": _payload(lambda good: good[:-1] + b"".join(b',"%04d":0' % n for n in range(2000)) + b"}"),
})
# Other claims beside ours are nobody's business: SUB is not sub.
CASES += one_each("I", {
    "other-case": _member_last(b'"SUB":"other","Exp":1,"ISS":"x"'),
    "white-space": _payload(lambda good: b" \n\t" + good.replace(b",", b" ,\r\n") + b" "),
    "escaped-value": _sub(b'"\\u0075ser-1"'),
    "number-300-digits": _member_last(b'"a":' + b"1" * 300),
    "depth-7": _member_last(b'"a":' + b"[" * 7 + b"]" * 7),
}, verdict=EITHER)


def _sized(size):
    return lambda shop: shop.sign(shop.claims(filler="x" * size))


CASES += one_each("I-size", {
    "9-kb": _sized(9_000), "13-kb": _sized(13_000), "40-kb": _sized(40_000), "100-kb": _sized(100_000),
    "1-mb": _sized(1_000_000), "12-mb": _sized(12_000_000),
})
CASES += [Case("I-size-header-2-kb", lambda shop: shop.sign(filler="x" * 2000))]
