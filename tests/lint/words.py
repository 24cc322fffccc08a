# SPDX-License-Identifier: Apache-2.0
"""What does not stand in a source: banned functions, // comments, notes to come back; and what must:
the licence line."""
import re

from c_source import files, without_comments

BANNED = {
    "strcpy": "buf_append or memcpy with a checked length", "strcat": "struct buf",
    "sprintf": "snprintf or buf_printf", "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "struct str",
    "strncpy": "memcpy with a checked length", "strncat": "struct buf", "atoi": "str_to_int64", "atol": "str_to_int64",
    "atof": "strict JSON numbers", "alloca": "the arena", "rand": "crypto_random", "srand": "crypto_random",
    "tmpnam": "mkstemp", "mktemp": "mkstemp", "setjmp": "a return value", "longjmp": "a return value",
    "system": "nothing", "popen": "nothing", "asctime": "clock.h", "ctime": "clock.h", "gmtime": "gmtime_r",
    "localtime": "gmtime_r", "usleep": "an event", "scanf": "struct str",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bnot implemented\b", re.I)
# Where the note words themselves are the subject.
ABOUT_NOTES = {"tests/lint/words.py", "tests/lint/test_lints.py", "CONTRIBUTING.md"}
TEXT_FOLDERS = ("src", "emulator", "phone", "bench", "tests", "tools", "deploy", "openapi", "docs")
TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".yaml", ".yml", ".md", ".build", ".bash")


def check(root):
    for path in files(root):
        yield from _check_c(path, path.relative_to(root))
    for path in files(root, TEXT_FOLDERS, TEXT_SUFFIXES):
        yield from _check_notes(path, path.relative_to(root))


def _check_c(path, relative):
    text = path.read_text()
    if "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
        yield f"{relative}:1: the SPDX line is missing"
    code = without_comments(text)
    for number, line in enumerate(code.splitlines(), 1):
        for match in CALL.finditer(line):
            yield f"{relative}:{number}: {match.group(1)}() is banned: {BANNED[match.group(1)]} instead"
    yield from (f"{relative}:{number}: // comment" for number in _line_comments(text))


def _line_comments(text):
    """Lines with a // that is neither in a literal nor in a /* */ comment."""
    only_blocks_gone = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                              lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)
    return [n for n, line in enumerate(only_blocks_gone.splitlines(), 1) if "//" in line]


def _check_notes(path, relative):
    if str(relative) in ABOUT_NOTES:
        return
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = NOTES.search(line)
        if match:
            yield f"{relative}:{number}: {match.group(0)}"
