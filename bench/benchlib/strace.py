# SPDX-License-Identifier: Apache-2.0
"""strace: a process's system calls by what they were about."""
import collections
import contextlib
import re
import signal

from . import processes

CALL = re.compile(r"(\w+)\((.*)\)\s+= (?:-?\d+|\?)(.*)")
DESCRIPTOR = re.compile(r"\d+<([A-Za-z0-9]+:\[[^\]]*\]|anon_inode:[^>]*|[^>]*)>")
# How many events libmicrohttpd asks its epoll for; the loops here ask for other numbers.
MHD_EVENTS = "128"


@contextlib.contextmanager
def traced(pid, directory):
    """Within, the calls of all threads of the process go to directory, one file a thread."""
    argv = ["strace", "-f", "-ff", "-yy", "-e", "signal=none", "-o", directory / "calls", "-p", pid]
    with processes.Child("strace", argv, None, directory) as strace:
        strace.wait_until(lambda: " attached" in strace.stderr_path.read_text(), "attachment")
        yield
        strace.process.send_signal(signal.SIGINT)
        strace.process.wait(20)


def counted(text, port):
    calls = collections.Counter()
    for line in text.splitlines():
        match = CALL.match(line)
        if match:
            calls[kind_of(*match.groups(), port)] += 1
    return calls


def kind_of(name, arguments, error, port):
    """E.g. "recvfrom upstream, nothing there"."""
    if name == "epoll_wait":
        # libmicrohttpd has an epoll of its own, which lies in the loop's.
        return f"epoll_wait of {'libmicrohttpd' if arguments.split(', ')[-2] == MHD_EVENTS else 'the loop'}"
    kind = name
    if name == "epoll_ctl":
        kind += " " + re.search(r"EPOLL_CTL_(\w+)", arguments)[1]
        arguments = arguments.split(",", 2)[2]
    about = DESCRIPTOR.search(arguments)
    return kind + (" " + object_of(about[1], port) if about else "") + (", nothing there" if "EAGAIN" in error else "")


def object_of(name, port):
    addresses = re.match(r"TCP\w*:\[(?P<local>.*?)(?:->(?P<peer>.*))?\]$", name)
    if addresses and not addresses["peer"]:
        return "listener"
    if addresses:
        return "client" if addresses["local"].endswith(f":{port}") else "upstream"
    return name.replace("anon_inode:", "").strip("[]").partition(":")[0]
