# SPDX-License-Identifier: Apache-2.0
"""Tests that cannot apply to the service of a container image, by name and with the reason. Apart from
image.py, which the benchmarks use, too, where pytest need not be installed."""
import pytest

from . import image

_PRELOADED = "a library of the build is preloaded; below the image's root there is none of it"
_OWN_ETC = "the machine's /etc is mounted over; the image has its own"
EXCEPTED = {
    "-500-internal]": _PRELOADED,
    "test_life_cycle.py::test_a_system_that_keeps_the_door_open_is_told": _PRELOADED,
    "test_life_cycle.py::test_a_start_looks_up_no_name_but_the_vendors": _PRELOADED,
    "test_errors.py::test_without_randomness_no_handle_is_made": _PRELOADED,
    "test_config_watch.py::test_where_the_system_tells_nothing_the_files_are_polled": _PRELOADED,
    "test_reload.py::test_memory_that_is_out_refuses_a_reload_and_nothing_else": _PRELOADED,
    "test_configuration.py::test_a_machine_without_certificates_or_name_servers_is_a_clear_refusal": _OWN_ETC,
    "test_configuration.py::test_an_upstream_by_address_needs_no_name_server": _OWN_ETC,
}


def except_some(items):
    for item in items if image.ROOT else ():
        for part, reason in EXCEPTED.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=f"not for an image: {reason}"))
