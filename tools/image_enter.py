# SPDX-License-Identifier: Apache-2.0
"""usage: image_enter.py ROOT PROGRAM [ARGUMENT...]
Becomes the program as the process of a container is: ROOT is its root, its user 65532, its capabilities
none and none to be had. What `setpriv` and `chroot` do one after the other has to be one step here: whoever
has given up all capabilities cannot change the root, and beyond the root there is no setpriv."""
import ctypes
import os
import sys

UID = 65532
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4


def prctl(*arguments):
    return ctypes.CDLL(None, use_errno=True).prctl(*(ctypes.c_ulong(number) for number in arguments))


def environment():
    """As it was handed over: the interpreter may have added to its own."""
    with open("/proc/self/environ", "rb") as file:
        entries = file.read().split(b"\0")
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def main():
    root, program = sys.argv[1], sys.argv[2:]
    env = environment()
    os.chroot(root)
    os.chdir("/")
    capability = 0
    while prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    if capability == 0 or prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise SystemExit("capabilities cannot be given up")
    os.execve(program[0], program, env)


main()
