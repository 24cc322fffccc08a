# SPDX-License-Identifier: Apache-2.0
"""A dump of the running service holds no secret that was rotated away, in no form in which it was read,
kept or sent; of those in use it holds what it must, which shows that the search finds things."""
import base64
import hashlib
import secrets
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.paths import BUILD, SANITIZER
from harness.reloadable import base64_lines
from harness.tls import ClientAuthority, write_client_pair
from harness.waiting import until

CLIENT_ID = "client-1"
BY_KEY = ["private_key_jwt", "tls_client_auth"]
SMALL = {"BFF_WORKERS": 1, "BFF_USED_CHALLENGES_MAX": 100, "BFF_LIMIT_ENTRIES_MAX": 100, "BFF_TOKEN_MEMORY_MAX": 0}
pytestmark = [
    pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer keeps what was freed, and must be preloaded first"),
    pytest.mark.skipif(not shutil.which("gcore"), reason="gcore is not installed (Debian: gdb)"),
]


def dump(pid, directory):
    """All memory of the process, the pages that are left out of dumps included."""
    subprocess.run(["gcore", "-a", "-o", directory / "core", str(pid)], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL, timeout=120)
    path = directory / f"core.{pid}"
    data = path.read_bytes()
    path.unlink()
    return data


def inside(encoded):
    """Of base64, what does not depend on what stands before or behind."""
    return encoded[4:-4]


def forms_of_secret(secret):
    pair = f"{CLIENT_ID}:{secret}".encode()
    prefix = len(base64.b64encode(CLIENT_ID.encode())) + 4
    return {"the secret": secret.encode(), "its Basic value": base64.b64encode(pair)[prefix:-4]}


def forms_of_seal_key(key):
    return {"the sealing key": key, "its line": inside(base64.b64encode(key))}


def forms_of_operator_key(key):
    """Not what the operator sent: that is his, and lies in the buffer of his connection while it is open."""
    digest = hashlib.sha256(key.encode())
    return {"the operator key's line": digest.hexdigest().encode(), "its digest": digest.digest()}


def forms_of_private_key(key):
    """The file, its lines, and each private number as DER and OpenSSL's BIGNUM have it."""
    numbers = key.private_numbers()
    lines = pem(key).split(b"\n")
    forms = {f"line {i} of the PEM": line for i, line in enumerate(lines[2:-2]) if len(line) > 32}
    for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp"):
        value = getattr(numbers, name)
        size = (value.bit_length() + 7) // 8
        forms[f"{name}, big-endian"] = value.to_bytes(size, "big")
        forms[f"{name}, little-endian"] = value.to_bytes(size, "little")
    return forms


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def operator_line(key):
    return f"ops:{hashlib.sha256(key.encode()).hexdigest()}\n"


class Generation:
    """One of each kind of secret. authority: of the certificate, where one is shown."""

    def __init__(self, directory, auth, authority):
        self.directory, self.auth, self.authority = directory, auth, authority
        self.secret = secrets.token_hex(24)
        self.seal_key = secrets.token_bytes(32)
        self.operator_key = secrets.token_hex(32)
        self.private_key = rsa.generate_private_key(65537, 2048) if auth in BY_KEY else None

    def write(self):
        if self.private_key:
            write_client_pair(self.directory, *self.authority.certificate(key=self.private_key))
        else:
            (self.directory / "secret").write_text(self.secret + "\n")
        (self.directory / "seal").write_text(base64_lines(self.seal_key))
        (self.directory / "operators").write_text(operator_line(self.operator_key))

    def settings(self):
        files = {"BFF_SEAL_KEYS_FILE": self.directory / "seal", "BFF_CLIENT_AUTH": self.auth,
                 "BFF_OPERATOR_KEYS_FILE": self.directory / "operators"}
        if not self.private_key:
            return {**files, "BFF_CLIENT_SECRET_FILE": self.directory / "secret"}
        files["BFF_CLIENT_KEY_FILE"] = self.directory / "client.key"
        if self.auth == "tls_client_auth":
            return {**files, "BFF_CLIENT_CERT_FILE": self.directory / "client.pem"}
        return {**files, "BFF_CLIENT_KEY_ID": "key-1"}

    def forms(self):
        own = forms_of_private_key(self.private_key) if self.private_key else forms_of_secret(self.secret)
        return {**own, **forms_of_seal_key(self.seal_key), **forms_of_operator_key(self.operator_key)}


def found(image, generation):
    return [name for name, value in generation.forms().items() if value in image]


def use(bff, generation):
    for _ in range(3):
        assert bff.start().status == 200
        assert bff.service.operator().request("POST", "/v1/users/user-1/face/revoke",
                                              token=generation.operator_key).status == 204


def vendor(start_hostile, start_emulator, authority, auth):
    if auth != "tls_client_auth":
        return start_hostile()
    return start_emulator("--client-auth", auth, "--client-ca", authority.ca_file, "--client-dn", "CN=our-service",
                          "--client-id", CLIENT_ID)


@pytest.mark.parametrize("auth", ["client_secret_post", "client_secret_basic", *BY_KEY])
def test_no_old_secret_is_left_in_memory(reloadable, start_hostile, start_emulator, tmp_path, auth):
    authority = ClientAuthority(tmp_path, "client-ca")
    old, new = Generation(tmp_path, auth, authority), Generation(tmp_path, auth, authority)
    old.write()
    bff = reloadable(vendor(start_hostile, start_emulator, authority, auth), **old.settings(), config={
        **SMALL, "BFF_CLIENT_ID": CLIENT_ID, "BFF_CLIENT_SECRET": None, "BFF_OPERATOR_LISTEN": "127.0.0.1:0",
        "LD_PRELOAD": BUILD / "tests" / "e2e" / "dumpable.so"})
    use(bff, old)
    image = dump(bff.service.pid, tmp_path)
    assert {"the sealing key", "its digest"} <= set(found(image, old))
    assert {"the secret", "line 1 of the PEM"} & set(found(image, old))

    new.write()
    bff.reload()
    bff.service.wait_event("token.credentials_accepted")
    use(bff, new)
    until(lambda: not (left := found(dump(bff.service.pid, tmp_path), old)) or print(left),
          "no old secret is left in memory", timeout_s=5)
    assert {"the sealing key", "its digest"} <= set(found(dump(bff.service.pid, tmp_path), new))
