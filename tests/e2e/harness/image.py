# SPDX-License-Identifier: Apache-2.0
"""The same tests against the service of a container image (`./dev image`): it runs as another user, below
a root of its own that it cannot write to, with libraries of its own. What cannot apply to it is excepted
here, by name and with the reason."""
import os
import pathlib
import tempfile

import pytest

# The image's root, mounted by tools/image_run.sh; None: the service is that of the build.
ROOT = pathlib.Path(os.environ["BFF_IMAGE_ROOT"]) if "BFF_IMAGE_ROOT" in os.environ else None

EXCEPTED = {
}


def except_some(items):
    for item in items if ROOT else ():
        for part, reason in EXCEPTED.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=f"not for an image: {reason}"))


def let_in(directory):
    """The temporary directory is closed to other users; the service of an image is one."""
    top = pathlib.Path(tempfile.gettempdir())
    for each in (directory, *directory.parents) if ROOT else ():
        if top not in each.parents:
            break
        each.chmod(0o755)
