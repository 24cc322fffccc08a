# SPDX-License-Identifier: Apache-2.0
"""D: what may stand in `kid` when somebody uses it for a lookup. Every token is signed by the vendor's
key: only the name is wrong."""
from .case import one_each, signed_header


def _kid_json(raw):
    return lambda shop: shop.sign(header=b'{"alg":"RS256","typ":"JWT","kid":%s}' % raw.encode())


CASES = one_each("D-kid", {
    "missing": signed_header(kid=None),
    "empty": signed_header(kid=""),
    "nul": signed_header(kid="key-1\0"),
    "traversal": signed_header(kid="../../../../dev/null"),
    "proc": signed_header(kid="/proc/self/environ"),
    "url": signed_header(kid="https://attacker.test/key"),
    "sql": signed_header(kid="' UNION SELECT 'key-1' --"),
    "command": signed_header(kid="key-1; cat /etc/passwd"),
    "command-substitution": signed_header(kid="$(id)"),
    "crlf": signed_header(kid="key-1\r\nX-Injected: 1"),
    "percent": signed_header(kid="key%2d1"),
    "unknown": signed_header(kid="key-9"),
    "upper-case": signed_header(kid="KEY-1"),
    "trailing-space": signed_header(kid="key-1 "),
    "leading-space": signed_header(kid=" key-1"),
    "format": signed_header(kid="%s%s%s%n"),
    "full-width-digit": signed_header(kid="key-\uff11"),
    "prefix": signed_header(kid="key-"),
    "other-key": signed_header(kid="key-ps"),
    "ec-key": signed_header(kid="key-es"),
    "prototype": signed_header(kid="__proto__"),
    "4-kib": signed_header(kid="k" * 4096),
    "129-bytes": signed_header(kid="k" * 129),
    "number": _kid_json("1"), "array": _kid_json('["key-1"]'), "object": _kid_json('{"key-1":1}'),
    "null": _kid_json("null"), "true": _kid_json("true"),
})
