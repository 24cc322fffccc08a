# SPDX-License-Identifier: Apache-2.0
"""valgrind's callgrind: how a program is run under it, and what its dumps say.

Instructions count for the function that executed them. A function inlined into another counts for the
other, as the processor sees it."""
import collections
import os
import pathlib
import re
import subprocess
import time

COMMAND = ("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--dump-line=no")
OWN = "own code"
BESIDE = "own code, other threads"
# The object files that deserve a line of their own; all others are "other libraries".
LIBRARIES = {"libcurl": "libcurl", "libcrypto": "libcrypto", "libssl": "libssl", "libc": "libc", "libcjson": "libcjson",
             "libnghttp2": "libnghttp2"}
CALLEE = {"cob": "ob", "cfi": "fl", "cfl": "fl", "cfn": "fn"}
_NAME = re.compile(r"\((\d+)\)(?: (.*))?$")

_COST = re.compile(r"[0-9+*-]")

COMMAND_WITHIN_S = 60
NUDGE_EVERY_S = 0.005

Function = collections.namedtuple("Function", "group file name")
Call = collections.namedtuple("Call", "caller callee")


class Callgrind:
    """Control of one process that runs under COMMAND. directory: where its dumps go. A scene has the
    process's pid and can nudge() it: make a thread other than the one that is measured do something."""

    def __init__(self, directory, source_root):
        self.directory = directory
        self.root = source_root
        self.command = (*COMMAND, f"--callgrind-out-file={directory}/dump")

    def begin(self, scene):
        """From here on instructions are counted."""
        self._control(scene, "instrumentation", "on")

    def take(self, scene):
        """What was counted since the last take: a Counter, see read_dump. What our own code did in threads
        other than the one that did most depends on when they woke, so it stands apart."""
        self._control(scene, "dump")
        threads = []
        for path in sorted(self.directory.glob("dump.*-*")):
            threads.append(read_dump(path, self.root))
            path.unlink()
        if not threads:
            raise RuntimeError("callgrind wrote no dump")
        threads.sort(key=own_total)
        return sum(map(_beside, threads[:-1]), threads[-1])

    def _control(self, scene, *command):
        """vgdb leaves its command and waits; it is taken up by a thread that executes something. (It can force
        one out of a system call with ptrace, but hangs at times.)"""
        with subprocess.Popen(["vgdb", f"--pid={scene.pid}", "--max-invoke-ms=0", *command], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as vgdb:
            deadline = time.monotonic() + COMMAND_WITHIN_S
            while vgdb.poll() is None:
                if time.monotonic() > deadline:
                    vgdb.kill()
                scene.nudge()
                time.sleep(NUDGE_EVERY_S)
            if vgdb.returncode:
                raise RuntimeError(f"vgdb {' '.join(command)}: status {vgdb.returncode}: {vgdb.stdout.read()}")


def own_total(counted):
    return sum(count for what, count in counted.items() if what[0] == OWN)


def _beside(counted):
    return collections.Counter({what._replace(group=BESIDE) if what[0] == OWN else what: count
                                for what, count in counted.items()})


def read_dump(path, root):
    """Counter of one dump: by Function what it executed itself; by Call what calls from one group
    into another cost, with all that these called."""
    names = {"ob": {}, "fl": {}, "fn": {}}
    current = {"ob": "", "fl": "", "fn": ""}
    callee = {}
    costs = collections.Counter()
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if key in current:
            current[key] = _named(names[key], value)
        elif key in CALLEE:
            callee[CALLEE[key]] = _named(names[CALLEE[key]], value)
        elif key in ("fi", "fe"):
            _named(names["fl"], value)
        elif key == "calls":
            # A line follows with what the callee cost; it lies in the same object unless said otherwise.
            callee = {**current, **callee}
        elif not equals and _COST.match(line):
            costs[tuple(current.values()), tuple(callee.values())] += int(line.split()[1])
            callee = {}
    return _by_function(costs, root)


def _by_function(costs, root):
    found = collections.Counter()
    for (caller, callee), count in costs.items():
        function = _function(*caller, root)
        if not callee:
            found[function] += count
        elif function.group != _function(*callee, root).group:
            found[Call(function, _function(*callee, root))] += count
    return found


def _named(names, value):
    """Names are written once and then meant by number."""
    match = _NAME.match(value)
    number, name = match.groups()
    if name is not None:
        names[number] = name
    return names[number]


def _function(ob, fl, fn, root):
    file = os.path.normpath(fl)
    name = fn.split("'")[0]
    inside = os.path.relpath(file, root) if file.startswith(str(root)) else ""
    if inside.startswith("src/"):
        return Function(OWN, inside, name)
    library = re.match(r"[a-z0-9_]+?(?=[.-]|$)", os.path.basename(ob))
    library = library.group(0) if library else ""
    if os.path.basename(ob) == "biometrics-bff":
        return Function("libmicrohttpd", os.path.basename(file), name)
    return Function(LIBRARIES.get(library, "other libraries"), os.path.basename(ob), name)
