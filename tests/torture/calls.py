# SPDX-License-Identifier: Apache-2.0
"""System calls that fail: each kind, with the errors that the kernel may give it, at each place where the
worker makes it during a request; then for as long as the request takes."""
import errno
import os

import control as torture

# What may come of each, whatever the program does right. No EAGAIN: where the parser is told once that there
# is something to read, the kernel does not take that back.
ERRORS = {
    "accept4": ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR"),
    "read": ("EIO", "ECONNRESET", "EINTR"),
    "recv": ("ECONNRESET", "ENOMEM", "ETIMEDOUT", "EINTR"),
    "recvfrom": ("ECONNRESET", "ENOMEM"),
    "recvmsg": ("ECONNRESET", "ENOMEM"),
    "write": ("EPIPE", "EIO", "EINTR"),
    "writev": ("EPIPE", "ENOMEM"),
    "send": ("EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM"),
    "sendto": ("EPIPE", "ENOBUFS"),
    "sendmsg": ("EPIPE", "ECONNRESET", "ENOMEM"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR",),
    "eventfd": ("EMFILE", "ENOMEM"),
    "socket": ("EMFILE", "ENFILE", "ENOBUFS", "EACCES"),
    "socketpair": ("EMFILE", "ENOMEM"),
    "connect": ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT"),
    "getsockopt": ("ENOBUFS", "EINVAL"),
    "setsockopt": ("ENOBUFS", "EINVAL"),
    "getsockname": ("ENOBUFS",),
    "getpeername": ("ENOTCONN",),
    "close": ("EIO", "EINTR"),
    "shutdown": ("ENOTCONN",),
    "poll": ("EINTR", "ENOMEM"),
    "fcntl": ("EINVAL",),
    "ioctl": ("EINVAL",),
    "getrandom": ("EINTR", "ENOSYS"),
}
PLACES_MAX = 6


def counts(ordeals, path):
    """{call: how often the worker makes it for one request}"""
    control = ordeals.world.control
    request = ordeals.prepare(path)
    control.fail_calls(torture.COUNT, thread="worker")
    ordeals.world.send(request)
    control.relieve()
    ordeals.forget_script(path)
    return {name: control.shared.call_counts[i] for i, name in enumerate(torture.CALLS)}


def sweep(ordeals, paths, chance, quick):
    """Lines of a table: call, errors, failures injected."""
    table = {}
    for path in paths:
        made = counts(ordeals, path)
        for call, errors in ERRORS.items():
            if not made[call]:
                continue
            for name in chance.sample(errors, 1) if quick else errors:
                before = ordeals.tally.injected
                _each_place(ordeals, path, call, name, min(made[call], 1 if quick else PLACES_MAX))
                seen = table.setdefault(call, [set(), 0])
                seen[0].add(name)
                seen[1] += ordeals.tally.injected - before
    return [f"{call:12} {seen[1]:5} failed: {', '.join(sorted(seen[0]))}" for call, seen in sorted(table.items())]


def _each_place(ordeals, path, call, name, places):
    control = ordeals.world.control
    number = getattr(errno, name)
    for k in range(1, places + 1):
        def arm(k=k):
            control.fail_calls(torture.ONE, call, number, k, "worker")
        ordeals.run(path, f"{path}, {call} {k} gives {os.strerror(number)}", arm)
