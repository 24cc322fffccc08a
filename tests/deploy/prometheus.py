# SPDX-License-Identifier: Apache-2.0
"""deploy/prometheus: the rules by promtool, and what promtool cannot know: that each alert is tested both
ways, has its section in docs/alerts.md, and speaks of metrics and error codes that exist."""
import re

import yaml

from deploy.context import demand, output_of

FAMILY_SUFFIX = re.compile(r"_(bucket|sum|count)$")
METRIC = re.compile(r"\b(?:bff|http|process)_\w+\b")
SEVERITIES = {"critical", "warning"}
AREAS = {"us", "vendor", "capacity", "attack"}


def rules(root):
    """Every rule, as it stands in the files."""
    for path in sorted((root / "deploy" / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts(root):
    return [rule for rule in rules(root) if "alert" in rule]


def metrics(root):
    """{name: kind} of docs/metrics.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (root / "docs" / "metrics.md").read_text(), re.M)
    return dict(rows)


def metrics_in(query):
    """The families that a query names."""
    without_strings = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    without_labels = re.sub(r"\{[^{}]*\}", "", re.sub(r"\b(by|on|ignoring|without) *\([^)]*\)", "", without_strings))
    return {FAMILY_SUFFIX.sub("", name) for name in METRIC.findall(without_labels)}


def check(context):
    folder = context.deploy / "prometheus"
    output_of(["promtool", "check", "config", folder / "prometheus.yml"])
    output_of(["promtool", "test", "rules", *sorted((folder / "tests").glob("*.yml"))])
    found = alerts(context.root)
    return f"{len(found)} alerts, {len(list(rules(context.root))) - len(found)} recording rules"


def lint(root):
    """What is wrong, a line each; needs no program."""
    known = metrics(root)
    for rule in rules(root):
        name = rule.get("alert") or rule["record"]
        yield from (f"{name}: there is no metric {metric}" for metric in metrics_in(rule["expr"]) - set(known))
    for alert in alerts(root):
        yield from lint_alert(alert)
    yield from lint_tests(root)
    yield from lint_runbook(root)
    yield from lint_codes(root)
    yield from lint_fitted(root)


def lint_alert(alert):
    name, labels, notes = alert["alert"], alert.get("labels", {}), alert.get("annotations", {})
    if set(labels) != {"severity", "area"} or labels["severity"] not in SEVERITIES or labels["area"] not in AREAS:
        yield f"{name}: labels are severity ({', '.join(sorted(SEVERITIES))}) and area ({', '.join(sorted(AREAS))})"
    if set(notes) != {"summary", "description", "runbook_url"}:
        yield f"{name}: annotations are summary, description and runbook_url"
    if notes.get("runbook_url") != f"docs/alerts.md#{name.lower()}":
        yield f"{name}: its runbook_url is docs/alerts.md#{name.lower()}"


def lint_tests(root):
    """Each alert fires in a test and does not fire in a test."""
    tested = {}
    for path in (root / "deploy" / "prometheus" / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for query in test["promql_expr_test"]:
                name = re.search(r'alertname="(\w+)"', query["expr"]).group(1)
                tested.setdefault(name, set()).add(bool(query["exp_samples"]))
    names = {alert["alert"] for alert in alerts(root)}
    yield from (f"{name}: no test in which it {'fires' if fires else 'does not fire'}"
                for name in sorted(names) for fires in (True, False) if fires not in tested.get(name, ()))
    yield from (f"{name}: tested, but there is no such alert" for name in sorted(set(tested) - names))


def lint_runbook(root):
    sections = set(re.findall(r"^### (Bff\w+)$", (root / "docs" / "alerts.md").read_text(), re.M))
    names = {alert["alert"] for alert in alerts(root)}
    yield from (f"docs/alerts.md: no section {name}" for name in sorted(names - sections))
    yield from (f"docs/alerts.md: section {name}, but there is no such alert" for name in sorted(sections - names))


def lint_codes(root):
    """The codes that count as our own fault are codes of the error table, and all rules agree on them."""
    lists = {text for rule in rules(root) for text in re.findall(r'error_type[=!]~"(\w*internal[^"]*)"', rule["expr"])}
    if len(lists) != 1:
        yield f"rules: {len(lists)} lists of the codes that are our own fault"
    codes = dict(re.findall(r"^\| \d+ \| `(\w+)` \|()", (root / "docs" / "errors.md").read_text(), re.M))
    for text in lists:
        yield from (f"rules: there is no error code {code}" for code in text.split("|") if code not in codes and code != "_OTHER")


def lint_fitted(root):
    """What is fitted into the memory of a replica is no difference between configurations."""
    fitted = re.findall(r"\{OPT_(\w+),", (root / "src" / "config" / "memory_fit.c").read_text())
    if not fitted:
        yield "src/config/memory_fit.c: no option is fitted"
    for alert in alerts(root):
        for names in re.findall(r'limit!~"([^"]*)"', alert["expr"]):
            yield from (f"{alert['alert']}: {name.lower()} is fitted to the memory" for name in fitted
                        if name.lower() not in names.split("|"))


def lint_step(context):
    demand(lint(context.root))
    return f"{len(metrics(context.root))} metrics known"
