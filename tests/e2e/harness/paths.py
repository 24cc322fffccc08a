# SPDX-License-Identifier: Apache-2.0
"""Where things are, and how patient this build wants its tests to be."""
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data"
BUILD = pathlib.Path(os.environ.get("BFF_BUILD_DIR", ROOT / "build")).resolve()
REPORTS = pathlib.Path(os.environ.get("BFF_TEST_REPORT_DIR", BUILD / "reports")).resolve()

# Another program that ends in the service, e.g. the one of the image (tools/image_run.sh).
SERVICE = pathlib.Path(os.environ.get("BFF_SERVICE", BUILD / "src" / "biometrics-bff"))
EMULATOR = BUILD / "emulator" / "mosaic-emulator"
PHONE = BUILD / "phone" / "virtual-phone"


def _sanitizer():
    options = BUILD / "meson-info" / "intro-buildoptions.json"
    if not options.exists():
        return "none"
    for option in json.loads(options.read_text()):
        if option["name"] == "b_sanitize":
            return option["value"]
    return "none"


SANITIZER = _sanitizer()

# Deadlines of the tests are multiplied by this; they say "never", not "how fast", and machines that
# build and test for others may take the processor away for seconds.
PATIENCE = float(os.environ.get("BFF_TEST_PATIENCE", "4" if SANITIZER == "none" else "8"))
