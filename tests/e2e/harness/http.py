# SPDX-License-Identifier: Apache-2.0
"""Two HTTP clients: one that behaves (http.client), one that sends whatever bytes it is given."""
import http.client
import json
import socket
import ssl
import time

from . import reports
from .paths import PATIENCE

_TIMEOUT_S = 30.0


class Answer:
    """Status, headers (looked up without regard to case), body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        reports.saw_answer(self)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The `code` of a problem document, else None."""
        if not (self.headers.get("Content-Type") or "").startswith("application/problem+json"):
            return None
        return self.json.get("code")

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


class Client:
    """Requests to one listener. Each goes over a connection of its own unless keep_alive is set.
    on_answer looks at every answer, with method and path, before the caller gets it."""

    def __init__(self, host, port, keep_alive=False, tls=None, timeout_s=_TIMEOUT_S,
                 on_answer=None):
        self.host = host
        self.port = port
        self.tls = tls
        self.keep_alive = keep_alive
        self.timeout_s = timeout_s * PATIENCE
        self._kept = None
        self._on_answer = on_answer

    def _connection(self):
        if self._kept:
            return self._kept
        if self.tls:
            made = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s,
                                               context=self.tls)
        else:
            made = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        if self.keep_alive:
            self._kept = made
        return made

    def close(self):
        if self._kept:
            self._kept.close()
            self._kept = None

    def request(self, method, path, document=None, body=None, token=None, headers=None):
        """document is sent as JSON, body as it is; token becomes a Bearer header."""
        fields = {}
        if document is not None:
            body = json.dumps(document).encode()
        if body is not None:
            fields["Content-Type"] = "application/json"
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields.update(headers or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=fields)
            came = connection.getresponse()
            answer = Answer(came.status, came.headers, came.read())
            if self._on_answer:
                self._on_answer(answer, method, path)
            return answer
        except BaseException:
            self.close()
            raise
        finally:
            if not self.keep_alive:
                connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, document=None, **more):
        return self.request("POST", path, document=document, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def raw(self):
        return RawConnection(self.host, self.port)


class RawConnection:
    """A socket that sends exactly the given bytes. Reading keeps the rest for the next answer."""

    def __init__(self, host, port, timeout_s=_TIMEOUT_S):
        self.socket = socket.create_connection((host, port), timeout=timeout_s * PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def drip(self, data, pieces_of=1, pause_s=0.0):
        for at in range(0, len(data), pieces_of):
            self.send(data[at:at + pieces_of])
            if pause_s:
                time.sleep(pause_s)
        return self

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def _more(self):
        try:
            piece = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            piece = b""
        self._rest += piece
        self._ended = not piece
        return bool(piece)

    def read_answer(self, method="GET"):
        """One answer; None when the connection ended without one. 1xx answers are skipped."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = http.client.HTTPMessage()
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        if 100 <= status < 200:
            return self.read_answer(method)
        return Answer(status, headers, self._read_body(status, headers, method))

    def _read_body(self, status, headers, method):
        if method == "HEAD" or status in (204, 304):
            return b""
        length = headers.get("Content-Length")
        while length is None or len(self._rest) < int(length):
            if not self._more():
                break
        end = len(self._rest) if length is None else int(length)
        body, self._rest = self._rest[:end], self._rest[end:]
        return body

    def is_closed_by_peer(self, timeout_s=5.0):
        """Waits for the end of the connection; False when it stays open or more bytes come."""
        if self._ended:
            return True
        self.socket.settimeout(timeout_s * PATIENCE)
        try:
            return not self._rest and not self._more()
        except socket.timeout:
            return False
