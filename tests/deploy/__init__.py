# SPDX-License-Identifier: Apache-2.0
"""The checks of deploy/, run by tools/deploy_check.py; each module is about one way to run the service."""
