# SPDX-License-Identifier: Apache-2.0
"""The identity API at constant cost: nginx that answers every call with what was signed before. The tokens
are genuine, and signed anew while the benchmark runs: a token may not be older than its ceremony."""
import contextlib
import http.client
import json
import signal
import sys
import time
import uuid

from . import processes

sys.path.insert(0, str(processes.TEMPLATES.parents[1] / "tests" / "e2e"))
from harness import jose, tls  # noqa: E402  the tests' tokens and certificates

USER = "user-bench-000001"
ISSUER, TENANT, CLIENT, AUDIENCE = "https://issuer.test", "tenant-bench", "client-bench", "userid-api"
TOKEN_LIFE_S = 3600
CHALLENGE = "Zm9yIHRoZSBiZW5jaG1hcms6IGEgY2hhbGxlbmdlIG9mIHVzdWFsIGxlbmd0aA=="


class Upstream:
    """Serves from the start of the context until its end."""

    def __init__(self, core, directory):
        self.core = core
        self.directory = directory
        self.key = jose.SigningKey("bench-key-1")
        authority = tls.Authority(directory)
        self.ca_file = authority.ca_file
        self.certificate, self.certificate_key = authority.issue()
        self.client_token = self._client_token()
        self.plain, self.tls = processes.free_port(), processes.free_port()
        self.serial = 0
        self.signed_at = 0.0
        self.stack = contextlib.ExitStack()
        self.child = None

    def __enter__(self):
        config = self._write()
        argv = ["nginx", "-p", self.directory, "-c", config]
        self.child = self.stack.enter_context(processes.Child("upstream nginx", argv, self.core, self.directory))
        self.child.wait_until(self._serves_this, "answer")
        return self

    def __exit__(self, *error):
        self.stack.close()

    def port(self, transport):
        return self.tls if transport == "tls" else self.plain

    def url(self, transport):
        return f"{'https' if transport == 'tls' else 'http'}://127.0.0.1:{self.port(transport)}"

    def settings(self, transport):
        """With which the service reaches it."""
        chosen = {"BFF_UPSTREAM_URL": self.url(transport), "BFF_ISSUERS": ISSUER, "BFF_TENANT_ID": TENANT,
                  "BFF_CLIENT_ID": CLIENT, "BFF_CLIENT_SECRET": "secret-bench"}
        if transport == "tls":
            return {**chosen, "BFF_UPSTREAM_CA_FILE": str(self.ca_file)}
        return {**chosen, "BFF_ALLOW_INSECURE_UPSTREAM": "true"}

    def fresh(self, max_age_s):
        """Signs anew what is older; connections to it begin anew then, too."""
        if time.monotonic() - self.signed_at <= max_age_s:
            return
        self._write()
        self.child.process.send_signal(signal.SIGHUP)
        self.child.wait_until(self._serves_this, "newly signed answer")

    def public_key_file(self):
        """The key that tokens are signed with, PEM."""
        path = self.directory / "key.pem"
        path.write_bytes(self.key.public_pem())
        return path

    def user_token(self):
        now = int(time.time())
        return self.key.sign({"iss": ISSUER, "sub": USER, "aud": AUDIENCE, "tid": TENANT, "client_id": CLIENT,
                              "iat": now, "exp": now + TOKEN_LIFE_S, "scope": "openid", "jti": str(uuid.uuid4())})

    def _client_token(self):
        now = int(time.time())
        return self.key.sign({"iss": ISSUER, "sub": CLIENT, "aud": AUDIENCE, "tid": TENANT, "client_id": CLIENT,
                              "iat": now, "exp": now + TOKEN_LIFE_S, "jti": str(uuid.uuid4())})

    def _id_token(self):
        now = int(time.time())
        return self.key.sign({"iss": ISSUER, "sub": USER, "aud": CLIENT, "tid": TENANT, "iat": now,
                              "exp": now + TOKEN_LIFE_S, "email": "user@example.com", "email_verified": True})

    def _answers(self):
        bearer = {"token_type": "Bearer", "expires_in": TOKEN_LIFE_S}
        return {
            "token": {"access_token": self.client_token, "scope": "", **bearer},
            "keys": jose.jwks(self.key),
            "start": {"challenge": CHALLENGE},
            "authenticate": {"access_token": self.user_token(), "id_token": self._id_token(),
                             "refresh_token": jose.b64url(uuid.uuid4().bytes * 2),
                             "session_id": uuid.uuid4().hex, **bearer},
        }

    def _write(self):
        self.serial += 1
        self.signed_at = time.monotonic()
        answers = {name: json.dumps(document, separators=(",", ":")) for name, document in self._answers().items()}
        return processes.template("upstream.conf", self.directory, dir=self.directory, plain=self.plain,
                                  tls=self.tls, certificate=self.certificate, key=self.certificate_key,
                                  serial=self.serial, **answers)

    def _serves_this(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=5)
        try:
            connection.request("GET", "/serial")
            return connection.getresponse().read() == str(self.serial).encode()
        except OSError:
            return False
        finally:
            connection.close()
