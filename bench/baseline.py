# SPDX-License-Identifier: Apache-2.0
"""The recorded instruction counts, and what counts as a rise. A row holds for one set of what the counts
depend on besides our own source: processor, compiler, libcurl and OpenSSL."""
import collections
import json
import pathlib

FILE = pathlib.Path(__file__).resolve().parent / "instructions.json"
RISE_MAX = 0.03
# What is below this share of an operation is not recorded by function; it is part of the total.
RECORDED_SHARE = 0.005

Verdict = collections.namedtuple("Verdict", "operation before now moved")
Moved = collections.namedtuple("Moved", "function before now")


class NoBaseline(Exception):
    """Nothing is recorded to compare with; says how to record it."""


def rose_too_far(verdict):
    return verdict.now > verdict.before * (1 + RISE_MAX)


def fell_far(verdict):
    return verdict.now < verdict.before * (1 - RISE_MAX)


def row_name(machine, compiler, version_lines):
    """compiler: e.g. "gcc 12.2.0". version_lines: what `biometrics-bff version` prints."""
    words = " ".join(version_lines).split()
    curl, openssl = (words[words.index(library) + 1] for library in ("libcurl", "OpenSSL"))
    return (f"{machine}, {compiler.split('.')[0]}, libcurl {'.'.join(curl.split('.')[:2])}, "
            f"OpenSSL {'.'.join(openssl.split('.')[:2])}")


def read(path=FILE):
    return json.loads(path.read_text()) if path.exists() else {}


def record(name, counted, path=FILE):
    """counted: {operation: {function: instructions}}. Other rows, and operations that were not counted, stay."""
    rows = read(path)
    rows[name] = {**rows.get(name, {}), **{operation: _recorded(functions) for operation, functions in counted.items()}}
    path.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


def _recorded(functions):
    total = sum(functions.values())
    return {"total": round(total), "functions": {function: round(count) for function, count in functions.items()
                                                 if count >= total * RECORDED_SHARE}}


def judge(name, counted, rows):
    """A Verdict for each counted operation; `moved` has the largest moves first."""
    if name not in rows:
        raise NoBaseline(f"no baseline for \"{name}\", only for: {'; '.join(sorted(rows)) or 'nothing'}. "
                         "With these versions, bench/instructions --record makes one.")
    missing = sorted(set(counted) - set(rows[name]))
    if missing:
        raise NoBaseline(f"the baseline for \"{name}\" lacks {', '.join(missing)}: bench/instructions --record")
    return [_verdict(operation, rows[name][operation], functions) for operation, functions in counted.items()]


def _verdict(operation, recorded, functions):
    before = recorded["functions"]
    moved = [Moved(function, before.get(function), functions.get(function, 0)) for function in before.keys() | functions]
    # Unrecorded before and small now: no move to speak of.
    small = recorded["total"] * RECORDED_SHARE
    moved = [move for move in moved if move.before is not None or move.now >= small]
    moved.sort(key=lambda move: (-abs(move.now - (move.before or 0)), move.function))
    return Verdict(operation, recorded["total"], sum(functions.values()), moved)


def describe(verdict, most=8):
    """The lines about one operation: how far it moved and, if it moved, where."""
    change = 100 * (verdict.now / verdict.before - 1)
    line = f"{verdict.operation}: {verdict.before:,.0f} -> {verdict.now:,.0f} instructions in our own code, {change:+.1f} %"
    if rose_too_far(verdict):
        line += f": more than {100 * RISE_MAX:g} % above the baseline"
    elif fell_far(verdict):
        line += ": record it, or the next rise hides behind it (bench/instructions --record)"
    yield line
    for move in verdict.moved[:most]:
        difference = round(move.now - (move.before or 0))
        if difference and abs(change) >= 0.5:
            before = "not recorded" if move.before is None else f"{move.before:,.0f}"
            yield f"  {difference:+10,d}  {move.function}  {before} -> {move.now:,.0f}"
