# SPDX-License-Identifier: Apache-2.0
"""The corpus of token attacks, a module for each class. A case makes one token out of a workshop; the
tests hand it in as a Bearer token and let a hostile vendor return it."""
import importlib

CLASSES = "abcdefghil"


def cases():
    """Every case of every class, in order. Names are unique."""
    found = []
    for letter in CLASSES:
        found += importlib.import_module(f"attacks.class_{letter}").CASES
    names = [case.name for case in found]
    assert len(names) == len(set(names)), "a name stands for two cases"
    return found
