# SPDX-License-Identifier: Apache-2.0
"""System calls that fail in the kernel's place: strace stands between a thread, or a whole start, and the
kernel. So also those fail that the C library makes inside itself, which no preload sees."""
import pathlib
import shutil
import signal
import subprocess

import control as torture
from harness.waiting import until

STRACE = shutil.which("strace", path="/usr/sbin:/usr/bin:/usr/local/bin")

# call: what the kernel may answer, whatever the program does right. No EAGAIN where there is something to read; no
# close(), for what is refused here is not done, and the kernel closes even then; no epoll_ctl(), of which it
# refuses additions alone (the preload does both); no write(), which mostly rings an eventfd, and that the kernel
# does not refuse (a log that nobody takes: row FP07); no futex(), whose wakes cannot fail; none that fails for wrong arguments alone, as fcntl(),
# rt_sigaction(). brk() tells a failure by the end of the heap as it was.
ANSWERS = {
    "accept4": ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED"),
    "bind": ("EADDRINUSE", "EACCES"),
    "brk": (0,),
    "clone3": ("EAGAIN", "ENOMEM", "ENOSYS"),
    "connect": ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"),
    "epoll_create1": ("EMFILE", "ENOMEM"),
    "epoll_wait": ("EINTR",),
    "eventfd2": ("EMFILE", "ENOMEM"),
    "fstat": ("ENOMEM",),
    "getpeername": ("ENOTCONN",),
    "getrandom": ("EINTR", "ENOSYS"),
    "getsockname": ("ENOBUFS",),
    "getsockopt": ("ENOBUFS",),
    "inotify_init1": ("EMFILE", "ENOMEM"),
    "madvise": ("ENOMEM", "EINVAL"),
    "mlock": ("ENOMEM", "EPERM"),
    "mmap": ("ENOMEM",),
    "mprotect": ("ENOMEM",),
    "munmap": ("ENOMEM",),
    "newfstatat": ("ENOMEM", "EACCES"),
    "openat": ("EMFILE", "ENFILE", "ENOMEM", "EACCES"),
    "poll": ("EINTR", "ENOMEM"),
    "prctl": ("EPERM",),
    "pread64": ("EIO",),
    "prlimit64": ("EPERM",),
    "read": ("EIO", "EINTR"),
    "recvfrom": ("ECONNRESET", "ENOMEM"),
    "recvmsg": ("ECONNRESET", "ENOMEM"),
    "sched_getaffinity": ("EPERM",),
    "sendmmsg": ("ENOBUFS", "ECONNREFUSED"),
    "sendmsg": ("EPIPE", "ECONNRESET", "ENOMEM"),
    "sendto": ("EPIPE", "ENOBUFS"),
    "setsockopt": ("ENOBUFS",),
    "shutdown": ("ENOTCONN",),
    "socket": ("EMFILE", "ENFILE", "ENOBUFS"),
    "socketpair": ("EMFILE", "ENOMEM"),
    "timerfd_create": ("EMFILE", "ENOMEM"),
    "writev": ("EPIPE", "ENOMEM"),
}


def inject(call, answer, place):
    what = f"error={answer}" if isinstance(answer, str) else f"retval={answer}"
    return f"inject={call}:{what}:when={place}"


def calls_in(path, only_injected=False):
    """{call: how often} of a trace."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        name = line.partition("(")[0].rpartition(" ")[2]
        if name in ANSWERS and (not only_injected or "(INJECTED" in line):
            found[name] = found.get(name, 0) + 1
    return found


def thread(pid, name):
    """The first thread of the process whose name begins so."""
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda one: int(one.name)):
        if (task / "comm").read_text().startswith(name):
            return int(task.name)
    raise LookupError(f"no thread {name} in {pid}")


class Traced(torture.Control):
    """Control of a process of which a thread can be traced; its count of live blocks goes on."""

    def __init__(self, directory):
        super().__init__(directory)
        self.trace = directory / "trace"
        self.said = directory / "strace"
        self._strace = None

    def attach(self, thread_id, *expressions):
        words = [word for one in expressions for word in ("-e", one)]
        with open(self.said, "wb") as said:
            self._strace = subprocess.Popen([STRACE, "-o", self.trace, *words, "-p", str(thread_id)],
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        until(lambda: "attached" in self.said.read_text() or self._strace.poll() is not None, "strace has it")

    def fail(self, thread_id, call, answer, place):
        self.shared.calls.failed = self.shared.allocations.failed = 0
        self.shared.calls.depth = 0
        self.attach(thread_id, f"trace={call}", inject(call, answer, place))

    def relieve(self):
        super().relieve()
        if self._strace:
            self._strace.send_signal(signal.SIGINT)
            self._strace.wait()
            self._strace = None
            self.shared.calls.failed = sum(calls_in(self.trace, only_injected=True).values())
