# SPDX-License-Identifier: Apache-2.0
"""Starts a program as a socket unit of systemd does: `activate.py NAMES FD,FD... PROGRAM ...`. The descriptors
become 3, 4, ...; NAMES is LISTEN_FDNAMES, "-" for none."""
import os
import sys

FIRST = 3


def main():
    names, numbers, program = sys.argv[1], sys.argv[2], sys.argv[3:]
    # Out of the way first: one may stand where another has to go.
    high = [os.dup2(int(fd), 100 + at) for at, fd in enumerate(numbers.split(","))]
    for at, fd in enumerate(high):
        os.dup2(fd, FIRST + at, inheritable=True)
        os.close(fd)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(len(high))
    if names != "-":
        os.environ["LISTEN_FDNAMES"] = names
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
