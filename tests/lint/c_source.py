# SPDX-License-Identifier: Apache-2.0
"""Reading C as text: what the lints share. Good enough for sources that clang-format laid out."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CODE_FOLDERS = ("src", "emulator", "phone", "bench", "tests/unit", "tests/fuzz")

_TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def files(root, folders=CODE_FOLDERS, suffixes=(".c", ".h")):
    """Paths below root, sorted."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*")
                  if path.suffix in suffixes and path.is_file())


def without_comments(text, keep_strings=False):
    """Comments (and the insides of literals) blanked; line numbers and columns stay."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token if keep_strings else token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, text)


def includes(text):
    """(line, name, is_system) of each #include."""
    for number, line in enumerate(without_comments(text, keep_strings=True).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == "<"


def functions(text):
    """(name, first line, last line) of each function definition: its body's braces stand alone at
    column 0, as clang-format puts them."""
    lines = without_comments(text).splitlines()
    at = 0
    while at < len(lines):
        if lines[at] != "{" or not _is_signature_end(lines, at):
            at += 1
            continue
        first = at
        while first > 0 and lines[first - 1].strip() and lines[first - 1].rstrip()[-1] not in ";}" \
                and not lines[first - 1].startswith("#"):
            first -= 1
        last = at
        while last < len(lines) and lines[last] != "}":
            last += 1
        head = " ".join(lines[first:at])
        names = re.findall(r"(\w+)\s*\(", head)
        yield (names[0] if names else "?"), first + 1, last + 1
        at = last + 1


def _is_signature_end(lines, at):
    return at > 0 and lines[at - 1].rstrip().endswith(")")


def block_depth(text, first, last):
    """(deepest nesting of blocks in the function, its line); the body itself counts 1. Braces of
    initialisers do not count."""
    body = without_comments(text).splitlines()[first - 1:last]
    joined = "\n".join(body)
    stack, deepest, line_of_deepest = [], 0, first
    for index, char in enumerate(joined):
        if char == "{":
            inside_initialiser = stack and not stack[-1]
            stack.append(not inside_initialiser and _opens_block(joined[:index]))
            depth = sum(stack)
            if depth > deepest:
                deepest, line_of_deepest = depth, first + joined.count("\n", 0, index)
        elif char == "}" and stack:
            stack.pop()
    return deepest, line_of_deepest


def _opens_block(before):
    before = before.rstrip()
    if not before or before[-1] in ";{}:" or re.search(r"\b(else|do)$", before):
        return True
    if before[-1] != ")":
        return False
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(before[index], 0)
        if depth == 0:
            word = re.search(r"(\w+)\s*$", before[:index])
            return bool(word) and word.group(1) not in ("return", "sizeof")
    return True
