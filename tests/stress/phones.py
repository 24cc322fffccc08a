# SPDX-License-Identifier: Apache-2.0
"""Many phones at once: processes of threads, each thread a user with one keep-alive connection that
enrolls fresh keys and logs in with them. What each call came to is written down by trace id, which is
what the vendor's journal and the service's log know it by, too."""
import base64
import collections
import json
import multiprocessing
import os
import socket
import threading
import time

from harness.device import DeviceKey

Call = collections.namedtuple("Call", "trace_id operation status code at_s took_s")
User = collections.namedtuple("User", "user_id token")

NOT_OURS = "not a problem document"  # said by a proxy, not by the service
NO_ANSWER = 0  # the status of a call whose connection ended without an answer
PATIENCE_S = 60
ATTEMPTS = 4  # of what the service says may be repeated

PATHS = {
    "register": ("POST", "/v1/biometrics/register"),
    "start": ("POST", "/v1/biometrics/start"),
    "authenticate": ("POST", "/v1/biometrics/authenticate"),
    "delete": ("DELETE", "/v1/biometrics/keys/"),
    "session": ("GET", "/v1/session"),
}


class Lost(Exception):
    """The connection ended before the answer did."""


class Wire:
    """One keep-alive connection. No call is ever repeated here: a connection that ends without an
    answer is what this whole thing looks for."""

    def __init__(self, address):
        self.address = address
        self.socket = None

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def exchange(self, request):
        """(status, body) of the answer to these bytes."""
        try:
            if not self.socket:
                self.socket = socket.create_connection(self.address, timeout=PATIENCE_S)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(request)
            head, body = self._read()
        except (OSError, Lost) as lost:
            self.close()
            return NO_ANSWER, f"{type(lost).__name__}: {lost}".encode()
        if b"connection: close" in head.lower():
            self.close()
        return int(head[9:12]), body

    def _read(self):
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._piece(data)
        head, body = data[:end], data[end + 4:]
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        while len(body) < length:
            body += self._piece(data)
        return head, body

    def _piece(self, so_far):
        piece = self.socket.recv(65536)
        if not piece:
            raise Lost("closed in the answer" if so_far else "closed without an answer")
        return piece


class Phone:
    """One user on one connection. `journal` gets every call."""

    def __init__(self, address, user, journal):
        self.wire = Wire(address)
        self.user = user
        self.journal = journal
        self.key = None

    def call(self, operation, document=None, token=None, path_end=""):
        """(status, code or None, document or None)"""
        trace_id = os.urandom(16).hex()
        method, path = PATHS[operation]
        body = b"" if document is None else json.dumps(document).encode()
        head = [f"{method} {path}{path_end} HTTP/1.1", "Host: bff", f"traceparent: 00-{trace_id}-00f067aa0ba902b7-01"]
        if document is not None:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if token:
            head.append(f"Authorization: Bearer {token}")
        began_s = time.monotonic()
        status, answer = self.wire.exchange("\r\n".join([*head, "", ""]).encode() + body)
        code, answered = _meaning(status, answer)
        self.journal.append(Call(trace_id, operation, status, code, began_s, time.monotonic() - began_s))
        return status, code, answered

    # ---- the calls

    def register(self):
        document = {"key_id": self.key.key_id, "public_key": self.key.public_base64(), "key_type": "ec", "os": "android"}
        return self.call("register", document, self.user.token)

    def start(self):
        return self.call("start", {"user_id": self.user.user_id})

    def authenticate(self, started):
        return self.call("authenticate", {
            "challenge_id": started["challenge_id"], "user_id": self.user.user_id, "key_id": self.key.key_id,
            "signature": self.key.sign(started["challenge"])})

    def delete(self):
        return self.call("delete", token=self.user.token, path_end=self.key.key_id)

    def session(self):
        return self.call("session", token=self.user.token)

    # ---- stories; an app follows `retry`, so do these

    def enroll(self):
        """A fresh key. True when it is registered; a 409 after an unclear register says so, too."""
        self.key = DeviceKey("ec", base64.urlsafe_b64encode(os.urandom(12)).decode())
        for _ in range(ATTEMPTS):
            status, code, _ = self.register()
            if status == 201 or code == "key_already_registered":
                return True
        return False

    def login(self):
        """True when there was a session: each attempt with a challenge of its own."""
        for _ in range(ATTEMPTS):
            status, _, started = self.start()
            if status == 200 and self.authenticate(started)[0] == 200:
                return True
        return False

    def leave(self):
        for _ in range(ATTEMPTS):
            status, code, _ = self.delete()
            if status == 204 or code == "key_not_found":
                return

    def story(self):
        if self.enroll():
            self.login()
        self.session()
        self.leave()


def _meaning(status, body):
    if status == NO_ANSWER:
        return body.decode(), None
    if status < 400:
        return None, json.loads(body) if body else None
    try:
        return json.loads(body)["code"], None
    except (ValueError, KeyError, TypeError):
        return NOT_OURS, None


# ---- many


def _one_phone(address, user, goes_on, pause_s, journal):
    phone = Phone(address, user, journal)
    while goes_on():
        phone.story()
        if pause_s:
            time.sleep(pause_s)  # thinking: the pace of the load, nothing waits for this
    phone.wire.close()


def _process(address, users, counted, stories, stop, pause_s, pipe):
    """The phones of these users until `stories` were begun by all processes together, or stop is set."""
    journals = [[] for _ in users]

    def goes_on():
        with counted.get_lock():
            counted.value += 1
            return counted.value <= stories and not stop.is_set()

    threads = [threading.Thread(target=_one_phone, args=(address, user, goes_on, pause_s, journal))
               for user, journal in zip(users, journals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send([tuple(call) for journal in journals for call in journal])
    pipe.close()


class Crowd:
    """Phones of these users at work, in some processes, from now on. `stories` bounds the stories of
    all of them together."""

    def __init__(self, address, users, processes=2, stories=1 << 40, pause_s=0.0):
        context = multiprocessing.get_context("spawn")
        self._counted = context.Value("q", 0)  # kept: its semaphore must outlive the start of the processes
        self._stop = context.Event()
        self._pipes, self._processes = [], []
        for number in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_process, daemon=True, args=(
                address, users[number::processes], self._counted, stories, self._stop, pause_s, theirs))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def finish(self):
        """Every phone ends after the story that it is at; every call that was made."""
        self._stop.set()
        return self.journal()

    def stop(self):
        """Ends what still runs, without asking what it came to."""
        for process in self._processes:
            process.terminate()
            process.join()

    def journal(self):
        """Waits for the end; every call that was made."""
        calls = []
        for pipe, process in zip(self._pipes, self._processes):
            calls += [Call(*call) for call in pipe.recv()]
            process.join()
        return calls


def make_users(emulator, count):
    """Users of the emulator, logged in by another method."""
    users = []
    for _ in range(count):
        user_id = emulator.make_user()["user_id"]
        users.append(User(user_id, emulator.login(user_id)["access_token"]))
    return users
