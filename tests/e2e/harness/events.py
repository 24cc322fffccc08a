# SPDX-License-Identifier: Apache-2.0
"""Every line that a service of the tests logs is an event of docs/logs.md with no other fields than that
table gives it, and every ceremony that began ended in exactly one audit event."""
import collections
import functools
import json
import re

from .paths import ROOT

_ALWAYS = {"@timestamp", "log.level", "message", "event.action", "event.kind", "event.category", "event.type",
           "ecs.version", "service.name", "service.version"}
_ROW = re.compile(r"\| `([a-z0-9_.]+)` \| (\w+) \| (\w+) \| .* \| ([^|]*) \|$")

AUDITED = {
    ("POST", "/v1/biometrics/start"): "ceremony.start",
    ("POST", "/v1/biometrics/authenticate"): "ceremony.authenticate",
    ("POST", "/v1/biometrics/register"): "ceremony.register",
    ("DELETE", "/v1/biometrics/keys/{key_id}"): "ceremony.delete_key",
    ("POST", "/v1/face/revoke"): "ceremony.face_revoke",
    ("POST", "/v1/users/{user_id}/face/revoke"): "ceremony.operator_face_revoke",
    ("POST", "/v1/session/refresh"): "ceremony.refresh",
    ("POST", "/v1/session/logout"): "ceremony.logout",
}
_AUDIT_FIELDS = {"event.outcome", "event.duration", "bff.outcome", "http.request.id", "trace.id", "span.id"}


@functools.cache
def table():
    """{event.action: (category, type, fields)} of docs/logs.md."""
    rows = {}
    for line in (ROOT / "docs" / "logs.md").read_text(encoding="utf-8").splitlines():
        match = _ROW.match(line)
        if match:
            action, category, kind, fields = match.groups()
            rows[action] = (category, kind, set(re.findall(r"`([^`]+)`", fields)))
    return rows


def _unique(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a log line has a member twice: {names}"
    return dict(pairs)


def parse(line):
    """A line as the strictest reader sees it."""
    assert len(line.splitlines()) == 1, f"some readers see several lines: {line!r}"
    return json.loads(line, object_pairs_hook=_unique)


def check_line(record):
    action = record["event.action"]
    assert action in table(), f"no event of docs/logs.md: {record}"
    category, kind, fields = table()[action]
    assert (record["event.category"], record["event.type"]) == ([category], [kind]), record
    surplus = record.keys() - _ALWAYS - fields - {"log.truncated"}
    assert _ALWAYS <= record.keys() and not surplus, f"{surplus or _ALWAYS - record.keys()}: {record}"


def check_audit(records, answered):
    """answered: [(method, path, X-Request-Id)] of the ceremonies that clients saw succeed."""
    audits = collections.defaultdict(list)
    for record in records:
        if record["event.action"].startswith("ceremony."):
            assert _AUDIT_FIELDS <= record.keys(), record
            assert record["event.outcome"] == ("failure" if "error.code" in record else "success"), record
            audits[record["span.id"]].append(record)
    for access in (record for record in records if record["event.action"] == "http.request"):
        found = [record["event.action"] for record in audits.pop(access.get("span.id"), [])]
        expected = AUDITED.get((access["http.request.method"], access.get("url.path")))
        began = expected and (access["http.response.status_code"] < 300 or "bff.step" in access)
        assert found == [expected] or (not found and not began), f"audit events {found} of {access}"
    assert not audits, f"audit events without a request: {audits}"
    succeeded = collections.Counter(
        record["http.request.id"] for record in records
        if record["event.action"].startswith("ceremony.") and record["event.outcome"] == "success")
    missing = collections.Counter(request_id for _, _, request_id in answered) - succeeded
    assert not missing, f"answered well, and no audit event: {missing}"


def is_audited(method, path):
    path = path.partition("?")[0]
    return any(method == audited and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
               for audited, template in AUDITED)


def check(lines, answered, all_levels):
    """all_levels: whether lines of level info were logged all the time."""
    records = [parse(line) for line in lines if line.startswith("{")]
    for record in records:
        check_line(record)
    lost = any(record["event.action"] == "log.dropped" for record in records)
    changed = any("LOG_LEVEL" in record.get("config.changed", "") for record in records)
    if all_levels and not lost and not changed:
        check_audit(records, answered)
