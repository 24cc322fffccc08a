# SPDX-License-Identifier: Apache-2.0
"""The other side of tests/torture/control.h: arms the torture library in a running process through a
mapped file, and reads what it counted. The layout here and the one there must be kept together."""
import ctypes
import mmap
import pathlib
import re
import subprocess

from harness.paths import BUILD

LIBRARY = BUILD / "tests" / "torture" / "torture.so"

OFF, ONE, FROM, COUNT = range(4)

# The order of enum call in calls.c.
CALLS = ("accept4", "read", "readv", "recv", "recvfrom", "recvmsg", "write", "writev", "send", "sendto", "sendmsg",
         "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd", "socket", "socketpair", "connect", "bind",
         "getsockopt", "setsockopt", "getsockname", "getpeername", "close", "shutdown", "poll", "fcntl", "ioctl",
         "open", "getrandom")

_MAGIC = 0x746F7274
_FRAMES, _BLOCK_FRAMES, _BLOCKS = 24, 14, 1 << 15
_FRAMES_SHOWN = 9


class Arm(ctypes.Structure):
    _fields_ = [("mode", ctypes.c_uint64), ("k", ctypes.c_uint64), ("seen", ctypes.c_uint64),
                ("failed", ctypes.c_uint64), ("what", ctypes.c_uint64), ("error", ctypes.c_uint64),
                ("depth", ctypes.c_uint64), ("stack", ctypes.c_uint64 * _FRAMES), ("thread", ctypes.c_char * 16)]


class Block(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
                ("stack", ctypes.c_uint64 * _BLOCK_FRAMES)]


class Layout(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_uint64), ("live_blocks", ctypes.c_int64), ("live_bytes", ctypes.c_int64),
                ("wall_offset_s", ctypes.c_int64), ("recording", ctypes.c_uint64), ("lock", ctypes.c_uint64), ("allocations", Arm), ("calls", Arm),
                ("call_counts", ctypes.c_uint64 * 64), ("blocks", Block * _BLOCKS)]


class Control:
    """One for each process under test; `environment` is what the process needs."""

    def __init__(self, directory):
        self.path = directory / "torture"
        with open(self.path, "w+b") as file:
            file.truncate(ctypes.sizeof(Layout))
            self._map = mmap.mmap(file.fileno(), ctypes.sizeof(Layout))
        self.shared = Layout.from_buffer(self._map)
        self.shared.magic = _MAGIC
        self.environment = {"LD_PRELOAD": LIBRARY, "TORTURE_FILE": self.path}

    def _arm(self, arm, mode, k, thread):
        arm.mode = OFF
        arm.k, arm.seen, arm.failed, arm.depth = k, 0, 0, 0
        arm.thread = thread.encode()
        arm.mode = mode

    def fail_allocations(self, mode, k=0, thread=""):
        """mode: ONE (the k-th from now), FROM (the k-th and all that follow), COUNT."""
        self._arm(self.shared.allocations, mode, k, thread)

    def fail_calls(self, mode, call=None, error=0, k=0, thread=""):
        arm = self.shared.calls
        arm.mode = OFF
        arm.what = CALLS.index(call) if call else len(CALLS)
        arm.error = error
        ctypes.memset(ctypes.addressof(self.shared.call_counts), 0, ctypes.sizeof(self.shared.call_counts))
        self._arm(arm, mode, k, thread)

    def relieve(self):
        """Nothing fails any more; the counters stay readable."""
        self.shared.allocations.mode = OFF
        self.shared.calls.mode = OFF

    def record(self, on):
        """Remembers from now on which blocks are taken and not given back."""
        if on:
            ctypes.memset(ctypes.addressof(self.shared.blocks), 0, ctypes.sizeof(self.shared.blocks))
        self.shared.recording = int(on)

    def kept_blocks(self):
        """[(bytes, [address of the stack, ...])] of what was taken since record(True) and kept."""
        return [(block.bytes, [a for a in block.stack if a])
                for block in self.shared.blocks if block.address > 1]

    def failed_stack(self):
        arm = self.shared.allocations if self.shared.allocations.failed else self.shared.calls
        return list(arm.stack[:arm.depth])


class Symbols:
    """Names for addresses of a process that lives, or did."""

    def __init__(self, pid):
        self._maps, self._bases, self._names = [], {}, {}
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \S+\s+(/.*)$", line)
            if not match:
                continue
            start, end, offset = (int(word, 16) for word in match.groups()[:3])
            self._maps.append((start, end, match[4]))
            if offset == 0:
                self._bases[match[4]] = start

    def _look_up(self, address):
        path = next((path for start, end, path in self._maps if start <= address < end), None)
        if path not in self._bases:
            return hex(address)
        offset = address - self._bases[path]
        found = subprocess.run(["addr2line", "-f", "-e", path, hex(offset - 1)], capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, check=False).stdout.split("\n")[0]
        short = path.rsplit("/", 1)[1]
        return found if found and found != "??" else f"{short}+{offset:#x}"

    def name(self, address):
        if address not in self._names:
            self._names[address] = self._look_up(address)
        return self._names[address]

    def stack(self, addresses):
        """Innermost first, without the library itself and without what leads into a thread."""
        mine = [start for start, _, path in self._maps if path.endswith(LIBRARY.name)]
        ends = [end for _, end, path in self._maps if path.endswith(LIBRARY.name)]
        outside = [a for a in addresses if not (mine and min(mine) <= a < max(ends))]
        return " < ".join(self.name(address) for address in outside[:_FRAMES_SHOWN])
