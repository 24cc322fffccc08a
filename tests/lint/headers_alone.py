# SPDX-License-Identifier: Apache-2.0
"""Every header compiles on its own, with the include paths that any file of its folder has."""
import concurrent.futures
import json
import os
import pathlib
import subprocess

from c_source import files


def include_flags(build):
    """-I and -isystem of all compile commands; the build directory's own first."""
    flags = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = entry["command"].split()
        for index, word in enumerate(words):
            found = [word] if word.startswith("-I") else words[index:index + 2] if word == "-isystem" else []
            path = found[-1].removeprefix("-I") if found else ""
            absolute = str((pathlib.Path(entry["directory"]) / path).resolve())
            if found and f"-I{absolute}" not in flags:
                flags.append(f"-I{absolute}")
    return flags


def check(root, build=None):
    flags = include_flags(build) if build else [f"-I{root / 'src'}"]
    command = [os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
               "-Wno-unused-parameter", "-Werror", *flags, "-x", "c", "-"]

    def compile_alone(path):
        own = [f"-I{path.parent}", f"-I{root}"]
        done = subprocess.run([*command, *own], capture_output=True, text=True, input=f'#include "{path}"\n')
        wall = [line for line in done.stderr.splitlines() if "error" in line]
        return f"{path.relative_to(root)}: {wall[0] if wall else 'does not compile'}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_alone, files(root, suffixes=(".h",))))
