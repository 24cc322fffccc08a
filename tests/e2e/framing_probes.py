# SPDX-License-Identifier: Apache-2.0
"""The framing probes: what is sent, byte for byte, and the answers that are wanted. Requests that two
parsers could read differently are refused and the connection ends; a request hidden in them
(HIDDEN) must never be served. Beside the refusals stand controls: near relatives that are good."""
import dataclasses
import itertools

NONE = None  # the connection ends without an answer

HIDDEN_ID = "hidden-request"
HIDDEN = f"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: {HIDDEN_ID}\r\n\r\n".encode()

_numbers = itertools.count(1)


@dataclasses.dataclass
class Probe:
    name: str
    data: bytes
    wanted: tuple  # acceptable status of each answer: one int or NONE, or a tuple of them
    closes: bool
    code: str = None  # of the first answer's problem document, when it is ours
    drip: bool = False
    half_close: bool = False


def _latin(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def get(target="/healthz", fields="", version="HTTP/1.1", host="Host: bff.example\r\n", method="GET"):
    return b"".join(map(_latin, (method, " ", target, " ", version, "\r\n", host, fields, "\r\n")))


def start_body():
    """A body that the service accepts; each probe is another user, because of the rate limit."""
    return f'{{"user_id":"framing-{next(_numbers):04}"}}'.encode()


def post(fields, body=b"", version="HTTP/1.1", host="Host: bff.example\r\n",
         content_type="Content-Type: application/json\r\n"):
    return b"".join(map(_latin, ("POST /v1/biometrics/start ", version, "\r\n", host, content_type,
                                 fields, "\r\n", body)))


def length(body):
    return f"Content-Length: {len(body)}\r\n"


def chunks(*pieces, end=b"0\r\n\r\n"):
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + end


def refused(name, data, status=400, code="invalid_request"):
    """Our own answer, and the end of the connection."""
    return Probe(name, data, (status,), True, code)


def parser_refused(name, data, *statuses):
    """Refused by the parser in front of the gate, whose page is not ours or (NONE) not there at all.
    Then the end."""
    return Probe(name, data, (statuses or (400,),), True)


def good(name, data, *statuses, **more):
    return Probe(name, data, statuses or (200,), False, **more)


CHUNKED = "Transfer-Encoding: chunked\r\n"


def _length_probes():
    body = start_body()
    yield parser_refused("Content-Length and Transfer-Encoding", post(
        f"Content-Length: 4\r\n{CHUNKED}", b"0\r\n\r\n" + HIDDEN))
    yield parser_refused("Transfer-Encoding and Content-Length", post(
        f"{CHUNKED}Content-Length: {len(HIDDEN) + 5}\r\n", b"0\r\n\r\n" + HIDDEN))
    yield parser_refused("Content-Length 0 and Transfer-Encoding", post(
        f"Content-Length: 0\r\n{CHUNKED}", chunks(start_body()) + HIDDEN))
    yield parser_refused("two Content-Lengths that differ", post(
        f"Content-Length: 0\r\n{length(body + HIDDEN)}", body + HIDDEN))
    yield parser_refused("two Content-Lengths that differ, larger first", post(
        f"{length(body + HIDDEN)}Content-Length: 0\r\n", body + HIDDEN))
    yield parser_refused("two equal Content-Lengths", post(length(body) * 2, body + HIDDEN))
    yield parser_refused("Content-Length as a list", post(
        f"Content-Length: {len(body)}, {len(body)}\r\n", body + HIDDEN))
    for what, value in (("signed", f"+{len(body)}"), ("negative", "-1"), ("hexadecimal", "0x1b"),
                        ("with a space inside", "2 7"), ("with a letter", f"{len(body)}a"),
                        ("empty", ""), ("with a parameter", f"{len(body)};a=b"),
                        ("fractional", "27.0"), ("in exponent form", "2e1")):
        yield parser_refused(f"Content-Length {what}", post(
            f"Content-Length: {value}\r\n", body + HIDDEN))
    yield parser_refused("Content-Length beyond 64 bits", post(
        "Content-Length: 18446744073709551643\r\n", body + HIDDEN), 400, 413)
    yield refused("Content-Length of 10^18", post("Content-Length: 1000000000000000000\r\n", body),
                  413, "payload_too_large")
    yield refused("body one byte over the limit", post("Content-Length: 32769\r\n", b" " * 32769),
                  413, "payload_too_large")
    yield refused("chunked body over the limit", post(CHUNKED, chunks(b" " * 20000, b" " * 20000)),
                  413, "payload_too_large")
    yield good("control: Content-Length", post(length(body), body))
    body = start_body()
    yield good("control: Content-Length with leading zeros", post(
        f"Content-Length: 000{len(body)}\r\n", body))
    body = start_body()
    yield good("control: a field that only looks like Content-Length", post(
        f"{length(body)}Content_Length: 0\r\n", body))
    body = start_body()
    yield good("control: Connection names Content-Length", post(
        f"{length(body)}Connection: Content-Length\r\n", body))


def _encoding_probes():
    body = start_body()
    for what, value in (("identity", "identity"), ("gzip before chunked", "gzip, chunked"),
                        ("chunked before identity", "chunked, identity"), ("xchunked", "xchunked"),
                        ("chunkedx", "chunkedx"), ("with a parameter", "chunked;q=1"),
                        ("quoted", '"chunked"'), ("behind a comma", ", chunked"),
                        ("behind a vertical tab", "\x0bchunked"), ("empty", "")):
        yield parser_refused(f"Transfer-Encoding {what}", post(
            f"Transfer-Encoding: {value}\r\n", chunks(body) + HIDDEN), 400, 501)
    yield parser_refused("Transfer-Encoding twice, chunked", post(
        CHUNKED * 2, chunks(body) + HIDDEN))
    yield parser_refused("Transfer-Encoding twice, chunked and identity", post(
        f"{CHUNKED}Transfer-Encoding: identity\r\n", chunks(body) + HIDDEN), 400, 501)
    yield parser_refused("Transfer-Encoding in HTTP/1.0", post(
        CHUNKED, chunks(body) + HIDDEN, version="HTTP/1.0"))
    yield parser_refused("Transfer-Encoding with a space before the colon", post(
        f"Transfer-Encoding : chunked\r\n{length(body)}", chunks(body) + HIDDEN))
    yield parser_refused("Transfer-Encoding with a tab before the colon", post(
        "Transfer-Encoding\t: chunked\r\n", chunks(body) + HIDDEN))
    yield parser_refused("Transfer-Encoding in a folded line", post(
        f"X-A: b\r\n {CHUNKED}{length(body)}", body + HIDDEN))
    yield parser_refused("Transfer-Encoding value in a folded line", post(
        "Transfer-Encoding:\r\n chunked\r\n", chunks(body) + HIDDEN))
    yield good("control: chunked", post(CHUNKED, chunks(start_body())))
    yield good("control: chunked in other letters and with spaces around", post(
        "transfer-encoding: \t Chunked  \r\n", chunks(start_body())))
    body = start_body()
    yield good("control: chunk extension and trailers that look like framing", post(
        CHUNKED, f"{len(body):x};a=b\r\n".encode() + body
        + b"\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: x\r\n\r\n"))
    body = start_body()
    yield good("control: many chunks", post(CHUNKED, chunks(*(body[i:i + 1] for i in range(len(body))))))


def _chunk_probes():
    body = start_body()
    for what, data in (
            ("size with a letter behind it", b"5x\r\n{    \r\n0\r\n\r\n"),
            ("negative size", b"-5\r\n{    \r\n0\r\n\r\n"),
            ("size with 0x", b"0x5\r\n{    \r\n0\r\n\r\n"),
            ("size that overflows", b"FFFFFFFFFFFFFFFFF\r\n{\r\n0\r\n\r\n"),
            ("size that is empty", b"\r\n{\r\n0\r\n\r\n"),
            ("size behind a space", b" 5\r\n{    \r\n0\r\n\r\n"),
            ("data longer than its size", b"3\r\n{    \r\n0\r\n\r\n"),
            ("no line end behind its data", b"5\r\n{    0\r\n\r\n")):
        yield parser_refused(f"chunk: {what}", post(CHUNKED, data + HIDDEN), 400, 413)
    yield parser_refused("chunk: bare LF behind the size", post(
        CHUNKED, f"{len(body):x}\n".encode() + body + b"\r\n0\r\n\r\n" + HIDDEN))
    yield parser_refused("chunk: bare LF in the extension", post(
        CHUNKED, f"{len(body):x};\n".encode() + body + b"\r\n0\r\n\r\n" + HIDDEN))
    yield parser_refused("chunk: bare LF behind the data", post(
        CHUNKED, f"{len(body):x}\r\n".encode() + body + b"\n0\r\n\r\n" + HIDDEN))
    yield parser_refused("chunk: bare CR behind the size", post(
        CHUNKED, f"{len(body):x}\r".encode() + body + b"\r\n0\r\n\r\n" + HIDDEN))


def _field_probes():
    for what, field in (
            ("folded line", b"X-A: b\r\n c\r\n"), ("first line folded", b" X-A: b\r\n"),
            ("space in the name", b"X A: b\r\n"), ("space behind the name", b"X-A : b\r\n"),
            ("no colon", b"X-A b\r\n"), ("empty name", b": b\r\n"),
            ("NUL in the name", b"X\0A: b\r\n"), ("non-ASCII name", b"X-\xe4: b\r\n"),
            ("name with a delimiter", b"X(A): b\r\n"),
            ("NUL in the value", b"X-A: b\0c\r\n"), ("bare CR in the value", b"X-A: b\rc\r\n"),
            ("bare CR before a smuggled field", b"X-A: b\rTransfer-Encoding: chunked\r\n"),
            ("bare LF as line end", b"X-A: b\n"), ("control character", b"X-A: b\x01\r\n")):
        yield parser_refused(f"field: {what}", get(fields=field))
    yield parser_refused("bare LF as every line end",
                         b"GET /healthz HTTP/1.1\nHost: bff.example\n\n")
    yield refused("Authorization twice", get("/v1/session", "Authorization: Bearer a\r\n" * 2)
                  .replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    yield refused("header section over 16 KiB", get(fields="X-A: " + "a" * 16800 + "\r\n"), 431,
                  "headers_too_large")
    yield parser_refused("header section of 40 kB", get(fields="X-A: " + "a" * 40000 + "\r\n"), 431)
    yield parser_refused("5,000 fields", get(fields="a: b\r\n" * 5000), 431)
    yield good("control: header section just under its limit", get(fields="X-A: " + "a" * 16000 + "\r\n"))
    yield good("control: tab and non-ASCII in a value", get(fields=b"X-A: b\tc\xc3\xa4\r\n"))
    yield good("control: forwarding fields of a stranger", get(
        fields="X-Forwarded-For: 1.2.3.4, junk\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 7.7.7.7\r\n"
               "X-User-ID: root\r\nX-Forwarded-Host: evil\r\n"))
    yield good("control: request id of 10 kB is replaced", get(
        fields="X-Request-Id: " + "a" * 10000 + "\r\n"))
    yield good("control: request id with non-ASCII is replaced", get(
        fields=b"X-Request-Id: \xff\xfe\r\n"))


def _hidden_body_probes():
    """A body where none is taken must be read as a body, or end the connection."""
    for method, target, status in (("GET", "/v1/session", 400), ("GET", "/healthz", 400),
                                   ("DELETE", "/v1/biometrics/keys/k", 400), ("PUT", "/healthz", 405),
                                   ("POST", "/nowhere", 404), ("TRACE", "/healthz", 405)):
        yield good(f"body hides a request: {method} {target}",
                   get(target, length(HIDDEN), method=method) + HIDDEN, status)
        yield Probe(f"chunked body hides a request: {method} {target}",
                    get(target, CHUNKED, method=method) + chunks(HIDDEN), (status,), True)
    yield Probe("body hides a request: HEAD", get("/healthz", length(HIDDEN), method="HEAD") + HIDDEN,
                (400,), False)
    body = HIDDEN
    yield good("JSON body hides a request", post(length(body), body), 400, code="invalid_json")


def _host_probes():
    for what, host in (("none", ""), ("two equal", "Host: a\r\nHost: a\r\n"),
                       ("two that differ", "Host: a\r\nHost: b\r\n"), ("empty", "Host:\r\n"),
                       ("a list", "Host: a, b\r\n"), ("with a user", "Host: u@a\r\n"),
                       ("with a path", "Host: a/b\r\n"), ("with a space", "Host: a b\r\n"),
                       ("with a query", "Host: a?b\r\n"), ("with a fragment", "Host: a#b\r\n")):
        yield parser_refused(f"Host: {what}", get(host=host))
    yield parser_refused("Host in a folded line", get(host="X-A: b\r\n Host: a\r\n"))
    yield Probe("control: HTTP/1.0 without Host", get(version="HTTP/1.0", host=""), (200,), True)
    yield good("control: Host with a port", get(host="Host: [::1]:8080\r\n"))


def _method_probes():
    for method in ("TRACE", "OPTIONS", "PUT", "PATCH", "get", "GETT", "PROPFIND", "X" * 40):
        yield good(f"method {method[:10]}", get(method=method), 405, code="method_not_allowed")
        yield good(f"method {method[:10]} nowhere", get("/nowhere", method=method), 404, code="not_found")
    yield refused("method that is no token", get(method="G@T"))
    yield parser_refused("empty method", get(method=""), 400, NONE)
    yield parser_refused("method of 40 kB", get(method="X" * 40000), 400, 414, 431, 501, NONE)
    yield refused("OPTIONS *", get("*", method="OPTIONS"))
    yield refused("CONNECT host:port", get("bff.example:443", method="CONNECT"))
    yield good("CONNECT to a path", get("/healthz", method="CONNECT"), 405)
    yield Probe("control: HEAD", get(method="HEAD"), (200,), False)


def _target_probes():
    for what, target in (
            ("absolute form", "http://bff.example/healthz"),
            ("absolute form of another host", "http://evil.example/healthz"),
            ("authority form", "bff.example:80"), ("no slash", "healthz"),
            ("dot segment", "/./healthz"), ("dot dot segment", "/x/../healthz"),
            ("encoded dot segment", "/%2e/healthz"), ("encoded dot dot", "/x/%2E%2e/healthz"),
            ("half-encoded dot dot", "/x/.%2e/healthz"), ("ends in dot dot", "/healthz/.."),
            ("encoded slash", "/v1%2fsession"), ("encoded slash in a parameter",
                                                 "/v1/biometrics/keys/a%2Fb"),
            ("encoded backslash", "/v1%5csession"), ("backslash", "/v1\\session"),
            ("encoded NUL", "/healthz%00"), ("encoded CR LF", "/healthz%0d%0aX-A:%20b"),
            ("encoded DEL", "/healthz%7f"), ("bad encoding", "/healthz%zz"),
            ("cut-off encoding", "/healthz%4"), ("%u encoding", "/healthz%u0041"),
            ("overlong UTF-8, raw", "/\xc0\xafhealthz"), ("non-ASCII, raw", "/caf\xe9"),
            ("full-width, raw", b"/\xef\xbd\x88ealthz"), ("fragment", "/healthz#x"),
            ("quote", '/healthz"'), ("angle bracket", "/healthz<"), ("bar", "/healthz|"),
            ("bad encoding in the query", "/healthz?a=%zz"),
            ("encoded LF in the query", "/healthz?a=%0a")):
        yield refused(f"target: {what}", get(target)) if what != "authority form" else parser_refused(
            f"target: {what}", get(target))
    for what, target in (("control character", b"/healthz\x01"), ("NUL", b"/health\0z"),
                         ("space", b"/health z"), ("tab", b"/health\tz"), ("DEL", b"/healthz\x7f"),
                         ("empty", b"")):
        yield Probe(f"target: {what}", get(target), ((400, 404, NONE),), True)
    for what, target in (("doubled slash", "//healthz"), ("parameter", "/healthz;a=b"),
                         ("overlong UTF-8, encoded", "/%c0%afhealthz"),
                         ("full-width, encoded", "/%ef%bd%88ealthz"), ("letter, encoded", "/health%7a"),
                         ("trailing slash", "/healthz/"), ("other letters", "/HEALTHZ"),
                         ("encoded twice", "/v1%252fsession")):
        yield good(f"target: {what}", get(target), 404, code="not_found")
    yield good("token in the query", get("/v1/session?access_token=a"), 400, code="invalid_request")
    yield good("empty query", get("/v1/session?"), 400, code="invalid_request")
    yield refused("target of 3 kB", get("/" + "a" * 3000), 414, "uri_too_long")
    yield parser_refused("target of 40 kB", get("/" + "a" * 40000), 414)


def _version_probes():
    yield parser_refused("HTTP/0.9", b"GET /healthz\r\n", 400, 505, NONE)
    for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/1.", "HTTP/01.1", "http/1.1", "HTTP/1.1 x", "HTTP 1.1",
                    "XTTP/1.1", "HTTP/0.9"):
        yield parser_refused(f"version {version}", get(version=version), 400, 505)
    yield parser_refused("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)
    yield parser_refused("TLS ClientHello", bytes.fromhex(
        "160301002f0100002b0303") + b"\x11" * 32 + bytes.fromhex("000002130101000000") + b"\r\n\r\n",
        400, NONE)
    yield parser_refused("garbage", bytes(range(128, 256)) * 4 + b"\r\n\r\n", 400, NONE)
    yield parser_refused("spaces before the method", b"  " + get(), 400, NONE)
    yield refused("Expect of something else", get(fields="Expect: 200-ok\r\n"), 417,
                  "expectation_failed")
    yield good("control: upgrade to h2c is ignored", get(
        fields="Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"))
    yield good("control: empty line before the request", b"\r\n" + get())
    body = start_body()
    yield good("control: Expect: 100-continue", post(f"Expect: 100-continue\r\n{length(body)}", body))
    body = start_body()
    yield good("control: a byte at a time", post(length(body), body), drip=True)
    yield Probe("control: half-closed behind the request", get(), (200,), True, half_close=True)
    yield good("control: three requests in one write", get() + get("/v1/session") + get("/nowhere"),
               200, 401, 404)


def all_probes():
    made = list(itertools.chain(
        _length_probes(), _encoding_probes(), _chunk_probes(), _field_probes(), _hidden_body_probes(),
        _host_probes(), _method_probes(), _target_probes(), _version_probes()))
    names = [probe.name for probe in made]
    assert len(set(names)) == len(names), "probe names repeat"
    return made
