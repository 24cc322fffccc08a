# SPDX-License-Identifier: Apache-2.0
"""Many clients at once, and what they send."""
import contextlib

# None of our own limits in the way of many requests at once.
UNLIMITED = {"BFF_RATE_PER_USER": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
             "BFF_REQUEST_TIMEOUT_MS": "30000", "BFF_MAX_IN_FLIGHT": "4000"}


class Together:
    """Many requests, each on a connection of its own that is open before the first byte is sent."""

    def __init__(self, service, count):
        self._stack = contextlib.ExitStack()
        self._raw = [self._stack.enter_context(service.raw()) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def send(self, requests):
        for raw, request in zip(self._raw, requests, strict=True):
            raw.send(request)
        return self

    def answer(self, number):
        return self._raw[number].read_answer()

    def statuses(self):
        return [raw.read_answer().status for raw in self._raw]


def get_session(token):
    return f"GET /v1/session HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n\r\n"


def post_start(user_id):
    body = f'{{"user_id":"{user_id}"}}'
    return ("POST /v1/biometrics/start HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")
