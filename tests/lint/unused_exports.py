# SPDX-License-Identifier: Apache-2.0
"""A function that src/ exports is called from another file; else it is static, or not needed."""
import collections
import subprocess

# Called by name from outside the program, or by a signal of the toolchain.
ENTRY_POINTS = {"main"}


def symbols(objects):
    """(object, kind, name) as nm prints them."""
    listing = subprocess.run(["nm", "--print-file-name", "--format=posix", *map(str, objects)],
                             capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    for line in listing.splitlines():
        where, _, rest = line.partition(": ")
        name, kind = rest.split()[:2]
        yield where, kind, name


def check(root, build):
    objects = sorted(build.rglob("*.o"))
    if not objects:
        yield f"{build}: no object files; build first"
        return
    exported, wanted_by = {}, collections.defaultdict(set)
    for where, kind, name in symbols(objects):
        if kind == "T" and where.startswith(str(build / "src")):
            exported.setdefault(name, where)
        elif kind == "U":
            wanted_by[name].add(where)
    for name, where in sorted(exported.items()):
        # sanitizers and coverage make names of their own
        if name not in ENTRY_POINTS and not name.startswith("_") and not wanted_by[name]:
            yield f"{where.removeprefix(str(build) + '/')}: {name}() is exported but no other file calls it"
