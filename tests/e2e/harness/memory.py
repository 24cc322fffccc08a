# SPDX-License-Identifier: Apache-2.0
"""The memory of a process, as the kernel lets root read it."""
import pathlib
import re

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")
_NOT_READABLE = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


class Mapping:
    def __init__(self, begin, end, rights, name):
        self.begin, self.end, self.rights, self.name = begin, end, rights, name
        self.flags = []  # the kernel's two-letter words: "lo" locked, "dd" left out of dumps

    @property
    def bytes(self):
        return self.end - self.begin


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        match = _MAPPING.match(line)
        if match:
            found.append(Mapping(int(match[1], 16), int(match[2], 16), match[3], match[4]))
        elif line.startswith("VmFlags:"):
            found[-1].flags = line.split()[1:]
    return found


def secret_mappings(pid):
    """Those that the service made for its secrets: writable, and left out of dumps. The C library's state
    of getrandom() (2.41 and later) is so, too, but wiped in a child ("wf")."""
    return [mapping for mapping in mappings(pid)
            if "dd" in mapping.flags and "wr" in mapping.flags and "wf" not in mapping.flags]


def _read(memory, mapping):
    memory.seek(mapping.begin)
    try:
        return memory.read(mapping.bytes)
    except OSError:  # given back since
        return b""


def find(pid, needle):
    """The mappings that hold the bytes, once for each place."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for mapping in mappings(pid):
            if "r" in mapping.rights and mapping.name not in _NOT_READABLE:
                found += [mapping] * _read(memory, mapping).count(needle)
    return found
