# SPDX-License-Identifier: Apache-2.0
"""What a case is, and the workshop that it makes its token in."""
import dataclasses
import json
import time

from harness import jose

REFUSE = "refuse"  # must be refused everywhere
EITHER = "either"  # may pass or be refused; must not break anything

BEARER = "bearer"  # as the app's access token
ACCESS = "access"  # as the access token that the vendor returns from authenticate
ID = "id"  # as the ID token that the vendor returns from authenticate
REFRESH = "refresh"  # as the access token that the vendor returns from refresh
EVERYWHERE = (BEARER, ACCESS, ID, REFRESH)
FROM_VENDOR = (ACCESS, ID, REFRESH)
AS_ACCESS = (BEARER, ACCESS, REFRESH)

USER = "user-1"


@dataclasses.dataclass
class Case:
    name: str
    make: object  # function of a Workshop that gives the token, text or bytes
    verdict: str = REFUSE
    ways: tuple = EVERYWHERE


def one_each(prefix, makers, **options):
    """Cases from a dict of name -> maker."""
    return [Case(f"{prefix}-{name}", make, **options) for name, make in makers.items()]


class Keys:
    """The vendor's keys and the attacker's, the same for all cases of a process."""

    def __init__(self):
        self.rs = jose.SigningKey("key-1", "RS256", label="vendor")
        self.ps = jose.SigningKey("key-ps", "PS256", label="vendor-ps")
        self.es = jose.SigningKey("key-es", "ES256")
        self.p384 = jose.SigningKey("key-384", "ES384")
        self.attacker = jose.SigningKey("key-1", "RS256", label="attacker")
        self.attacker_es = jose.SigningKey("key-es", "ES256")

    def published(self):
        return [self.rs, self.ps, self.es, self.p384]

    def key_set(self):
        return jose.jwks(*self.published())


def text(value):
    """JSON as compact bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


class Workshop:
    """Makes tokens of one kind ("access" or "id") for USER that are good until a case says otherwise."""

    def __init__(self, keys, settings, kind, canary_url=None):
        self.keys = keys
        self.settings = settings  # issuer, tenant_id, client_id, audience
        self.kind = kind
        self.canary_url = canary_url
        self.now = int(time.time())

    def claims(self, **changes):
        """Good claims; a change to None removes one (for a JSON null, write the payload by hand)."""
        claims = {"iss": self.settings.issuer, "sub": USER, "aud": self.settings.audience,
                  "tid": self.settings.tenant_id, "client_id": self.settings.client_id,
                  "iat": self.now, "exp": self.now + 3600, "scope": "openid"}
        if self.kind == ID:
            claims["aud"] = self.settings.client_id
            del claims["client_id"], claims["scope"]
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def payload(self, **changes):
        return text(self.claims(**changes))

    def header(self, key=None, **changes):
        return (key or self.keys.rs).header(**changes)

    def sign(self, claims=None, header=None, key=None, **header_changes):
        """A token of the key (the vendor's RS256 key). claims, header: object or raw bytes."""
        key = key or self.keys.rs
        if header is None:
            header = key.header(**header_changes)
        return key.sign(self.claims() if claims is None else claims, header)

    def parts(self, key=None):
        return self.sign(key=key).split(".")

    def sign_text(self, header64, payload64, key=None):
        """The vendor's signature over parts that are text already, right or wrong."""
        signed = f"{header64}.{payload64}"
        signature = (key or self.keys.rs).signature(signed.encode("latin-1"))
        return f"{signed}.{jose.b64url(signature)}"

    def with_signature(self, signature, key=None):
        header, payload, _ = self.parts(key)
        return f"{header}.{payload}.{jose.b64url(signature)}"

    def signature(self, token):
        return jose.b64url_decode(token.rsplit(".", 1)[1])


def signed_claims(**changes):
    """A maker: properly signed, with these claims changed."""
    return lambda shop: shop.sign(shop.claims(**changes))


def signed_header(**changes):
    """A maker: properly signed, with these header members changed."""
    return lambda shop: shop.sign(**changes)


def added(member):
    """A maker: properly signed, with a member written as raw JSON before the good claims."""
    def make(shop):
        raw = member(shop) if callable(member) else member
        return shop.sign(b"{" + raw.encode() + b"," + shop.payload()[1:])
    return make


def replaced(name, raw):
    """A maker: properly signed, with one claim's value written as raw JSON."""
    def make(shop):
        value = raw(shop) if callable(raw) else raw
        rest = text({key: old for key, old in shop.claims().items() if key != name})
        return shop.sign(b'{"%s":%s,%s' % (name.encode(), value.encode(), rest[1:]))
    return make
