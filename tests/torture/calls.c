/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into a program under test: system calls, counted, and made to fail on demand with the
 * errno that the driver chose. Those that the C library makes inside itself do not pass here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "torture.h"

#define EXPORT __attribute__((visibility("default")))

/* The order is that of CALLS in tests/torture/control.py. */
enum call {
    CALL_ACCEPT4,
    CALL_READ,
    CALL_READV,
    CALL_RECV,
    CALL_RECVFROM,
    CALL_RECVMSG,
    CALL_WRITE,
    CALL_WRITEV,
    CALL_SEND,
    CALL_SENDTO,
    CALL_SENDMSG,
    CALL_EPOLL_CREATE1,
    CALL_EPOLL_CTL,
    CALL_EPOLL_WAIT,
    CALL_EVENTFD,
    CALL_SOCKET,
    CALL_SOCKETPAIR,
    CALL_CONNECT,
    CALL_BIND,
    CALL_GETSOCKOPT,
    CALL_SETSOCKOPT,
    CALL_GETSOCKNAME,
    CALL_GETPEERNAME,
    CALL_CLOSE,
    CALL_SHUTDOWN,
    CALL_POLL,
    CALL_FCNTL,
    CALL_IOCTL,
    CALL_OPEN,
    CALL_GETRANDOM,
};

static bool must_fail(enum call call)
{
    struct torture_control *c = torture_control();
    int error = 0;
    if (!c || atomic_load_explicit(&c->calls.mode, memory_order_acquire) == TORTURE_OFF)
        return false;
    atomic_fetch_add_explicit(&c->call_counts[call], 1, memory_order_relaxed);
    if (atomic_load(&c->calls.what) != (uint64_t)call || !torture_strikes(&c->calls, &error))
        return false;
    errno = error;
    return true;
}

/* Defines the wrapper of a call that gives -1 and errno. */
#define WRAP(type, name, call, parameters, arguments)                                              \
    EXPORT type name parameters;                                                                   \
    EXPORT type name parameters                                                                    \
    {                                                                                              \
        static type(*_Atomic real) parameters;                                                     \
        if (!real)                                                                                 \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return must_fail(call) ? (type)-1 : real arguments;                                        \
    }

WRAP(int, accept4, CALL_ACCEPT4, (int fd, struct sockaddr *a, socklen_t *len, int flags),
     (fd, a, len, flags))
WRAP(ssize_t, read, CALL_READ, (int fd, void *to, size_t n), (fd, to, n))
WRAP(ssize_t, __read_chk, CALL_READ, (int fd, void *to, size_t n, size_t room), (fd, to, n, room))
WRAP(ssize_t, readv, CALL_READV, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(ssize_t, recv, CALL_RECV, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
WRAP(ssize_t, __recv_chk, CALL_RECV, (int fd, void *to, size_t n, size_t room, int flags),
     (fd, to, n, room, flags))
WRAP(ssize_t, recvfrom, CALL_RECVFROM,
     (int fd, void *to, size_t n, int flags, struct sockaddr *a, socklen_t *len),
     (fd, to, n, flags, a, len))
WRAP(ssize_t, recvmsg, CALL_RECVMSG, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(ssize_t, write, CALL_WRITE, (int fd, const void *from, size_t n), (fd, from, n))
WRAP(ssize_t, writev, CALL_WRITEV, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(ssize_t, send, CALL_SEND, (int fd, const void *from, size_t n, int flags),
     (fd, from, n, flags))
WRAP(ssize_t, sendto, CALL_SENDTO,
     (int fd, const void *from, size_t n, int flags, const struct sockaddr *a, socklen_t len),
     (fd, from, n, flags, a, len))
WRAP(ssize_t, sendmsg, CALL_SENDMSG, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP(int, epoll_create1, CALL_EPOLL_CREATE1, (int flags), (flags))
WRAP(int, epoll_wait, CALL_EPOLL_WAIT, (int e, struct epoll_event *events, int n, int wait_ms),
     (e, events, n, wait_ms))
WRAP(int, eventfd, CALL_EVENTFD, (unsigned count, int flags), (count, flags))
WRAP(int, socket, CALL_SOCKET, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, socketpair, CALL_SOCKETPAIR, (int family, int type, int protocol, int fds[2]),
     (family, type, protocol, fds))
WRAP(int, connect, CALL_CONNECT, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len))
WRAP(int, bind, CALL_BIND, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len))
WRAP(int, getsockopt, CALL_GETSOCKOPT, (int fd, int level, int option, void *v, socklen_t *len),
     (fd, level, option, v, len))
WRAP(int, setsockopt, CALL_SETSOCKOPT,
     (int fd, int level, int option, const void *v, socklen_t len), (fd, level, option, v, len))
WRAP(int, getsockname, CALL_GETSOCKNAME, (int fd, struct sockaddr *a, socklen_t *len), (fd, a, len))
WRAP(int, getpeername, CALL_GETPEERNAME, (int fd, struct sockaddr *a, socklen_t *len), (fd, a, len))
WRAP(int, shutdown, CALL_SHUTDOWN, (int fd, int how), (fd, how))
WRAP(int, poll, CALL_POLL, (struct pollfd * p, nfds_t n, int wait_ms), (p, n, wait_ms))
WRAP(int, __poll_chk, CALL_POLL, (struct pollfd * p, nfds_t n, int wait_ms, size_t room),
     (p, n, wait_ms, room))
WRAP(ssize_t, getrandom, CALL_GETRANDOM, (void *to, size_t n, unsigned flags), (to, n, flags))

/* Only an addition needs memory: the kernel does not fail the removal of what is there. */
EXPORT int epoll_ctl(int e, int what, int fd, struct epoll_event *event)
{
    static int (*_Atomic real)(int, int, int, struct epoll_event *);
    if (!real)
        real = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    return what == EPOLL_CTL_ADD && must_fail(CALL_EPOLL_CTL) ? -1 : real(e, what, fd, event);
}

/* Linux has closed the descriptor whatever close() says. */
EXPORT int close(int fd)
{
    static int (*_Atomic real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "close");
    const bool fails = must_fail(CALL_CLOSE);
    const int error = errno;
    const int result = real(fd);
    if (!fails)
        return result;
    errno = error;
    return -1;
}

/* Defines the wrapper of a call whose last argument is a word or absent. */
#define WRAP_OPEN_ENDED(name, call, parameters, last, ...)                                         \
    EXPORT int name parameters;                                                                    \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        static int(*_Atomic real) parameters;                                                      \
        va_list more;                                                                              \
        va_start(more, last);                                                                      \
        void *word = va_arg(more, void *);                                                         \
        va_end(more);                                                                              \
        if (!real)                                                                                 \
            real = (int(*) parameters)dlsym(RTLD_NEXT, #name);                                     \
        return must_fail(call) ? -1 : real(__VA_ARGS__, word);                                     \
    }

WRAP_OPEN_ENDED(fcntl, CALL_FCNTL, (int fd, int what, ...), what, fd, what)
WRAP_OPEN_ENDED(fcntl64, CALL_FCNTL, (int fd, int what, ...), what, fd, what)
WRAP_OPEN_ENDED(ioctl, CALL_IOCTL, (int fd, unsigned long what, ...), what, fd, what)
WRAP_OPEN_ENDED(open, CALL_OPEN, (const char *path, int flags, ...), flags, path, flags)
WRAP_OPEN_ENDED(open64, CALL_OPEN, (const char *path, int flags, ...), flags, path, flags)
WRAP_OPEN_ENDED(openat, CALL_OPEN, (int at, const char *path, int flags, ...), flags, at, path,
                flags)
WRAP_OPEN_ENDED(openat64, CALL_OPEN, (int at, const char *path, int flags, ...), flags, at, path,
                flags)
