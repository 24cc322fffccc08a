# SPDX-License-Identifier: Apache-2.0
"""A: alg "none" in its spellings, with no signature and with an old one; alg of the wrong type or
spelling, over a good signature."""
from harness import jose

from .case import Case, one_each, signed_header

_NONES = {"lower": "none", "title": "None", "upper": "NONE", "mixed": "nOnE", "space": "none ",
          "leading-space": " none", "nul": "none\0", "empty": ""}


def _none(value, keep_signature):
    def make(shop):
        signature = shop.parts()[2] if keep_signature else ""
        return f"{jose.part(shop.header(alg=value))}.{jose.part(shop.claims())}.{signature}"
    return make


CASES = [Case(f"A-none-{name}-{'signed' if signed else 'bare'}", _none(value, signed))
         for name, value in _NONES.items() for signed in (False, True)]


def _alg_json(raw):
    return lambda shop: shop.sign(header=b'{"alg":%s,"typ":"JWT","kid":"key-1"}' % raw.encode())


CASES += one_each("A-alg", {
    "missing": signed_header(alg=None),
    **{name: _alg_json(raw) for name, raw in {
        "null": "null", "zero": "0", "one": "1", "true": "true", "false": "false", "array": "[]",
        "array-of-it": '["RS256"]', "object": "{}", "object-of-it": '{"alg":"RS256"}',
        "lower": '"rs256"', "trailing-space": '"RS256 "', "leading-space": '" RS256"',
        "title": '"Rs256"', "nul": '"RS256\\u0000"', "dash": '"RS-256"', "longer": '"RS2567"',
        "java": '"SHA256withRSA"', "number-256": "256"}.items()},
})
