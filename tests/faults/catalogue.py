# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on a bad day, and what we promise then: one row each. A test proves a row by its
decorator (marks.py). Statuses are those of docs/errors.md."""
import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    fault: str
    promise: str
    cannot_run: Optional[str] = None  # why no test can prove it here

    @property
    def group(self):
        return self.id[:2]


GROUPS = {"FU": "The identity API", "FK": "Tokens and keys", "FC": "Clients", "FP": "Process and machine"}

ROWS = (
    # ---- the identity API
    Row("FU01", "connection refused, host unreachable",
        "503 `upstream_unavailable` with `Retry-After` at once, nothing was sent; after a run of failures the "
        "breaker answers without a call, and a probe closes it again"),
    Row("FU02", "connection attempts vanish (no answer to SYN)",
        "503 `upstream_unavailable` when BFF_UPSTREAM_CONNECT_TIMEOUT_MS has passed; other requests do not wait"),
    Row("FU03", "accepts and never answers",
        "504 `upstream_timeout` at the request's deadline; other requests are unaffected, nothing is left over"),
    Row("FU04", "header or body drips, a byte at a time",
        "504 `upstream_timeout` at the request's deadline, however steadily bytes come"),
    Row("FU05", "reset before an answer, on a fresh connection",
        "what may run twice is sent once more within the deadline, then 503 `upstream_unavailable`; what may not "
        "is 502 `upstream_outcome_unknown` after one call"),
    Row("FU06", "closed or reset before an answer, on a connection that was used before",
        "start, delete, revoke and logout are sent once more; register, authenticate and refresh reach the vendor "
        "exactly once and end in 502 `upstream_outcome_unknown`"),
    Row("FU07", "answer cut short: reset in the body, fewer bytes than declared, no last chunk",
        "never parsed and never passed on, in part or whole; a repeat, 502 or 503 as for a broken call"),
    Row("FU08", "answer longer than declared, bytes after the answer",
        "the answer is read as framed, its connection is not used again, and no other user gets a byte of it"),
    Row("FU09", "garbage, cut, duplicate-member or deeply nested JSON", "502 `upstream_invalid_response`"),
    Row("FU10", "wrong Content-Type, none, or a charset other than UTF-8 (an HTML page with status 200)",
        "502 `upstream_invalid_response`; nothing of the body reaches the app"),
    Row("FU11", "200 with an error inside, a required member missing or of a wrong type",
        "502 `upstream_invalid_response`, and never a session without verified tokens"),
    Row("FU12", "giant answers: body, chunks, header section, number of fields, one field",
        "given up at the limit, 502 `upstream_invalid_response` (with libcurl before 8.6 an endless line is 503 "
        "`upstream_unavailable`); memory grows by at most the limit for each call in flight"),
    Row("FU13", "compression bombs, or any Content-Encoding",
        "502 `upstream_invalid_response`; nothing is decoded"),
    Row("FU14", "redirects: each status, to the same host, another host, http, file",
        "not followed: 502 `upstream_invalid_response`, and the other host sees no connection"),
    Row("FU15", "interim answers, thousands of them; a body where none may be; 101",
        "the final answer counts; a storm of interim answers is given up at the limit"),
    Row("FU16", "401 about our client token before its expiry",
        "dropped if it is still the cached one, one renewal for all who wait, one repeat a request; a second 401 is "
        "502 `upstream_refused_credentials`, with an alarm and no loop"),
    Row("FU17", "401 about the user's token", "401 `invalid_token`; our own token is not renewed"),
    Row("FU18", "403 about our client token",
        "502 `upstream_refused_credentials` with an alarm; the token is dropped no sooner than five minutes later"),
    Row("FU19", "the vendor's considered refusals (400, 403, 404, 409)",
        "mapped one by one as docs/errors.md says; start looks the same for a user who does not exist"),
    Row("FU20", "429 with Retry-After in seconds, as a date, absurd, garbage, or without",
        "503 `upstream_rate_limited` with a Retry-After of 1 to 60 s; no repeat; token and key fetches slow down"),
    Row("FU21", "500, 502, 503, 504, also with an HTML page",
        "503 `upstream_unavailable` with `Retry-After`; nothing that may not run twice is repeated"),
    Row("FU22", "TLS: expired, not yet valid, wrong host, self-signed, unknown authority, missing intermediate, "
        "TLS 1.1 only, stalled or refused handshake, another protocol forced",
        "503 `upstream_unavailable`, the log says which; no request is ever sent unverified or in plain text"),
    Row("FU23", "DNS: no such name, server failure, silence, no or many addresses, a change, a forbidden address",
        "503 `upstream_unavailable`; no loop waits for a resolver, old addresses serve up to five minutes"),
    Row("FU24", "HTTP/2: GOAWAY, RST_STREAM, ENHANCE_YOUR_CALM, a flood of SETTINGS, one stalled stream",
        "no call is lost without an answer, none runs twice, none is repeated without end"),
    Row("FU25", "kept connections closed at random moments",
        "no error for calls that may run twice, no duplicate of those that may not"),
    Row("FU26", "a slow vendor and thousands of requests in flight",
        "memory stays within its budget; over the limit 503 `overloaded` at once; the rest is unaffected"),

    # ---- tokens and keys
    Row("FK01", "token endpoint away at start",
        "the process lives and is not ready; it asks again with growing pauses (0.5 to 30 s, jittered) and heals"),
    Row("FK02", "token endpoint away later", "the cached token serves until it expires; renewal begins early"),
    Row("FK03", "token endpoint away when the token expires",
        "503 `token_unavailable` with `Retry-After`; an expired token is never sent"),
    Row("FK04", "token answers with absurd members: expiry, type, empty or giant token, line breaks in it",
        "refused or clamped; nothing unchecked goes into a header"),
    Row("FK05", "our credentials are refused", "loud in the log and the metrics; asked again at most twice a minute"),
    Row("FK06", "a thousand requests meet an empty cache", "one token call; those who wait are bounded"),
    Row("FK07", "credentials change by SIGHUP while a token is being fetched",
        "the token of the old credentials is not used"),
    Row("FK08", "key set away at start or later", "as FK01; the last good set serves, with an alarm"),
    Row("FK09", "a new signing key appears", "the first token with it costs one fetch and is accepted"),
    Row("FK10", "a signing key is withdrawn", "its tokens are refused once the set was fetched again"),
    Row("FK11", "a flood of tokens with unknown key ids",
        "at most one fetch per cool-down; known keys stay, and their tokens pass as fast as before"),
    Row("FK12", "a flood of bad signatures under a known key id",
        "at most one fetch per cool-down; the cost of verification is bounded by admission"),
    Row("FK13", "key sets swapped between issuers", "a key counts for its own issuer alone: 401 `invalid_token`"),
    Row("FK14", "key set giant, malformed, with private keys, of a wrong type, a redirect, HTML",
        "refused whole with an alarm; the old set stays"),
    Row("FK15", "the wall clock is off, or steps by an hour in either direction",
        "timers do not care; only claims are read against the wall clock, with the configured leeway"),
    Row("FK16", "the first call after a night, all pooled connections dead", "succeeds within one connection time"),

    # ---- clients
    Row("FC01", "leaves before, while or after the vendor is called",
        "the call is given up where that is safe; nothing is left over"),
    Row("FC02", "slow header, slow body, slow reading, thousands at a time",
        "cut at BFF_HEADER_TIMEOUT_MS, BFF_BODY_TIMEOUT_MS and the write deadline; honest clients do not notice"),
    Row("FC03", "giant header section, thousands of fields, giant target",
        "431 `headers_too_large` or 414 `uri_too_long`, and the connection ends"),
    Row("FC04", "body over the limit, declared or chunked without end, or none where one was declared",
        "413 `payload_too_large` at once, or 408 `request_timeout`; memory stays flat"),
    Row("FC05", "pipelined requests", "answered in order, never one user's answer to another"),
    Row("FC06", "request smuggling, directly and through a proxy",
        "400 and the connection ends; through a proxy, as many requests reach us as clients sent"),
    Row("FC07", "old and odd protocols and methods: HTTP/0.9, 1.0, HEAD, OPTIONS, TRACE, CONNECT, PRI, h2c",
        "answered or refused as the tests list; none reaches the vendor by accident"),
    Row("FC08", "odd targets: absolute, dot segments, encoded slashes and NUL, overlong UTF-8",
        "one canonical form, or 400 or 404; nothing odd reaches the vendor"),
    Row("FC09", "wrong, missing or doubled Content-Type", "415 `unsupported_media_type`"),
    Row("FC10", "the JSON parsing test suite", "what must be refused is 400 `invalid_json`, what must pass passes"),
    Row("FC11", "invalid UTF-8, NUL, duplicate members, giant depth, member count and numbers",
        "400 `invalid_json` in bounded time"),
    Row("FC12", "noise, TLS on the plain port, single bytes, urgent data, resets, half-closed connections",
        "400 or the end of the connection; no 5xx, no crash"),
    Row("FC13", "connections opened and closed in masses, or opened and silent",
        "bounded by processor time and not by a leak"),
    Row("FC14", "forged forwarding fields and request ids", "ignored or replaced"),

    # ---- process and machine
    Row("FP01", "SIGTERM under load",
        "not ready at once, BFF_DRAIN_DELAY_S of service, `Connection: close`, all finished, exit 0, no failed request"),
    Row("FP02", "a second SIGTERM, SIGINT or SIGQUIT", "ends at once, in order"),
    Row("FP03", "SIGHUP with a good or bad configuration, a hundred times under load",
        "no failed request; a bad configuration is refused whole, the old one stays, log and metric say so"),
    Row("FP04", "out of descriptors or memory on accept, aborted connections, interrupted calls",
        "no spinning; back within a second of relief"),
    Row("FP05", "cgroup memory limit at maximum load", "sheds before the limit, never killed"),
    Row("FP06", "any single allocation fails", "that request is 503 or its connection ends; never an accept, never a crash"),
    Row("FP07", "log disk full, log pipe closed or blocked", "requests go on; dropped lines are counted"),
    Row("FP08", "read-only root, no temporary directory, no home, random user, no capabilities", "starts and serves"),
    Row("FP09", "processor throttled to a tenth of a core", "sheds with 503 instead of missing every deadline"),
    Row("FP10", "no randomness, no resolv.conf, certificate file missing or unreadable",
        "refuses to start with one clear line and exit status 78, or serves; nothing in between"),
    Row("FP11", "kill -9 at any moment", "the next start is clean: there is no state on disk"),
    Row("FP12", "a core dump is asked for", "none is written, or none with a secret in it"),
    Row("FP13", "stopped for a minute and continued", "recovers; no mass of wrong refusals"),
    Row("FP14", "reloads, terminations and vendor faults at random",
        "every accepted request is answered, nothing that may not run twice does, gauges end at 0"),
)

BY_ID = {row.id: row for row in ROWS}
