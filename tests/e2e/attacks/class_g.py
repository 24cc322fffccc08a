# SPDX-License-Identifier: Apache-2.0
"""G: base64url that a lax decoder takes. White space at the end of a header field is not part of its
value (RFC 9112), so those cases come from the vendor alone."""
from harness import jose

from .case import FROM_VENDOR, one_each

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _after(junk):
    return lambda shop: shop.sign() + junk


def _within(junk, part, at=5):
    """Junk inside one part of a signed token."""
    def make(shop):
        parts = shop.parts()
        parts[part] = parts[part][:at] + junk + parts[part][at:]
        return ".".join(parts)
    return make


def _standard_alphabet(shop):
    """The signature in plain base64; of many tokens one whose signature shows the difference."""
    while True:
        header, payload, signature = shop.parts()
        changed = signature.replace("-", "+").replace("_", "/")
        if changed != signature:
            return f"{header}.{payload}.{changed}"
        shop.now -= 1


def _loose_bits(text):
    """The same bytes with the unused bits of the last character set; None when there are none."""
    if len(text) % 4 == 0:
        return None
    return text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) | 1]


def _bits_in_signature(shop):
    header, payload, signature = shop.parts()
    return f"{header}.{payload}.{_loose_bits(signature)}"


def _signed_over(change, part):
    """The vendor's signature over a text whose header or payload is written badly."""
    def make(shop):
        for filler in range(3):  # one of three lengths leaves unused bits and room for padding
            header = jose.part(shop.header(filler="x" * filler) if part == 0 else shop.header())
            payload = jose.part(shop.claims(filler="x" * filler) if part == 1 else shop.claims())
            parts = [header, payload]
            changed = change(parts[part])
            if changed and changed != parts[part]:
                parts[part] = changed
                return shop.sign_text(*parts)
        raise AssertionError("no length fits")
    return make


def _padded(text):
    return text + "=" * (-len(text) % 4)


CASES = one_each("G", {
    "one-pad": _after("="),
    "two-pads": _after("=="),
    "pad-percent": _after("%3D%3D"),
    "junk-marks": _after("!!!!"),
    "one-more-character": _after("A"),
    "four-more-characters": _after("AAAA"),
    "dollar": _after("$"),
    "standard-alphabet": _standard_alphabet,
    "space-in-signature": _within(" ", 2),
    "tab-in-signature": _within("\t", 2),
    "percent-in-signature": _within("%20", 2),
    "space-in-payload": _within(" ", 1),
    "pad-in-payload": _within("=", 1),
    "non-ascii": _within("\u00e9", 2),
    "leading-space": lambda shop: " " + shop.sign(),
    "bits-in-signature": _bits_in_signature,
    "bits-in-signed-header": _signed_over(_loose_bits, 0),
    "bits-in-signed-payload": _signed_over(_loose_bits, 1),
    "pad-in-signed-header": _signed_over(_padded, 0),
    "pad-in-signed-payload": _signed_over(_padded, 1),
    "space-in-signed-payload": _signed_over(lambda text: text[:8] + " " + text[8:], 1),
})
CASES += one_each("G", {
    "trailing-space": _after(" "),
    "trailing-newline": _after("\n"),
    "newline-in-signature": _within("\r\n", 2),
    "newline-in-signed-payload": _signed_over(lambda text: text[:8] + "\n" + text[8:], 1),
    "nul-in-signature": _within("\0", 2),
}, ways=FROM_VENDOR)
