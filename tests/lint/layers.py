# SPDX-License-Identifier: Apache-2.0
"""Which folder may include which, and which files may see a third-party header."""
import re

from c_source import files, includes

# Folder of src/ -> the folders it may include. `main` stands for the files directly in src/ and for
# src/commands.
MAY_INCLUDE = {
    "base": {"base"},
    "config": {"base", "config"},
    "observe": {"base", "observe"},
    "net": {"base", "config", "observe", "net"},
    "identity": {"base", "config", "observe", "net", "identity"},
    "api": {"base", "config", "observe", "net", "identity", "api"},
    "main": {"base", "config", "observe", "net", "identity", "api", "main"},
}

# Header (as written) -> regular expression over the paths that may include it.
TOOLS = r"(emulator|phone|bench|tests)/.*"
WALLS = {
    r"microhttpd\.h": rf"src/net/http_server[a-z_]*\.c|{TOOLS}",
    r"curl/.*": rf"src/net/http_client[a-z_]*\.c|{TOOLS}",
    r"jwt\.h": rf"{TOOLS}",
    r"cjson/.*|cJSON\.h": rf"src/base/json[a-z_]*\.c|{TOOLS}",
    r"openssl/.*": rf"src/base/crypto[a-z_]*\.c|src/identity/jwk[a-z_]*\.c"
                   rf"|src/identity/jwk_internal\.h|{TOOLS}",
}
THIRD_PARTY = re.compile("|".join(WALLS))


def folder_of(parts):
    return parts[1] if len(parts) > 2 and parts[1] in MAY_INCLUDE else "main"


def check(root):
    for path in files(root):
        relative = path.relative_to(root)
        for line, name, is_system in includes(path.read_text()):
            finding = _finding(relative, name, is_system)
            if finding:
                yield f"{relative}:{line}: {finding}"


def _finding(relative, name, is_system):
    for header, allowed in WALLS.items():
        if re.fullmatch(header, name):
            return None if re.fullmatch(allowed, str(relative)) else f"{name} is not for this file"
    if is_system or relative.parts[0] != "src":
        return None
    mine = folder_of(relative.parts)
    theirs = folder_of(("src", *name.split("/")))
    if theirs not in MAY_INCLUDE[mine]:
        return f"{mine}/ may not include {name}: it lies in a layer above"
    if "/" not in name and mine != "main":
        return f'"{name}" lacks its folder'
    return None
