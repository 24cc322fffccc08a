# SPDX-License-Identifier: Apache-2.0
"""clang accepts every file under the warnings that it was built with by gcc: they find different things.
Nothing is generated, so it takes a fifth of a build. Read are the files of the compile database and, as if
they were files of src/net, those of bench, which a build for tests has not."""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess

# gcc's options that clang does not know, or wants otherwise.
ACCEPT = ["-Wno-unknown-warning-option", "-Wno-unused-command-line-argument", "-Wno-string-concatenation",
          "-ftrivial-auto-var-init=uninitialized"]
_OUTPUTS = {"-o", "-MF", "-MQ"}


def arguments(command):
    """Those of a compile command that say how to read the source, and the source."""
    words = shlex.split(command)
    while words and not words[0].startswith("-"):  # the compiler, perhaps behind ccache
        words = words[1:]
    kept = [word for before, word in zip(["", *words], words)
            if word not in _OUTPUTS | {"-MD", "-c"} and before not in _OUTPUTS]
    return [word for word in kept if not word.startswith("-fdiagnostics-color")]


def check(root, build):
    entries = {(entry["file"], entry["command"]) for entry in json.loads((build / "compile_commands.json").read_text())}
    commands = {tuple(arguments(command)): file for file, command in sorted(entries)}
    like = next((words for words, file in commands.items() if file.endswith("src/net/http_server.c")), None)
    for path in sorted(root.glob("bench/*.c")) if like else ():
        commands[(*like[:-1], str(path))] = str(path)

    def read(item):
        words, file = item
        done = subprocess.run(["clang", *words, *ACCEPT, "-fsyntax-only"], cwd=build, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        found = re.findall(r"^(\S+:\d+:\d+: (?:fatal )?(?:warning|error): .*)$", done.stderr, re.M)
        if done.returncode and not found:
            found = [f"{file}: {done.stderr.strip()[:300]}"]
        return [re.sub(r"^\S+?(?=:\d)", lambda match: _named(root, build, match[0]), line) for line in found]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from sorted({line for lines in pool.map(read, commands.items()) for line in lines})


def _named(root, build, name):
    path = pathlib.Path(os.path.normpath(build / name))
    return str(path.relative_to(root)) if root in path.parents else str(path)
