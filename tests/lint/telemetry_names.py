# SPDX-License-Identifier: Apache-2.0
"""Metrics and log events have one table each (METRIC_TABLE, EVENT_TABLE). Every metric that a document, a
rule or a dashboard names is in the table, and every metric of the table is in docs/metrics.md; the same
for events in docs/logs.md. Every event that the code logs is in the table, and the table has no others."""
import pathlib
import re

SUFFIXES = ("_bucket", "_count", "_sum")
DOCUMENTS = ("*.md", "docs/**/*.md", "deploy/**/*.md", "deploy/**/*.yml", "deploy/**/*.yaml", "deploy/**/*.json")
# What looks like a metric: of ours, of OpenTelemetry's HTTP, or of a process.
_METRIC = re.compile(r"(?<![\w/.$:-])((?:bff|process|http_server|http_client)_[a-z0-9_]+)(?![\w*.(:/-])")
_UNITS = ("_total", "_seconds", "_bytes", "_fds", "_info", "_requests", "_entries", "_state", "_keys", "_addresses",
          "_connections", "_limit", "_per_second", *SUFFIXES)
_METRIC_ROW = re.compile(r'X\(\s*M_\w+,\s*"([a-z0-9_]+)"')
_EVENT_ROW = re.compile(r'X\(\s*"([a-z0-9_.]+)",\s*\w+,\s*\w+,\s*\w+,')
_LOGGED = re.compile(r'\b(?:LOG|LOG_ANYWAY|log_write)\(([^;]*?"[^;]*?;)', re.S)
_ACTION = re.compile(r'"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"')


def joined(text):
    """Without the line ends of macros."""
    return re.sub(r"\s*\\\n\s*", " ", text)


def metric_table(root):
    return set(_METRIC_ROW.findall(joined((root / "src/observe/metrics.h").read_text())))


def event_table(root):
    return set(_EVENT_ROW.findall(joined((root / "src/base/log_events.h").read_text())))


def named_metrics(text):
    """The metrics that a text names, without the suffixes of histograms. A word without a unit is some
    function or file."""
    for name in _METRIC.findall(text):
        if name.endswith(_UNITS):
            yield name


def base_name(name, table):
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in table:
            return name.removesuffix(suffix)
    return name


def logged_events(text):
    """What stands for event.action in a source file: the names before the message of each LOG() and LOG_ANYWAY()."""
    for call in _LOGGED.findall(text):
        yield from _ACTION.findall(re.split(r"LOG_[SIB](?:TR)?\(|,\s*fields", call)[0])


def check_metrics(root):
    table = metric_table(root)
    for pattern in DOCUMENTS:
        for path in sorted(root.glob(pattern)):
            for name in sorted(set(named_metrics(path.read_text(encoding="utf-8")))):
                if base_name(name, table) not in table:
                    yield f"{path.relative_to(root)}: no metric is called {name}"
    documented = set(re.findall(r"^\| `(\w+)` \|", (root / "docs/metrics.md").read_text(), re.M))
    for name in sorted(table ^ documented):
        yield f"docs/metrics.md and METRIC_TABLE differ: {name}"


def check_events(root):
    table = event_table(root)
    used = set(_ACTION.findall("".join(re.findall(r"#define CEREMONY_TABLE.*?\n\n|#define CEREMONY_TABLE.*?enum", joined(
        (root / "src/api/flow.h").read_text()), re.S))))
    for path in sorted((root / "src").rglob("*.c")):
        for action in logged_events(path.read_text()):
            used.add(action)
            if action not in table:
                yield f"{path.relative_to(root)}: {action} is no event of EVENT_TABLE"
    used.add("log.dropped")  # the log's own line
    for action in sorted(table - used):
        yield f"src/base/log_events.h: nothing logs {action}"
    documented = set(re.findall(r"^\| `([\w.]+)` \|", (root / "docs/logs.md").read_text(), re.M))
    for action in sorted(table ^ documented):
        yield f"docs/logs.md and EVENT_TABLE differ: {action}"


def check(root):
    yield from check_metrics(pathlib.Path(root))
    yield from check_events(pathlib.Path(root))
