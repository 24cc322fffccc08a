# SPDX-License-Identifier: Apache-2.0
"""Every header compiles on its own."""
import concurrent.futures
import json
import os
import pathlib
import subprocess

from c_source import files


def include_flags(root, build):
    """The third-party include paths of all compile commands."""
    flags = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = entry["command"].split()
        for index, word in enumerate(words):
            found = [word] if word.startswith("-I") else words[index:index + 2] if word == "-isystem" else []
            path = found[-1].removeprefix("-I") if found else ""
            absolute = str((pathlib.Path(entry["directory"]) / path).resolve())
            inside = root in pathlib.Path(absolute).parents and ".cache" not in absolute
            if found and not inside and f"-I{absolute}" not in flags:
                flags.append(f"-I{absolute}")
    return flags


def check(root, build=None):
    flags = [f"-I{root / 'src'}", f"-I{root}"] + (include_flags(root, build) if build else [])
    command = [os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
               "-Wno-unused-parameter", "-Werror", *flags, "-x", "c", "-"]

    def compile_alone(path):
        done = subprocess.run(command, capture_output=True, text=True, input=f'#include "{path}"\n')
        wall = [line for line in done.stderr.splitlines() if "error" in line]
        return f"{path.relative_to(root)}: {wall[0] if wall else 'does not compile'}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_alone, files(root, suffixes=(".h",))))
