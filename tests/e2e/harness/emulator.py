# SPDX-License-Identifier: Apache-2.0
"""The vendor's API, emulated: the process and its control API."""
import ssl
import urllib.parse

from .http import Client
from .paths import EMULATOR
from .process import Process


class Emulator(Process):
    def __init__(self, directory, *arguments, tls=True):
        argv = [EMULATOR, "--listen", "127.0.0.1:0", "--dir", directory, "--exit-with-stdin"]
        super().__init__(argv + (["--tls"] if tls else []) + list(arguments), directory)
        ready = self.wait_record(lambda record: record.get("event") == "ready", "event ready")
        self.url = ready["url"]
        self.ca_file = ready.get("ca_file")
        self.issuer = ready["issuer"]
        self.tenant_id = ready["tenant_id"]
        self.client_id = ready["client_id"]
        self.client_secret = ready["client_secret"]
        self.ready = ready
        address = urllib.parse.urlsplit(self.url)
        context = ssl.create_default_context(cafile=self.ca_file) if tls else None
        self._client = Client(address.hostname, address.port, tls=context)

    def config(self):
        """The settings with which a service reaches it."""
        settings = {
            "BFF_UPSTREAM_URL": self.url,
            "BFF_ISSUERS": self.issuer,
            "BFF_TENANT_ID": self.tenant_id,
            "BFF_CLIENT_ID": self.client_id,
            "BFF_CLIENT_SECRET": self.client_secret,
        }
        if self.ca_file:
            settings["BFF_UPSTREAM_CA_FILE"] = self.ca_file
        else:
            settings["BFF_ALLOW_INSECURE_UPSTREAM"] = "true"
        return settings

    def control(self, method, path, document=None):
        answer = self._client.request(method, f"/_emulator/{path}", document=document)
        assert answer.status < 300, f"emulator refused {method} {path}: {answer}"
        return answer.json if answer.body else None

    def make_user(self, **members):
        """user_id, email, phone_number, username, status, face: all optional."""
        return self.control("POST", "users", members)

    def user(self, user_id):
        return self.control("GET", "users/" + urllib.parse.quote(user_id, safe=""))

    def set_user(self, user_id, **members):
        return self.control("POST", "users/" + urllib.parse.quote(user_id, safe=""), members)

    def login(self, user_id, **members):
        """Tokens for the user, as after a login by another method."""
        return self.control("POST", "login", {"user_id": user_id, **members})

    def sign(self, claims, header=None, key=None):
        members = {"claims": claims, "header": header, "key": key}
        document = {name: value for name, value in members.items() if value is not None}
        return self.control("POST", "sign", document)["token"]

    def rotate_keys(self, **members):
        return self.control("POST", "keys/rotate", members)

    def withdraw_key(self, kid):
        self.control("POST", "keys/withdraw", {"kid": kid})

    def revoke_tokens(self, kind):
        self.control("POST", "tokens/revoke", {"kind": kind})

    def shift_clock(self, seconds):
        self.control("POST", "clock", {"shift_s": seconds})

    def settings(self, **members):
        self.control("POST", "settings", members)

    def fault(self, operation, **members):
        """One fault rule; by default it holds for the next call."""
        return self.control("POST", "faults", {"operation": operation, **members})

    def clear_faults(self):
        self.control("DELETE", "faults")

    def calls(self, operation=None):
        query = f"?operation={operation}" if operation else ""
        return self.control("GET", f"calls{query}")["calls"]

    def call_count(self, operation=None):
        query = f"?operation={operation}" if operation else ""
        return self.control("GET", f"calls/count{query}")["count"]

    def executed_count(self, operation):
        return self.control("GET", f"calls/count?operation={operation}")["executed"]

    def clear_calls(self):
        self.control("DELETE", "calls")

    def reset(self):
        """Back to how it started, but for users, keys and sessions."""
        self.clear_faults()
        self.clear_calls()
        self.shift_clock(0)
