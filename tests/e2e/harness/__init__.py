# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: processes, a device, HTTP at two levels, an upstream that
misbehaves on request. Tests import from here and from the fixtures in conftest.py."""
