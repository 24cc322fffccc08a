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

UID = 65532

_PRELOADED = "a library of the build is preloaded; below the image's root there is none of it"
_OWN_ETC = "the machine's /etc is mounted over; the image has its own"
EXCEPTED = {
    "-500-internal]": _PRELOADED,
    "test_errors.py::test_without_randomness_no_handle_is_made": _PRELOADED,
    "test_config_watch.py::test_where_the_system_tells_nothing_the_files_are_polled": _PRELOADED,
    "test_reload.py::test_memory_that_is_out_refuses_a_reload_and_nothing_else": _PRELOADED,
    "test_configuration.py::test_a_machine_without_certificates_or_name_servers_is_a_clear_refusal": _OWN_ETC,
    "test_configuration.py::test_an_upstream_by_address_needs_no_name_server": _OWN_ETC,
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


def hand_over(settings):
    """Files that a setting names and that their owner alone can read: whoever runs an image gives them to its user."""
    for name, value in settings.items() if ROOT else ():
        if name == "BFF_CONFIG" or name.endswith("_FILE"):
            path = pathlib.Path(value)
            if pathlib.Path(tempfile.gettempdir()) in path.parents and path.is_file():
                os.chown(path, UID, UID)
