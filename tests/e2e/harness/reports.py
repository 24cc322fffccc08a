# SPDX-License-Identifier: Apache-2.0
"""What the tests measured about themselves, for the totals that `./dev test` prints. Each worker
process collects; at the end the main process adds up and writes REPORTS/*.json."""
import collections
import contextlib
import json
import os
import re

from .paths import REPORTS, ROOT

# Set while tests that failed are run once more: what they measure is added to the first run's.
AGAIN = "BFF_TEST_AGAIN" in os.environ

# Where the results of the tests that prove rows of tests/faults/catalogue.py go.
ROWS = REPORTS / "rows" / os.environ.get("BFF_ROWS_NAME", "e2e.json")

_failures = {}
_codes = set()
_counts = collections.Counter()
_tallies = collections.defaultdict(lambda: [0, 0])  # title: good, all


def saw_answer(answer):
    code = None
    if answer.status >= 400:
        try:
            code = answer.code
        except (ValueError, AttributeError):
            pass
    if code:
        _codes.add(code)


def saw_failure(nodeid, text):
    _failures[nodeid] = _failures.get(nodeid, "") + text


def count(title, n=1):
    """Adds n to a line of the closing totals, e.g. count("tokens refused")."""
    _counts[title] += n


@contextlib.contextmanager
def tally(title):
    """A closing line "title: good / all", good if the block ends without a failure."""
    _tallies[title][1] += 1
    yield
    _tallies[title][0] += 1


def error_codes():
    """Every code of the error table in src/base/error.h, in its order."""
    table = (ROOT / "src" / "base" / "error.h").read_text()
    return re.findall(r"X\(ERR_\w+,\s*\d+,[\s\\]*\"(\w+)\"", table)


def _partial_dir():
    return REPORTS / "partial"


def clear():
    if _partial_dir().exists() and not AGAIN:
        for old in _partial_dir().glob("*.json"):
            old.unlink()


def save_partial(worker):
    _partial_dir().mkdir(parents=True, exist_ok=True)
    document = {"codes": sorted(_codes), "counts": dict(_counts),
                "tallies": _tallies}
    name = f"again-{worker}" if AGAIN else worker
    (_partial_dir() / f"{name}.json").write_text(json.dumps(document))


def write():
    """Merges what the workers saved."""
    reached, counts = set(), collections.Counter()
    tallies = collections.defaultdict(lambda: [0, 0])
    for path in _partial_dir().glob("*.json"):
        document = json.loads(path.read_text())
        reached.update(document["codes"])
        counts.update(document["counts"])
        for title, (good, all_of_them) in document["tallies"].items():
            tallies[title][0] += good
            tallies[title][1] += all_of_them
    table = error_codes()
    missing = [code for code in table if code not in reached]
    lines = [f"error rows reached: {len(table) - len(missing)} of {len(table)}"]
    if missing:
        lines.append("error rows not reached: " + ", ".join(missing))
    lines += [f"{title}: {counts[title]}" for title in sorted(counts)]
    lines += [f"{title}: {good} / {all_of_them}" for title, (good, all_of_them) in sorted(tallies.items())]
    REPORTS.mkdir(parents=True, exist_ok=True)
    document = {"title": "end to end", "lines": lines, "missing_error_codes": missing}
    (REPORTS / "e2e.json").write_text(json.dumps(document, indent=1))
    (REPORTS / "e2e.failures").write_text(json.dumps(_failures))
