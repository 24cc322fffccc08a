# SPDX-License-Identifier: Apache-2.0
"""Medians, the table with its ratios, and the JSON."""
import collections
import dataclasses
import json
import statistics

COLUMNS = ("subject", "upstream", "conns", "CPU us/req", "x floor", "x nginx", "req/s", "p50 us", "p99 us",
           "p99.9 us", "RSS MB")


class Results:
    def __init__(self, machine, unpinned):
        self.machine = machine
        self.unpinned = unpinned
        self.samples = collections.defaultdict(list)

    def add(self, name, transport, connections, sample):
        self.samples[name, transport, connections].append(sample)

    def median(self, name, transport, connections):
        """{field: median over the rounds}, or None for what was not measured."""
        samples = self.samples.get((name, transport, connections))
        if not samples:
            return None
        return {field.name: statistics.median(getattr(s, field.name) for s in samples)
                for field in dataclasses.fields(samples[0])}

    def ratio(self, key, base, field="cpu_us"):
        name, transport, connections = key
        mine, other = self.median(*key), self.median(base, transport, connections)
        if not mine or not other or not other[field] or name == base:
            return None
        return mine[field] / other[field]

    def document(self):
        return {
            "machine": self.machine, "not_pinned": self.unpinned,
            "points": [{"subject": name, "upstream": transport, "connections": connections,
                        "median": self.median(name, transport, connections),
                        "cpu_to_floor": self.ratio((name, transport, connections), "floor"),
                        "cpu_to_nginx": self.ratio((name, transport, connections), "nginx"),
                        "rounds": [dataclasses.asdict(sample) for sample in samples]}
                       for (name, transport, connections), samples in self.samples.items()],
        }


def _number(value, digits=0):
    return "" if not value else f"{value:,.{digits}f}"


def rows(results):
    for key in sorted(results.samples, key=lambda key: (key[2], key[1])):
        m = results.median(*key)
        yield (*key[:2], str(key[2]), _number(m["cpu_us"], 1), _number(results.ratio(key, "floor"), 2),
               _number(results.ratio(key, "nginx"), 2), _number(m["requests_per_s"]), _number(m["p50_us"]),
               _number(m["p99_us"]), _number(m["p999_us"]), _number(m["rss_kib"] / 1024, 1))


def table(results, markdown):
    lines = [COLUMNS, *rows(results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for number, line in enumerate(lines):
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        yield f"| {' | '.join(cells)} |" if markdown else "  ".join(cells)
        if number == 0 and markdown:
            yield "|" + "|".join(("-" * (w + 2)) if i < 2 else ("-" * (w + 1) + ":") for i, w in enumerate(widths)) + "|"


def show(results, chosen):
    for line in table(results, chosen.markdown):
        print(line)
    print()
    for line in results.unpinned:
        print(f"not pinned: {line}")
    if chosen.json:
        chosen.json.write_text(json.dumps(results.document(), indent=1) + "\n")
