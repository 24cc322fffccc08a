#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""50,000 Bearer tokens in a minute, each with a kid that no key set has: the vendor is not asked for keys each time,
and good tokens are as fast as before.

A good token's request is a call of the vendor that takes 20 ms; both kinds come over connections that are kept.
"""
import base64
import json
import os
import sys

from common import Load, Verdict, at_most, exactly, get, main, running, say, tail_of
from harness.emulator import Emulator
from harness.service import Service

TOKENS, TOKENS_QUICK = 50_000, 2_500
SECONDS, SECONDS_QUICK = 60, 3
GOOD_PER_S = 50
DELAY_MS = 20
FETCHES_MAX = 3


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_random_kid(token):
    header, claims, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(header + "=="))
    members["kid"] = base64url(os.urandom(12))
    return ".".join([base64url(json.dumps(members).encode()), claims, signature])


def bearer(token):
    return f"Authorization: Bearer {token}\r\n"


def good_requests(token):
    return get("/v1/biometrics/keys/key-{n}", bearer(token)).replace(b"GET ", b"DELETE ", 1)


def run(options):
    tokens, seconds = (TOKENS_QUICK, SECONDS_QUICK) if options.quick else (TOKENS, SECONDS)
    with running() as things:
        emulator = Emulator(options.directory, tls=False)
        things.append(emulator)
        emulator.fault("delete", delay_ms=DELAY_MS, next=10_000_000)
        service = Service(options.directory, emulator, {"BFF_UPSTREAM_MAX_PER_SECOND": 0, "BFF_RATE_PER_USER": 0})
        things.append(service)
        token = emulator.login(emulator.make_user()["user_id"])["access_token"]
        flood = b"".join(get("/v1/session", bearer(with_random_kid(token))) for _ in range(tokens))

        def good(for_s):
            return Load(options.directory, service, good_requests(token), 100, rate=GOOD_PER_S, seconds=for_s)

        good(1).wait()
        alone = good(max(seconds // 3, 3)).wait()
        say(f"good tokens alone: {alone}")
        fetches = emulator.call_count("jwks")
        beside = good(seconds)
        bad = Load(options.directory, service, flood, 200, rate=tokens / seconds, seconds=seconds + 1, count=tokens).wait()
        beside = beside.wait()
        say(f"random kids: {bad}")
        say(f"good tokens beside them: {beside}")
        fetches = emulator.call_count("jwks") - fetches

        yield at_most("fetches of the key set", fetches, FETCHES_MAX)
        yield exactly("tokens with a random kid that were let in", bad.count(200), 0)
        yield exactly("of them refused with 401", bad.count(401), tokens)
        yield Verdict("good tokens all reached the vendor", f"{beside.count(404)} of {beside.document['requests']}",
                      beside.count(404) == beside.document["requests"])
        tail = tail_of(options)
        yield at_most(f"{tail} of good tokens over that of good tokens alone",
                      beside.ms(404, tail) / alone.ms(404, tail), 1.2)


if __name__ == "__main__":
    sys.exit(main("kid_flood", __doc__, run))
