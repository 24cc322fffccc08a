# SPDX-License-Identifier: Apache-2.0
"""usage: image_contents.py ROOT NAME
Prints what an image's root holds, the largest first: file, bytes, package and version, from the bill of
materials in it. Small files of a package are one line."""
import json
import pathlib
import sys

SMALL_BYTES = 48 * 1024


def parts(root, name):
    """[(path, bytes, component)] of every file that the bill names, and of the bill itself."""
    path = pathlib.PurePosixPath(f"/usr/share/sbom/{name}.cdx.json")
    bill = json.loads((root / path.relative_to("/")).read_text())
    components = [bill["metadata"]["component"], *bill["components"]]
    found = [(each["name"], component) for component in components for each in component["components"]]
    found.append((str(path), components[0]))
    return [(path, (root / path[1:]).stat().st_size, f"{component['name']} {component['version']}")
            for path, component in found]


def rows(files):
    large = [(path, size, package) for path, size, package in files if size >= SMALL_BYTES]
    small = {}
    for path, size, package in files:
        if size < SMALL_BYTES:
            count, total = small.get(package, (0, 0))
            small[package] = (count + 1, total + size)
    rest = sum(count for count, _ in small.values()), sum(total for _, total in small.values())
    return sorted(large, key=lambda row: -row[1]) + [(f"{rest[0]} files of less than {SMALL_BYTES // 1024} KiB "
                                                      "(licence texts, small libraries)", rest[1], "")]


def main():
    files = parts(pathlib.Path(sys.argv[1]), sys.argv[2])
    for path, size, package in [*rows(files), (f"{len(files)} files", sum(size for _, size, _ in files), "")]:
        print(f"{size:>10,}  {path}" + (f"  ({package})" if package else ""))


main()
