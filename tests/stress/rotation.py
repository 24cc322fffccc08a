#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that can rotate rotates while phones log in: client secret, sealing keys, operator keys, the vendor's
certificate and the authorities that vouch for it, the log level. By a change of the files alone and by SIGHUP, in
turn. No request fails, and what was rotated away is gone: the old operator key and handles under a dropped sealing
key are refused, the old client secret is never sent again, the old authority vouches for nobody."""
import base64
import hashlib
import secrets
import signal
import sys
import threading
import time

from common import at_least, exactly, main, running, say
from harness import seal
from harness.hostile import Hostile, Reply
from harness.service import Service
from harness.tls import Authority
from harness.waiting import until

ROUNDS, QUICK_ROUNDS = 30, 4
PHONES = 6
SETTINGS = {"BFF_RATE_PER_USER": "0", "BFF_LOCKOUT_FAILURES": "0", "BFF_UPSTREAM_MAX_PER_SECOND": "0",
            "BFF_OPERATOR_LISTEN": "127.0.0.1:0", "BFF_CLIENT_SECRET": None, "BFF_UPSTREAM_CA_FILE": None}


class Vendor:
    """An upstream that knows which client secrets are good, and whose certificate can change."""

    def __init__(self, directory):
        self.directory = directory
        self.hostile = Hostile(directory, authority=Authority(directory, "authority-0"))
        self.good = set()
        self.hostile.on("token", self._token)

    def _token(self, call):
        if call.form["client_secret"] not in self.good:
            return Reply(401, {"error": "invalid_client"})
        return Reply(document={"access_token": secrets.token_hex(16), "token_type": "Bearer", "expires_in": 3600})

    def secrets_sent(self):
        return [call.form["client_secret"] for call in self.hostile.calls("token")]

    def show(self, authority):
        """New connections get a certificate of this authority."""
        self.hostile.show_certificate(*authority.issue())


class Files:
    """What the service watches."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()

    def put(self, name, text):
        """In one step, as whoever rotates should."""
        new = self.directory / f"{name}.new"
        new.write_text(text)
        new.rename(self.directory / name)

    def seal_keys(self, *keys):
        self.put("seal", "".join(base64.b64encode(key).decode() + "\n" for key in keys))

    def operators(self, *keys):
        self.put("operators", "".join(f"op{i}:{hashlib.sha256(key.encode()).hexdigest()}\n"
                                      for i, key in enumerate(keys)))

    def authorities(self, *authorities):
        self.put("ca", "".join(authority.ca_file.read_text() for authority in authorities))

    def level(self, level):
        self.put("bff.conf", f"BFF_LOG_LEVEL={level}\n")

    def settings(self):
        return {"BFF_CLIENT_SECRET_FILE": self.directory / "secret", "BFF_SEAL_KEYS_FILE": self.directory / "seal",
                "BFF_OPERATOR_KEYS_FILE": self.directory / "operators", "BFF_UPSTREAM_CA_FILE": self.directory / "ca"}


def login(client, user, handle):
    return client.post("/v1/biometrics/authenticate", {
        "challenge_id": handle, "user_id": user, "key_id": "key-1",
        "signature": base64.b64encode(b"signature").decode()})


class Phones:
    """Threads that log in one time after the other."""

    def __init__(self, service):
        self.service = service
        self.took_ms, self.failed = [], []
        self._answered = [0] * PHONES
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(PHONES)]
        for thread in self._threads:
            thread.start()

    def _call(self, number, what):
        began_s = time.monotonic()
        answer = what()
        self.took_ms.append(1000 * (time.monotonic() - began_s))
        self._answered[number] += 1
        if answer.status != 200:
            self.failed.append((answer.headers["X-Request-Id"], f"{answer.status} {answer.body[:200]}"))
        return answer

    def _run(self, number):
        client = self.service.client(keep_alive=True)
        try:
            while not self._done.is_set():
                user = f"user-{number}-{secrets.token_hex(4)}"
                started = self._call(number, lambda: client.post("/v1/biometrics/start", {"user_id": user}))
                if started.status == 200:
                    self._call(number, lambda: login(client, user, started.json["challenge_id"]))
        except (OSError, AssertionError) as error:
            self.failed.append((None, f"{type(error).__name__}: {error}"))
        client.close()

    def wait_for_those_under_way(self):
        """Until every request that is under way now has its answer."""
        phones = list(zip(range(PHONES), list(self._answered), self._threads))
        until(lambda: all(self._answered[number] > then or not thread.is_alive() for number, then, thread in phones),
              "an answer for each phone")

    def stop(self):
        self._done.set()
        for thread in self._threads:
            thread.join()


class Rotation:
    """The service, its files and what is true of them now."""

    def __init__(self, directory, things):
        self.vendor = Vendor(directory)
        things.append(self.vendor.hostile)
        self.files = Files(directory / "files")
        self.directory = directory
        self.authority = Authority(directory, "authority-first")
        self.vendor.show(self.authority)
        self.secret, self.operator = secrets.token_hex(24), secrets.token_hex(32)
        self.sealing = [secrets.token_bytes(32)]
        self.dropped = None
        self.seconds, self.wrong = [], []
        self.vendor.good = {self.secret}
        self.files.put("secret", self.secret + "\n")
        self.files.seal_keys(*self.sealing)
        self.files.operators(self.operator)
        self.files.authorities(self.authority)
        self.files.level("info")
        self.service = Service(directory, self.vendor.hostile, {**SETTINGS, **self.files.settings()},
                               arguments=["--config", self.files.directory / "bff.conf"])
        things.append(self.service)
        self.phones = Phones(self.service)
        things.append(self.phones)

    def reloads(self):
        return self.service.metric("bff_config_reload_total", result="ok")

    def take_up(self, write, by_signal):
        """Changes files and waits until the service goes by them."""
        before, began_s = self.reloads(), time.monotonic()
        write()
        if by_signal:
            self.service.signal(signal.SIGHUP)
        until(lambda: self.reloads() > before, "a reload")
        self.seconds.append((by_signal, time.monotonic() - began_s))

    def check(self, what, good):
        if not good:
            self.wrong.append(what)

    def operator_status(self, key):
        return self.service.operator().request("POST", "/v1/users/user-1/face/revoke", token=key).status

    def opens(self, key):
        return login(self.service.client(), "user-1", seal.challenge(key, "user-1")).status == 200

    def rotate_secret(self, by_signal):
        old, self.secret = self.secret, secrets.token_hex(24)
        self.take_up(lambda: self.files.put("secret", self.secret + "\n"), by_signal)
        until(lambda: self.vendor.secrets_sent()[-1] == self.secret, "the new secret is tried")
        self.check("a secret that the vendor does not know yet is pending",
                   self.service.metric("bff_token_credentials_pending") == 1)
        self.vendor.good = {old, self.secret}
        before = self.reloads()
        self.service.signal(signal.SIGHUP)  # else the next trial is half a minute away
        until(lambda: self.reloads() > before, "a reload")
        until(lambda: self.service.metric("bff_token_credentials_pending") == 0, "the new secret is in use")
        self.vendor.good = {self.secret}

    def rotate_seal(self, by_signal):
        self.dropped = self.sealing[1] if len(self.sealing) > 1 else self.dropped
        self.sealing = [secrets.token_bytes(32), self.sealing[0]]
        self.take_up(lambda: self.files.seal_keys(*self.sealing), by_signal)
        self.check("handles under the kept keys open", all(self.opens(key) for key in self.sealing))
        self.check("handles under a dropped key do not", not (self.dropped and self.opens(self.dropped)))

    def rotate_operator(self, by_signal):
        old, self.operator = self.operator, secrets.token_hex(32)
        self.take_up(lambda: self.files.operators(self.operator), by_signal)
        self.check("the new operator key is good", self.operator_status(self.operator) == 204)
        self.check("the old one is not", self.operator_status(old) == 401)

    def rotate_authority(self, number, by_signal):
        old, self.authority = self.authority, Authority(self.directory, f"authority-{number}")
        self.take_up(lambda: self.files.authorities(self.authority, old), by_signal)
        self.phones.wait_for_those_under_way()  # what began before goes on with what was trusted then
        self.vendor.show(self.authority)
        self.take_up(lambda: self.files.authorities(self.authority), by_signal)
        return old

    def round(self, number):
        by_signal = number % 2 == 1
        self.rotate_secret(by_signal)
        self.rotate_seal(by_signal)
        self.rotate_operator(by_signal)
        old = self.rotate_authority(number, by_signal)
        self.take_up(lambda: self.files.level("warn" if by_signal else "info"), by_signal)
        return old


def figures(rotation, phones, span_s):
    took = sorted(phones.took_ms)
    by = {name: sorted(s for by_signal, s in rotation.seconds if by_signal == flag)
          for name, flag in (("a file's change", False), ("SIGHUP", True))}
    say(f"{len(took)} requests in {span_s:.1f} s ({len(took) / span_s:.0f} a second), p50 {took[len(took) // 2]:.1f} ms, "
        f"p99 {took[len(took) * 99 // 100]:.1f} ms, longest {took[-1]:.1f} ms")
    for name, seconds in by.items():
        if seconds:
            say(f"{len(seconds)} reloads by {name}: in use after {seconds[len(seconds) // 2]:.2f} s, at most {seconds[-1]:.2f} s")


def say_failed(service, failed):
    """With what the log says of them."""
    reasons = {record.get("http.request.id"): record.get("error.reason") for record in service.records()}
    for request_id, what in failed[:5]:
        say(f"failed: {what} ({reasons.get(request_id)})")


def old_certificate_is_refused(rotation, old):
    """Also not over connections that were open before."""
    rotation.vendor.show(old)
    before = rotation.reloads()
    rotation.files.put("ca", rotation.authority.ca_file.read_text() + "# anew\n")  # other bytes, so another pool
    until(lambda: rotation.reloads() > before, "a reload")
    return rotation.service.client().post("/v1/biometrics/start", {"user_id": "user-1"}).status == 503


def run(options):
    with running() as things:
        rotation = Rotation(options.directory, things)
        phones = rotation.phones
        began_s, used, old = time.monotonic(), [], None
        for number in range(QUICK_ROUNDS if options.quick else ROUNDS):
            used.append(rotation.secret)
            old = rotation.round(number)
        span_s = time.monotonic() - began_s
        phones.stop()
        figures(rotation, phones, span_s)
        say_failed(rotation.service, phones.failed)
        sent = rotation.vendor.secrets_sent()
        yield exactly("requests that failed", len(phones.failed), 0)
        yield at_least("requests", len(phones.took_ms), 20 * len(rotation.seconds))
        yield exactly("what was not as it should be after a rotation", sorted(set(rotation.wrong)), [])
        yield exactly("secrets that were sent after a later one was accepted",
                      [s for i, s in enumerate(used) if s in sent[sent.index((used + [rotation.secret])[i + 1]) + 2:]], [])
        yield exactly("reloads that were refused", rotation.service.metric("bff_config_reload_total", result="refused"), 0)
        yield exactly("a certificate of the old authority is refused", old_certificate_is_refused(rotation, old), True)


if __name__ == "__main__":
    sys.exit(main("rotation", __doc__, run))
