# SPDX-License-Identifier: Apache-2.0
"""Makes a C file that holds the bytes of a file: embed.py INPUT OUTPUT SYMBOL."""
import sys

source, target, symbol = sys.argv[1:4]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as f:
    f.write("#include <stddef.h>\n\n#include \"api/openapi.h\"\n\n")
    f.write(f"const unsigned char {symbol}[] = {{\n")
    for at in range(0, len(data), 16):
        f.write("    " + ", ".join(str(b) for b in data[at:at + 16]) + ",\n")
    f.write(f"}};\nconst size_t {symbol}_BYTES = sizeof({symbol});\n")
