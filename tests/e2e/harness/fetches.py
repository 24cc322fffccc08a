# SPDX-License-Identifier: Apache-2.0
"""Our own tokens and the vendor's keys: what the vendor answers, and how often it may be asked."""
import time

from .hostile import OMIT, Reply
from .waiting import until

COOL_DOWN_S = 30  # api.md: an unknown kid starts no fetch so soon after a good one


def with_random_kid(hostile, number):
    return hostile.key.sign(hostile.access_claims("user-1"), kid=f"random-{number}")


def grant(token="t-1", **members):
    document = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **members}
    return {name: value for name, value in document.items() if value is not OMIT}


def numbered_grants(**members):
    """Token answers t-1, t-2 and so on."""
    numbers = iter(range(1, 1000))
    return lambda _: Reply(document=grant(f"t-{next(numbers)}", **members))


def wait_out_cool_down(service):
    """From the last good fetch of the key set on."""
    fetched = time.monotonic()
    assert service.events("jwks.fetched")
    until(lambda: time.monotonic() > fetched + COOL_DOWN_S + 1, "the end of the cool-down",
          2 * COOL_DOWN_S)
