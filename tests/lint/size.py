# SPDX-License-Identifier: Apache-2.0
"""Hard limits of size. The list of exceptions is empty and should stay so."""
from c_source import block_depth, files, functions

FUNCTION_LINES_MAX = 60
DEPTH_MAX = 4
FILE_LINES_MAX = 500
# A test of one module is one file: cases in a row, to be read one at a time.
TEST_FILE_LINES_MAX = 800


def check(root):
    for path in files(root):
        text = path.read_text()
        relative = path.relative_to(root)
        count = text.count("\n")
        lines_max = TEST_FILE_LINES_MAX if relative.parts[0] == "tests" else FILE_LINES_MAX
        if count > lines_max:
            yield f"{relative}: {count} lines, at most {lines_max}"
        for name, first, last in functions(text):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield f"{relative}:{first}: {name}() has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}"
            depth, line = block_depth(text, first, last)
            if depth > DEPTH_MAX:
                yield f"{relative}:{line}: {name}() nests blocks {depth} deep, at most {DEPTH_MAX}"
