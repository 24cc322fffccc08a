# SPDX-License-Identifier: Apache-2.0
"""What is read from strace's lines."""
import unittest

from benchlib import strace

PORT = 35493
CLIENT, UPSTREAM = "22<TCP:[127.0.0.1:35493->127.0.0.1:44706]>", "23<TCP:[127.0.0.1:39588->127.0.0.1:40383]>"
LINES = {
    f'recvfrom({CLIENT}, "POST /v1"..., 16384, 0, NULL, NULL) = 135': "recvfrom client",
    f"recvfrom({UPSTREAM}, 0x7f, 5, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)":
        "recvfrom upstream, nothing there",
    f"poll([{{fd={UPSTREAM}, events=POLLIN}}], 1, 0) = 0 (Timeout)": "poll upstream",
    "getpid()                                = 19384": "getpid",
    f"epoll_ctl(20<anon_inode:[eventpoll]>, EPOLL_CTL_DEL, {CLIENT}, NULL) = 0": "epoll_ctl DEL client",
    'write(3<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8': "write eventfd",
    "accept4(21<TCP:[127.0.0.1:35493]>, NULL, NULL, SOCK_CLOEXEC) = 24": "accept4 listener",
    "epoll_wait(16<anon_inode:[eventpoll]>, [], 256, 0) = 0": "epoll_wait of the loop",
    "epoll_wait(20<anon_inode:[eventpoll]>, [{events=EPOLLIN, data={u32=2, u64=13}}], 128, 0) = 1":
        "epoll_wait of libmicrohttpd",
}


class Kinds(unittest.TestCase):
    def test_a_call_goes_by_its_name_what_it_is_about_and_whether_it_found_anything(self):
        for line, kind in LINES.items():
            with self.subTest(line):
                self.assertEqual({kind: 1}, dict(strace.counted(line, PORT)))

    def test_what_is_no_call_does_not_count(self):
        lines = "--- SIGTERM {si_signo=SIGTERM} ---\n+++ exited with 0 +++\n > /lib/libc.so.6(write+0x1) [0x1]\n"
        self.assertEqual({}, dict(strace.counted(lines, PORT)))


if __name__ == "__main__":
    unittest.main()
