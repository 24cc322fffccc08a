#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the dashboard (biometrics-bff.json, Grafana 10 and later): a row of ROWS a row, a line or two a
panel. What all panels have in common is said once, below."""
import json
import sys

J = 'job="biometrics-bff",instance=~"$instance"'
RATE = "$__rate_interval"
APP = f'{J},http_route=~"/v1/.*"'
GREEN, YELLOW, RED = "green", "yellow", "red"


def stat(title, description, query, unit="short", steps=((None, GREEN),), width=3):
    """One number, coloured by steps: (from this value on, colour)."""
    return {"type": "stat", "title": title, "description": description, "unit": unit, "steps": steps, "width": width,
            "height": 4, "queries": [(query, "")]}


def graph(title, description, *queries, unit="reqps", width=8, limit=None):
    """Lines over time; queries: (query, legend); limit: above it, red."""
    steps = ((None, GREEN),) if limit is None else ((None, GREEN), (limit, RED))
    return {"type": "timeseries", "title": title, "description": description, "unit": unit, "steps": steps, "width": width,
            "height": 8, "queries": queries}


def rate(metric, by, labels=""):
    return f"sum by ({by}) (rate({metric}{{{J}{labels}}}[{RATE}]))"


def quantile(q, metric, by, selector=J):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket{{{selector}}}[{RATE}])))"


ROWS = [
    ("Is it well", [
        stat("Failed by us, 1 h", "Share of the requests of the last hour that got a 5xx through our fault; the objective is 0.1 %.",
             "max(bff:own_failures:ratio_rate1h)", "percentunit", ((None, GREEN), (0.001, YELLOW), (0.0144, RED))),
        stat("Failed by the vendor, 5 min", "Share of the requests that got a 5xx because of the identity API.",
             "max(bff:vendor_failures:ratio_rate5m)", "percentunit", ((None, GREEN), (0.005, YELLOW), (0.072, RED))),
        stat("Replicas that answer", "Part of the replicas that answer their scrape.",
             f"avg(up{{{J}}})", "percentunit", ((None, RED), (0.99, GREEN))),
        stat("Alerts", "Alerts that fire now; docs/alerts.md says what to do.",
             'count(ALERTS{alertname=~"Bff.*",alertstate="firing"}) or vector(0)', "none", ((None, GREEN), (1, RED))),
        stat("Breakers open", "Replicas that let next to no calls out to the vendor because most of them failed.",
             f'sum(bff_upstream_breaker_state{{{J},state=~"open|half_open"}})', "none", ((None, GREEN), (1, RED))),
        stat("Time left to renew a token", "What is left of the time from a token's planned renewal to its end, on the replica that has least. "
             "100 %: none is due; below 50 % an alert; 0 %: there is no token.",
             f"min(clamp((bff_token_expiry_timestamp_seconds{{{J}}} - timestamp(bff_token_expiry_timestamp_seconds{{{J}}}))"
             f" / (bff_token_expiry_timestamp_seconds{{{J}}} - bff_token_renewal_timestamp_seconds{{{J}}}), 0, 1))",
             "percentunit", ((None, RED), (0.5, YELLOW), (0.9, GREEN))),
        stat("Key set age", "Of the replica that fetched the vendor's keys longest ago. Fetched every 15 minutes, used for a day.",
             f"max(bff_jwks_age_seconds{{{J}}})", "s", ((None, GREEN), (3600, YELLOW), (10800, RED))),
        stat("Usable keys", "Of the replica that has the fewest.",
             f"min(bff_jwks_keys{{{J}}})", "none", ((None, RED), (1, GREEN))),
        stat("Configuration refused", "Replicas that refused a new configuration and run with the old one.",
             f"sum(1 - bff_config_last_reload_successful{{{J}}})", "none", ((None, GREEN), (1, RED))),
        stat("Credentials pending", "Replicas whose new secret, key or certificate has brought no token yet.",
             f"sum(bff_token_credentials_pending{{{J}}}) or vector(0)", "none", ((None, GREEN), (1, YELLOW))),
        stat("Configuration age", "Since a configuration was last taken up, at a start or by a reload.",
             f"time() - max(bff_config_loaded_timestamp_seconds{{{J}}})", "s"),
        stat("Up for", "The replica that started last.", f"time() - max(process_start_time_seconds{{{J}}})", "s"),
        graph("Failed requests", "By whose fault, five minutes each.", ("bff:own_failures:ratio_rate5m", "ours"),
              ("bff:vendor_failures:ratio_rate5m", "vendor's"), unit="percentunit", width=12, limit=0.001),
        graph("Versions", "Replicas by what they were built from.",
              (f"count by (version, libmicrohttpd, libcurl, openssl) (bff_build_info{{{J}}})",
               "{{version}}, libmicrohttpd {{libmicrohttpd}}, libcurl {{libcurl}}, OpenSSL {{openssl}}"), unit="none", width=12),
    ]),
    ("Traffic", [
        graph("Requests by route", "", (f"sum by (http_request_method, http_route) (rate(http_server_request_duration_seconds_count{{{APP}}}[{RATE}]))",
                                        "{{http_request_method}} {{http_route}}")),
        graph("Failures by code", "Answers with an error code; docs/errors.md has them all.",
              (f'sum by (http_response_status_code, error_type) (rate(http_server_request_duration_seconds_count{{{APP},error_type!=""}}[{RATE}]))',
               "{{http_response_status_code}} {{error_type}}")),
        graph("Duration by route, p99", "From the last byte of a request to its answer.",
              (quantile(0.99, "http_server_request_duration_seconds", "http_route", APP), "{{http_route}}"), unit="s", limit=1),
        graph("Duration, p50 and p95", "Of all routes of the API.",
              (quantile(0.5, "http_server_request_duration_seconds", "job", APP), "p50"),
              (quantile(0.95, "http_server_request_duration_seconds", "job", APP), "p95"),
              ("max(bff:request_seconds:p99_5m)", "p99 of the slowest route, 5 min"), unit="s"),
        graph("Slower than a second", "Share of the answered requests.", ("bff:slow_requests:ratio_rate5m", "{{namespace}}"),
              unit="percentunit", limit=0.05),
        graph("Requests under way", "Against BFF_MAX_IN_FLIGHT in docs/config.md.",
              (f"sum by (instance) (http_server_active_requests{{{J}}})", "{{instance}}"), unit="none"),
    ]),
    ("Vendor", [
        graph("Calls by operation", "", (rate("http_client_request_duration_seconds_count", "operation"), "{{operation}}")),
        graph("Calls that ended badly", "By operation and error: a status, or what broke the call.",
              (rate("http_client_request_duration_seconds_count", "operation, error_type", ',error_type!=""'), "{{operation}} {{error_type}}")),
        graph("Duration by operation, p95", "", (quantile(0.95, "http_client_request_duration_seconds", "operation"), "{{operation}}"),
              unit="s", limit=2),
        graph("Calls under way", "By the host that is called.",
              (f"sum by (server_address) (http_client_active_requests{{{J}}})", "{{server_address}}"), unit="none"),
        graph("Repeats", "Calls that were sent once more, or not for want of budget (BFF_UPSTREAM_REPEATS_PERCENT).",
              (rate("bff_upstream_repeats_total", "result"), "{{result}}")),
        graph("429 and refused calls", "The vendor's 429, and calls that were not let out: by our share of his limit or by the breaker.",
              (rate("http_client_request_duration_seconds_count", "operation", ',http_response_status_code="429"'), "429 to {{operation}}"),
              (rate("bff_upstream_shed_total", "reason, class"), "{{reason}}, {{class}}")),
        graph("Governor", "Calls a second that are let out at most, at present and as configured; 0: no limit.",
              (f"sum(bff_upstream_limit_per_second{{{J}}})", "at present"),
              (f'sum(bff_limit{{{J},limit="upstream_max_per_second"}})', "configured"),
              (f"sum(rate(http_client_request_duration_seconds_count{{{J}}}[{RATE}]))", "calls")),
        graph("Breaker", "Replicas in each state.", (f"sum by (state) (bff_upstream_breaker_state{{{J}}})", "{{state}}"), unit="none"),
        graph("Breaker transitions", "", (rate("bff_upstream_breaker_transitions_total", "to"), "to {{to}}"), unit="ops"),
        graph("Token fetches by result", "", (rate("bff_token_fetch_total", "client, result"), "{{client}}: {{result}}"),
              (rate("bff_token_alarm_total", "client, status"), "{{client}}: refused with {{status}}"), unit="ops"),
        graph("Client certificate", "How long the certificate that names us to the vendor (tls_client_auth) is still good; no data without one.",
              (f"(bff_client_certificate_expiry_timestamp_seconds{{{J}}} > 0) - time()", "{{instance}}"), unit="s"),
        graph("Key set fetches by result", "", (rate("bff_jwks_fetch_total", "result"), "{{result}}"),
              (rate("bff_jwks_keys_refused_total", "reason"), "key refused: {{reason}}"), unit="ops"),
        graph("Names and addresses", "Addresses of the vendor's hosts by state, when they are names.",
              (f"min by (host, state) (bff_dns_addresses{{{J}}})", "{{host}} {{state}}"), unit="none"),
        graph("Look-ups", "Of host names, and addresses that were found to be down.",
              (rate("bff_dns_lookups_total", "host, result"), "{{host}}: {{result}}"),
              (rate("bff_upstream_address_down_total", "host"), "{{host}}: address down"), unit="ops"),
    ]),
    ("Verification and ceremonies", [
        graph("Ceremonies by step", "", (rate("bff_ceremony_total", "step"), "{{step}}")),
        graph("Ceremonies that did not go well", "By step and outcome.",
              (rate("bff_ceremony_total", "step, outcome", ',outcome!="ok"'), "{{step}}: {{outcome}}")),
        graph("Verifications by result", "Of tokens of callers and of the vendor's answers.",
              (rate("bff_jwt_verify_total", "result"), "{{result}}")),
        graph("Refused tokens", "Share that failed for another reason than age; above 5 % an alert.",
              ("bff:token_refusals:rate10m / bff:token_verifications:rate10m", "{{namespace}}"), unit="percentunit", limit=0.05),
        graph("Remembered tokens: looks", "A hit saves the verification.", (rate("bff_token_memory_total", "result"), "{{result}}")),
        graph("Remembered tokens: entries", "", (f"sum by (instance) (bff_token_memory_entries{{{J}}})", "{{instance}}"),
              (rate("bff_token_memory_dropped_total", "reason"), "dropped a second: {{reason}}"), unit="none"),
    ]),
    ("Limits", [
        graph("Shed", "Requests and connections refused to protect the service.", (rate("bff_shed_total", "reason"), "{{reason}}")),
        graph("Limited", "Requests refused by rate, lockout or a full table.", (rate("bff_limited_total", "limit"), "{{limit}}")),
        graph("Tables", "How full they are.", (f"max by (table) (bff_table_entries{{{J}}} / bff_table_max_entries{{{J}}})", "{{table}}"),
              unit="percentunit", limit=0.8),
        graph("Connections", "Of clients, against the ceiling of all replicas.",
              (f"sum by (listener) (bff_connections{{{J}}})", "{{listener}}"),
              (f'sum(bff_limit{{{J},limit="max_connections"}})', "ceiling of the public listener"), unit="none"),
        graph("Waiting for a token or keys", "Against their ceiling, and how many were not let wait.",
              (f"sum by (for) (bff_keeper_waiting_requests{{{J}}})", "{{for}}"),
              (f"sum by (for) (bff_keeper_waiting_max_requests{{{J}}})", "{{for}}: ceiling"),
              (rate("bff_keeper_wait_refused_total", "for"), "{{for}}: refused a second"), unit="none"),
        graph("Replicas that disagree", "Numbers of the configuration that differ between replicas, by how much.",
              (f'max by (limit) (bff_limit{{{J}}}) - min by (limit) (bff_limit{{{J}}})', "{{limit}}"), unit="none"),
    ]),
    ("Process", [
        graph("Memory", "Resident, and address space beside it.", (f"process_resident_memory_bytes{{{J}}}", "{{instance}}"),
              (f'bff_limit{{{J},limit="memory_max_bytes"}} > 0 or process_resident_memory_bytes{{{J}}}', "{{instance}}: limit"),
              unit="bytes"),
        graph("Address space", "", (f"process_virtual_memory_bytes{{{J}}}", "{{instance}}"), unit="bytes"),
        graph("Processors", "Processor time a second.", (f"rate(process_cpu_seconds_total{{{J}}}[{RATE}])", "{{instance}}"), unit="none"),
        graph("Descriptors", "Share of the limit.", (f"process_open_fds{{{J}}} / process_max_fds{{{J}}}", "{{instance}}"),
              unit="percentunit", limit=0.8),
        graph("Loop lag, p99", "How long one turn held the others up.", (quantile(0.99, "bff_loop_lag_seconds", "instance, loop"),
                                                                       "{{instance}} {{loop}}"), unit="s", limit=0.05),
        graph("Long turns", "Time a second in turns, and the processor time of those over 5 ms: much less of it than of lag means that the machine did not run the thread.",
              (rate("bff_loop_lag_seconds_sum", "loop"), "{{loop}}: all turns, wall clock"),
              (rate("bff_loop_long_turn_cpu_seconds_sum", "loop"), "{{loop}}: long turns, processor"), unit="s"),
        graph("Longest turn", "Since the start of the replica.", (f"max by (loop, clock) (bff_loop_lag_max_seconds{{{J}}})",
                                                                 "{{loop}}, {{clock}}"), unit="s"),
        graph("Connections by worker", "They should be even.", (f"sum by (worker) (bff_worker_connections{{{J}}})", "worker {{worker}}"),
              unit="none"),
        graph("Reloads and lost log lines", "", (rate("bff_config_reload_total", "result"), "reload: {{result}}"),
              (f"rate(bff_log_dropped_total{{{J}}}[{RATE}])", "{{instance}}: lines lost"), unit="ops"),
    ]),
]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel(number, spec, x, y):
    options = {"stat": {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}},
               "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}}
    custom = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "thresholdsStyle": {"mode": "line" if len(spec["steps"]) > 1 else "off"}}
    defaults = {"unit": spec["unit"], "thresholds": {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in spec["steps"]]}}
    if spec["type"] == "timeseries":
        defaults |= {"custom": custom, "min": 0}
    return {"id": number, "type": spec["type"], "title": spec["title"], "description": spec["description"] or spec["title"] + ".",
            "datasource": DATASOURCE, "gridPos": {"x": x, "y": y, "w": spec["width"], "h": spec["height"]},
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options[spec["type"]],
            "targets": [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, "expr": query, "legendFormat": legend or "__auto"}
                        for i, (query, legend) in enumerate(spec["queries"])]}


def panels():
    """All of them, laid out from left to right and down."""
    laid, y = [], 0
    for title, specs in ROWS:
        laid.append({"id": len(laid) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                     "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        x, y, height = 0, y + 1, 0
        for spec in specs:
            if x + spec["width"] > 24:
                x, y = 0, y + height
            height = spec["height"]
            laid.append(panel(len(laid) + 1, spec, x, y))
            x += spec["width"]
        y += height
    return laid


def mark(name, query, colour):
    return {"name": name, "datasource": DATASOURCE, "enable": True, "iconColor": colour, "expr": query, "step": "30s",
            "titleFormat": name, "textFormat": "{{instance}}"}


def dashboard():
    return {
        "uid": "biometrics-bff", "title": "biometrics-bff", "tags": ["biometrics-bff"], "schemaVersion": 38, "version": 1,
        "editable": True, "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "timezone": "utc", "graphTooltip": 1,
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0},
            {"name": "instance", "label": "Replica", "type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1, "multi": True,
             "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "hide": 0,
             "query": {"query": 'label_values(up{job="biometrics-bff"}, instance)', "refId": "instance"}},
        ]},
        "annotations": {"list": [
            mark("Started", f"changes(process_start_time_seconds{{{J}}}[1m]) > 0", "blue"),
            mark("Configuration", f"changes(bff_config_loaded_timestamp_seconds{{{J}}}[1m]) > 0", "purple"),
        ]},
        "panels": panels(),
    }


def text():
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
