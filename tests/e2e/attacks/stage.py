# SPDX-License-Identifier: Apache-2.0
"""Where the cases are played: a service, a hostile vendor that returns what it is given, and a canary
that nobody may connect to."""
import socket

from harness.device import unique
from harness.hostile import Hostile, Reply
from harness.service import Service
from harness.stopping import stop_all

from . import class_m
from .case import ACCESS, BEARER, ID, REFRESH, USER, Keys, Workshop

SECOND_ISSUER = "https://second.test"
SIGNATURE = "c2lnbmF0dXJl"
NO_LIMITS = {"BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
             "BFF_UPSTREAM_BREAKER_FAILURES": "0"}


class Canary:
    """A listening socket; visits() counts who came."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def visits(self):
        count = 0
        while True:
            try:
                self._listener.accept()[0].close()
                count += 1
            except BlockingIOError:
                return count

    def stop(self):
        self._listener.close()


def as_bytes(token):
    return token if isinstance(token, bytes) else token.encode()


class Stage:
    def __init__(self, directory, **config):
        self.keys = Keys()
        self.canary = Canary()
        self.vendor = Hostile(directory, tls=False)
        self.vendor.key = self.keys.rs
        self.vendor.published = self.keys.published()
        settings = self.settings()
        self.service = Service(directory, self.vendor, {**NO_LIMITS, **settings, **config},
                               wait_ready=False)
        self.api = self.service.client(keep_alive=False)

    def settings(self):
        attackers = {"keys": [self.keys.attacker.jwk()]}
        self.vendor.on("unknown", Reply(document=attackers))
        return {"BFF_ISSUERS": f"{self.vendor.issuer},{SECOND_ISSUER}={self.vendor.url}/second/jwks",
                "BFF_JWT_ALGORITHMS": "RS256,PS256,ES256"}

    def stop(self):
        stop_all([self.service, self.vendor, self.canary])

    def workshop(self, way):
        return Workshop(self.keys, self.vendor, ID if way == ID else ACCESS, self.canary.url)

    # ---- the ways in; each gives the answer, or None when the connection was cut without one ----

    def play(self, way, token):
        return {BEARER: self.bearer, ACCESS: self.from_authenticate, ID: self.from_authenticate_id,
                REFRESH: self.from_refresh}[way](token)

    def bearer(self, token):
        with self.service.raw() as connection:
            try:
                connection.send(b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                                + as_bytes(token) + b"\r\nConnection: close\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before it was all sent; the answer may still be there
            return connection.read_answer()

    def _authenticate(self, **tokens):
        document = self.vendor.session(USER, **{name: as_bytes(token).decode("latin-1") if isinstance(token, bytes)
                                                else token for name, token in tokens.items()})
        self.vendor.on("authenticate", Reply(document=document))
        started = self.api.post("/v1/biometrics/start", {"user_id": USER})
        assert started.status == 200, started
        return self.api.post("/v1/biometrics/authenticate", {
            "challenge_id": started.json["challenge_id"], "user_id": USER, "key_id": "key", "signature": SIGNATURE})

    def from_authenticate(self, token):
        return self._authenticate(access_token=token)

    def from_authenticate_id(self, token):
        return self._authenticate(id_token=token)

    def from_refresh(self, token):
        document = self.vendor.session(USER, access_token=token)
        del document["session_id"]
        self.vendor.on("refresh", Reply(document=document))
        return self.api.post("/v1/session/refresh", {"refresh_token": f"{unique('refresh')}~{USER}"})


def issuer_of(case):
    return f"https://{case.name.lower()}.test"


class SetStage(Stage):
    """One service, and for each key set document of the group an issuer of its own."""

    def __init__(self, directory, group):
        self.cases = {f"/sets/{case.name}": case for case in class_m.CONTROLS + group}
        super().__init__(directory)

    def settings(self):
        def serve(call):
            case = self.cases.get(call.path)
            return case and Reply(body=case.body, headers={"Content-Type": case.content_type})

        self.vendor.on("unknown", serve)
        issuers = [self.vendor.issuer]
        issuers += [f"{issuer_of(case)}={self.vendor.url}{path}" for path, case in self.cases.items()]
        return {"BFF_ISSUERS": ",".join(issuers), "BFF_JWT_ALGORITHMS": "RS256,ES256"}

    def token(self, case, way):
        return case.sign(self.workshop(way).claims(iss=issuer_of(case)))


# A service takes 16 issuers; the vendor's own and the controls are always there.
_GROUP = 16 - 1 - len(class_m.CONTROLS)
GROUPS = [class_m.CASES[at:at + _GROUP] for at in range(0, len(class_m.CASES), _GROUP)]
