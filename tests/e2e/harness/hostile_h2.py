# SPDX-License-Identifier: Apache-2.0
"""The hostile upstream over HTTP/2, down to the frame. Who does not ask for h2 gets HTTP/1.1."""
import dataclasses
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from . import hostile
from .hostile import Call, Reply

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 7, 8
ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED = 11, 13


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


SETTINGS = frame(4)
PING = frame(6, payload=b"12345678")
WINDOW_UPDATE = frame(8, payload=(1).to_bytes(4, "big"))


@dataclasses.dataclass
class H2Reply(Reply):
    """One thing is done; the members of Reply that speak of bytes do not count here."""
    reset: int = None  # RST_STREAM with this code
    goaway: int = None  # GOAWAY with this code; the streams up to this one, without it, were looked at
    after: int = None  # GOAWAY with this code after the answer
    raw_frames: bytes = b""  # those bytes, as often as they are taken
    times: int = 1
    stall: bool = False  # the header of an answer, and never its end


class HostileH2(hostile.Hostile):
    """initial_window: what a client may send of a body before it is given more."""

    def __init__(self, directory, initial_window=65535, **options):
        super().__init__(directory, **options)
        self.initial_window = initial_window
        self.h2_connections = 0
        self.connection_class = _H2Connection

    def tls_context(self):
        context = super().tls_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def config(self):
        return {**super().config(), "BFF_UPSTREAM_HTTP2": "on"}


class _H2Connection(hostile.Connection):
    def serve(self):
        if not isinstance(self.socket, ssl.SSLSocket) or self.socket.selected_alpn_protocol() != "h2":
            super().serve()
            return
        with self.server._lock:
            self.server.h2_connections += 1
        self._lock = threading.Lock()
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.server.initial_window})
        self._bodies, self._heads, self._threads = {}, {}, []
        self._flush()
        try:
            while not self.broken.is_set():
                data = self.socket.recv(65536)
                if not data:
                    break
                with self._lock:
                    events = self._h2.receive_data(data)
                    self._flush()
                for event in events:
                    self._take(event)
        except (h2.exceptions.ProtocolError, KeyError):
            pass
        finally:
            self.broken.set()
            for thread in self._threads:
                thread.join()

    def _flush(self):
        data = self._h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def _take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self._heads[event.stream_id] = dict(event.headers)
            self._bodies[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            self._bodies[event.stream_id] += event.data
            with self._lock:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self._flush()
        if getattr(event, "stream_ended", None) is not None or isinstance(event, h2.events.StreamEnded):
            if event.stream_id in self._heads:
                self._call(event.stream_id)

    def _call(self, stream):
        head, body = self._heads.pop(stream), self._bodies.pop(stream)
        target = head[":path"]
        call = Call(hostile.OPERATIONS.get(target.split("?")[0], "unknown"), head[":method"], target,
                    {name: value for name, value in head.items() if name[0] != ":"}, body, self.number, time.monotonic())
        with self.server._lock:
            self.server.recorded.append(call)
        reply = self.server._reply_to(call)
        thread = threading.Thread(target=self._answer, args=(stream, reply), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _answer(self, stream, reply):
        never = threading.Event()
        if not self._pause(reply.hold or never, 60 if reply.hold else 0) or not self._pause(never, reply.delay_s):
            return
        try:
            with self._lock:
                self._act(stream, reply)
        except (OSError, h2.exceptions.ProtocolError):
            self.broken.set()

    def _act(self, stream, reply):
        special = isinstance(reply, H2Reply)
        if special and reply.raw_frames:
            for _ in range(reply.times):
                self.socket.sendall(reply.raw_frames)
        elif special and reply.reset is not None:
            self._h2.reset_stream(stream, reply.reset)
        elif special and reply.goaway is not None:
            self._goaway(reply.goaway, stream - 2)
        else:
            self._respond(stream, reply, special and reply.stall)
        if special and reply.after is not None:
            self._goaway(reply.after, stream)
        self._flush()

    def _goaway(self, code, last_stream):
        self._flush()
        self.socket.sendall(frame(7, payload=max(last_stream, 0).to_bytes(4, "big") + code.to_bytes(4, "big")))

    def _respond(self, stream, reply, stall):
        head, _, body = reply.encoded().partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:]]
        self._h2.send_headers(stream, [(":status", str(reply.status)),
                                       *((name.lower(), value) for name, value in fields)])
        if not stall:
            self._h2.send_data(stream, body, end_stream=True)
