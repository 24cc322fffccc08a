/* SPDX-License-Identifier: Apache-2.0
 * Accepts on the listening socket that all workers share, for the worker with the fewest
 * connections. Those over the limit are answered instead of left in the backlog; without
 * descriptors accepting pauses instead of spinning. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "net/http_server_int.h"

enum {
    /* Some 2 ms of work, so that requests under way get their turn; fewer would leave those who
     * come in a burst waiting, for a turn of a busy worker is long. */
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 200,
    SHED_PER_PAUSE = 32,
};

static bool listen_again(struct http_server *s);

static void on_pause_over(struct timer *t)
{
    struct http_server *s = t->arg;
    if (!listen_again(s))
        timer_start(s->loop, &s->accept_pause, loop_now_ms(s->loop) + ACCEPT_PAUSE_MS,
                    on_pause_over, s);
}

static void pause_accepting(struct http_server *s)
{
    watch_stop(s->loop, &s->listen_watch);
    timer_start(s->loop, &s->accept_pause, loop_now_ms(s->loop) + ACCEPT_PAUSE_MS, on_pause_over,
                s);
}

static void refuse(struct http_server *s, int fd, enum shed_reason reason)
{
    const struct failure f = failure_of(ERR_OVERLOADED);
    count_shed(reason);
    answer_send_raw(fd, &f, NULL);
    linger_start(s->lingering, fd);
}

/* Gives the reserved descriptor up to tell some of those who wait that we are overloaded. */
static void shed_with_reserve(struct http_server *s)
{
    const struct failure f = failure_of(ERR_OVERLOADED);
    if (s->reserve_fd < 0)
        return;
    (void)close(s->reserve_fd);
    for (int i = 0; i < SHED_PER_PAUSE; i++) {
        const int fd = accept4(s->options.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        count_shed(SHED_DESCRIPTORS);
        answer_send_raw(fd, &f, NULL);
        (void)shutdown(fd, SHUT_RDWR);
        (void)close(fd);
    }
    s->reserve_fd = eventfd(0, EFD_CLOEXEC);
}

/* One counter for all workers: the limit is the process's. */
static bool take_connection_slot(struct http_server *s)
{
    if (atomic_fetch_add_explicit(s->options.connections, 1, memory_order_relaxed) <
        s->options.connections_max)
        return true;
    (void)atomic_fetch_sub_explicit(s->options.connections, 1, memory_order_relaxed);
    return false;
}

void server_release_connection_slot(struct http_server *s)
{
    (void)atomic_fetch_sub_explicit(s->options.connections, 1, memory_order_relaxed);
    if (s->member)
        conn_share_ended(s->member);
}

static void take_connection(void *arg, int fd, const struct sockaddr_storage *sa, socklen_t sa_len)
{
    server_add_connection(arg, fd, sa, sa_len);
}

/* False: none is waiting, or none can be taken now. */
static bool accept_one(struct http_server *s)
{
    struct sockaddr_storage sa = {0};
    socklen_t sa_len = sizeof(sa);
    const int fd = accept4(s->options.listen_fd, (struct sockaddr *)&sa, &sa_len,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (!take_connection_slot(s))
            refuse(s, fd, SHED_CONNECTIONS);
        else if (s->member)
            conn_share_place(s->member, fd, &sa, sa_len);
        else
            server_add_connection(s, fd, &sa, sa_len);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED: /* the client gave up in the backlog; so do the network errors (accept(2)) */
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    default: /* out of descriptors or memory */
        shed_with_reserve(s);
        pause_accepting(s);
        return false;
    }
}

static void on_listen(struct watch *w, uint32_t events)
{
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!accept_one(w->arg))
            return;
    }
}

static bool listen_again(struct http_server *s)
{
    /* Exclusive: one worker wakes for a connection, not all: the one that slept last, time and
     * again. */
    return watch_start(s->loop, &s->listen_watch, s->options.listen_fd, EPOLLIN | EPOLLEXCLUSIVE,
                       on_listen, s);
}

bool accept_start(struct http_server *s)
{
    s->reserve_fd = eventfd(0, EFD_CLOEXEC);
    if (s->reserve_fd < 0 || !listen_again(s))
        return false;
    if (s->options.share)
        s->member = conn_share_join(s->options.share, s->loop, take_connection, s);
    return true;
}

void accept_rest(struct http_server *s)
{
    while (s->listen_watch.active && accept_one(s))
        ;
}

void accept_stop(struct http_server *s)
{
    watch_stop(s->loop, &s->listen_watch);
    timer_stop(s->loop, &s->accept_pause);
    if (s->member)
        conn_share_leave(s->member);
    if (s->reserve_fd >= 0)
        (void)close(s->reserve_fd);
    s->reserve_fd = -1;
}
