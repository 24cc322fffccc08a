# SPDX-License-Identifier: Apache-2.0
"""A name server in the hands of the test, and a service that knows no other: it runs in a mount namespace
of its own, in which the resolver's files are the test's."""
import os
import shutil
import socket
import struct
import subprocess
import threading

import pytest

NO_SUCH_NAME, SERVER_FAILURE, SILENCE = "no such name", "server failure", "silence"
_RCODES = {NO_SUCH_NAME: 3, SERVER_FAILURE: 2}
_A = 1
_PORT = 53  # the C library asks no other
_BIND = ('for file in resolv.conf hosts nsswitch.conf; do '
         '[ ! -e "/etc/$file" ] || mount --bind "$0/$file" "/etc/$file" || exit 125; done; exec "$@"')


class NameServer:
    """Answers A questions over UDP on a loopback address of its own. Names that it was not told of do
    not exist; no name has an IPv6 address."""

    def __init__(self):
        pid = os.getpid()
        self.address = f"127.53.{pid >> 8 & 255}.{max(1, pid & 255)}"
        self._answers = {}
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, _PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def set(self, name, answer):
        """answer: a list of addresses (none: the name exists without), or one of the words above."""
        self._answers[name.lower()] = answer

    def _serve(self):
        while True:
            question, peer = self._socket.recvfrom(4096)
            if not question:
                return
            self.asked += 1
            answer = self._answer(question)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, = struct.unpack("!H", question[at + 1:at + 3])
        answer = self._answers.get(".".join(labels).lower(), NO_SUCH_NAME)
        if answer == SILENCE:
            return None
        addresses = answer if isinstance(answer, list) and kind == _A else []
        rcode = 0 if isinstance(answer, list) else _RCODES[answer]
        header = question[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(addresses), 0, 0)
        records = b"".join(struct.pack("!HHHIH", 0xC00C, _A, 1, 1, 4) + socket.inet_aton(one)
                           for one in addresses)
        return header + question[12:at + 5] + records

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (self.address, _PORT))
        self._thread.join()
        self._socket.close()

    def wrap(self, directory):
        """What makes of a command one that asks this server and nobody else; for Service."""
        (directory / "resolv.conf").write_text(f"nameserver {self.address}\noptions timeout:30 attempts:1\n")
        (directory / "hosts").write_text("127.0.0.1 localhost\n")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        return lambda argv: ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BIND, str(directory),
                             *map(str, argv)]


def start_name_server():
    """Skips the test where the machine forbids what it needs."""
    if not shutil.which("unshare") or subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             "[ ! -e /etc/resolv.conf ] || mount --bind /etc/hosts /etc/resolv.conf"],
            capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of one's own here")
    try:
        return NameServer()
    except OSError as problem:
        pytest.skip(f"no name server on port {_PORT} here: {problem}")
