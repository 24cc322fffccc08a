# SPDX-License-Identifier: Apache-2.0
"""The faults that the service stands, and the tests that prove it (README.md)."""
