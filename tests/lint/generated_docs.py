# SPDX-License-Identifier: Apache-2.0
"""The pages of PAGES under docs/ are what `biometrics-bff docs` prints; docs/faults.md is made from the
catalogue of faults and the tests that prove it."""
import argparse
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from faults import page as faults_page  # noqa: E402 after the path is set

PAGES = {**{name: f"{name}.md" for name in ("audit", "config", "errors", "logs", "metrics", "resilience")},
         "config-schema": "config.schema.json"}


def page(build, name):
    return subprocess.run([str(build / "src" / "biometrics-bff"), "docs", name], capture_output=True,
                          text=True, check=True, stdin=subprocess.DEVNULL).stdout


def check(root, build):
    for name, file in PAGES.items():
        path = root / "docs" / file
        if not path.exists() or path.read_text() != page(build, name):
            yield f"docs/{file}: not what `biometrics-bff docs {name}` prints (./dev docs)"
    path = root / "docs" / "faults.md"
    if not path.exists() or path.read_text() != faults_page.page(root):
        yield "docs/faults.md: not what the catalogue and the tests' decorators say (./dev docs)"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    if options.write:
        for name, file in PAGES.items():
            (root / "docs" / file).write_text(page(options.build, name))
        (root / "docs" / "faults.md").write_text(faults_page.page(root))
    findings = list(check(root, options.build))
    print("\n".join(findings))
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
