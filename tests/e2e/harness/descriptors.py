# SPDX-License-Identifier: Apache-2.0
"""Crowds need descriptors, and Debian gives 1,024 to who asks for no more."""
import resource


def raise_limit():
    """The soft limit becomes the hard one, for what is started from here on, too."""
    hard = most()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
