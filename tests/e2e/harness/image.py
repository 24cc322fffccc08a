# SPDX-License-Identifier: Apache-2.0
"""The same tests against the service of a container image (`./dev image`): it runs as another user, below
a root of its own that it cannot write to, with libraries of its own."""
import os
import pathlib
import tempfile

# The image's root, mounted by tools/image_run.sh; None: the service is that of the build.
ROOT = pathlib.Path(os.environ["BFF_IMAGE_ROOT"]) if "BFF_IMAGE_ROOT" in os.environ else None

UID = 65532


def let_in(directory):
    """The temporary directory is closed to other users; the service of an image is one."""
    top = pathlib.Path(tempfile.gettempdir())
    for each in (directory, *directory.parents) if ROOT else ():
        if top not in each.parents:
            break
        each.chmod(0o755)


def hand_over(settings):
    """Files that a setting names and that their owner alone can read: whoever runs an image gives them to its user."""
    for name, value in settings.items() if ROOT else ():
        if name == "BFF_CONFIG" or name.endswith("_FILE"):
            path = pathlib.Path(value)
            if pathlib.Path(tempfile.gettempdir()) in path.parents and path.is_file():
                os.chown(path, UID, UID)
