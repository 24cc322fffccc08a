# SPDX-License-Identifier: Apache-2.0
"""The version of meson.build is the one that the image, the chart, the OpenAPI document and the changelog name."""
import re

# Where it is said again; the chart's own version may differ, what it installs may not.
PLACES = {
    "Dockerfile": r"^ARG VERSION=(\S+)$",
    "deploy/helm/biometrics-bff/Chart.yaml": r"^appVersion: (\S+)$",
    "openapi/biometrics-bff.yaml": r"^  version: (\S+)$",
    "CHANGELOG.md": r"^## (\S+)",
}


def check(root):
    version = re.search(r"^  version: '([^']+)'", (root / "meson.build").read_text(), re.M).group(1)
    for name, pattern in PLACES.items():
        found = re.search(pattern, (root / name).read_text(), re.M)
        said = found.group(1).strip("\"'") if found else "none"
        if said != version:
            yield f"{name}: version {said}, and {version} in meson.build"
