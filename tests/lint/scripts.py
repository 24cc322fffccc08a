# SPDX-License-Identifier: Apache-2.0
"""shellcheck over the shell scripts; the Python scripts compile."""
import subprocess

SKIPPED = {"build", ".cache", ".git", "node_modules"}


def scripts(root):
    """(path, interpreter) of every script, by suffix or first line."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if not path.is_file() or SKIPPED & set(relative.parts) or relative.parts[0].startswith("build"):
            continue
        if path.suffix == ".py":
            yield path, "python"
        elif path.suffix == ".sh":
            yield path, "bash"
        elif not path.suffix:
            first = path.open("rb").readline()
            if first.startswith(b"#!") and (b"bash" in first or first.rstrip().endswith(b"/sh")):
                yield path, "bash"
            elif first.startswith(b"#!") and b"python" in first:
                yield path, "python"


def check(root):
    found = list(scripts(root))
    shells = [str(path.relative_to(root)) for path, kind in found if kind == "bash"]
    if shells:
        done = subprocess.run(["shellcheck", "--severity=style", "--external-sources", "--format=gcc", *shells],
                              cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        yield from filter(None, (done.stdout + done.stderr).splitlines())
    for path, kind in found:
        if kind == "python":
            try:
                compile(path.read_text(), str(path), "exec")
            except SyntaxError as error:
                yield f"{path.relative_to(root)}:{error.lineno}: {error.msg}"
