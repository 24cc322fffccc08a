# SPDX-License-Identifier: Apache-2.0
"""Medians over the rounds, the tables, the JSON."""
import collections
import dataclasses
import json
import statistics

from . import verdicts

# (field of a sample, heading, factor, digits)
MEASURES = (("cpu_us", "CPU us", 1, 1), ("requests_per_s", "req/s", 1, 0), ("p50_us", "p50 us", 1, 0),
            ("p99_us", "p99 us", 1, 0), ("p999_us", "p99.9 us", 1, 0), ("rss_kib", "RSS MB", 1 / 1024, 1))
BASES = ("floor", "nginx")


class Results:
    """Samples by (subject, transport, connections), one a round."""

    def __init__(self, machine, unpinned):
        self.machine = machine
        self.unpinned = unpinned
        self.samples = collections.defaultdict(list)
        self.crypto = []  # of each round: verify_us, import_us

    def add(self, subject, connections, sample):
        self.samples[subject.name, subject.transport, connections].append(sample)

    def median(self, key, field):
        return statistics.median(getattr(sample, field) for sample in self.samples[key])

    def ratio(self, key, base, field):
        """Median over the rounds of the ratio to the base with the same transport and connections."""
        other = self.samples.get((base, *key[1:]), [])
        ratios = [getattr(mine, field) / getattr(its, field) for mine, its in zip(self.samples[key], other)
                  if getattr(its, field)]
        return statistics.median(ratios) if ratios else None

    def keys(self):
        """In the order of the tables."""
        return sorted(self.samples, key=lambda key: (key[2], key[1]))

    def document(self):
        fields = [measure[0] for measure in MEASURES]
        return {
            "machine": self.machine, "not_pinned": self.unpinned,
            "openssl": {name: statistics.median(one[name] for one in self.crypto) for name in self.crypto[0]},
            "verdicts": [{**dataclasses.asdict(verdict), "met": verdict.met} for verdict in verdicts.judge(self)],
            "points": [{"subject": key[0], "upstream": key[1], "connections": key[2], "rounds": len(self.samples[key]),
                        "median": {field: self.median(key, field) for field in fields},
                        **{f"to_{base}": {field: self.ratio(key, base, field) for field in fields} for base in BASES},
                        "samples": [dataclasses.asdict(sample) for sample in self.samples[key]]}
                       for key in self.keys()],
        }


def _number(value, digits):
    return f"{value:,.{digits}f}" if value else ""


def _rows(results):
    """The medians, with the ratios of the processor time beside it."""
    yield "subject", "upstream", "conns", "CPU us", *(f"x {b}" for b in BASES), *(m[1] for m in MEASURES[1:])
    for key in results.keys():
        cells = [_number(results.median(key, field) * factor, digits) for field, _, factor, digits in MEASURES]
        ratios = [_number(results.ratio(key, base, "cpu_us"), 2) for base in BASES]
        yield (*key[:2], str(key[2]), cells[0], *ratios, *cells[1:])


def _ratio_rows(results, base):
    yield "subject", "upstream", "conns", *(measure[1].rpartition(" ")[0] or measure[1] for measure in MEASURES)
    for key in results.keys():
        if key[0] != base and (base, *key[1:]) in results.samples:
            yield (*key[:2], str(key[2]), *(_number(results.ratio(key, base, measure[0]), 2) for measure in MEASURES))


def _verdict_rows(results):
    yield "goal", "measured", "at most", ""
    for verdict in verdicts.judge(results):
        yield verdict.text, f"{verdict.ratio:.2f}", f"{verdict.at_most:.2f}", "met" if verdict.met else "NOT MET"


def table(title, rows, markdown, left):
    """`left`: how many columns are text. Prints nothing when there is only a heading."""
    rows = list(rows)
    if len(rows) < 2:
        return
    print(f"\n{'### ' if markdown else ''}{title}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
        if markdown and number == 0:
            print("|" + "|".join("-" * (width + 2) if i < left else "-" * (width + 1) + ":"
                                 for i, width in enumerate(widths)) + "|")


def show(results, markdown):
    rounds = len(results.crypto)
    print(f"{results.machine['cpu']}, {results.machine['cpus']} cores, Linux {results.machine['kernel']}, "
          f"Debian {results.machine['system']}; medians of {rounds} round{'s' if rounds > 1 else ''}")
    table("Per request; CPU is the server's", _rows(results), markdown, 2)
    for base in BASES:
        table(f"As a multiple of {base} (same transport and connections)", _ratio_rows(results, base), markdown, 2)
    crypto = {name: statistics.median(one[name] for one in results.crypto) for name in results.crypto[0]}
    print(f"\nOpenSSL in this run: verification (RSA-2048) {crypto['verify_us']:.1f} us, import (EC P-256) "
          f"{crypto['import_us']:.1f} us")
    table("Goals", _verdict_rows(results), markdown, 1)
    print()
    for line in results.unpinned:
        print(f"not pinned: {line}")


def write_json(results, path):
    path.write_text(json.dumps(results.document(), indent=1) + "\n")
