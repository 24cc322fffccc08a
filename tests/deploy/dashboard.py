# SPDX-License-Identifier: Apache-2.0
"""deploy/grafana: the dashboard is what its generator prints, and together with the rules it shows every
metric, and only metrics that exist."""
import json

from deploy import prometheus
from deploy.context import demand, output_of

# Metrics that neither a rule nor a panel shows, and why.
UNUSED = {}


def document(root):
    return json.loads((root / "deploy" / "grafana" / "biometrics-bff.json").read_text())


def queries(root):
    """(what it is for, PromQL) of every panel and annotation."""
    found = document(root)
    for panel in found["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for mark in found["annotations"]["list"]:
        yield f"annotation {mark['name']}", mark["expr"]


def lint(root):
    """What is wrong, a line each; needs no program."""
    known = set(prometheus.metrics(root))
    used = set()
    for name, query in [*queries(root), *((r.get("alert") or r["record"], r["expr"]) for r in prometheus.rules(root))]:
        found = prometheus.metrics_in(query)
        used |= found
        yield from (f"{name}: there is no metric {metric}" for metric in sorted(found - known))
    yield from (f"{metric}: no rule and no panel uses it" for metric in sorted(known - used - set(UNUSED)))
    yield from (f"{metric}: said to be unused, but used or unknown" for metric in sorted(set(UNUSED) - (known - used)))
    for panel in document(root)["panels"]:
        if panel["type"] != "row" and not (panel["description"] and panel["fieldConfig"]["defaults"].get("unit")):
            yield f"panel {panel['title']}: no description or no unit"


def lint_step(context):
    printed = output_of([context.deploy / "grafana" / "dashboard.py"])
    if printed != (context.deploy / "grafana" / "biometrics-bff.json").read_text():
        demand(["biometrics-bff.json is not what dashboard.py prints"])
    demand(lint(context.root))
    return f"{sum(panel['type'] != 'row' for panel in document(context.root)['panels'])} panels"
