/* SPDX-License-Identifier: Apache-2.0
 * A bounded set of sockets that are being read to their end. */
#include "net/linger.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    LINGER_SOCKETS_MAX = 64, /* a server; part of the descriptors that service.c sets aside */
    LINGER_TIME_MS = 2000,
    LINGER_BYTES_MAX = 1024 * 1024,
    LINGER_READS_PER_EVENT = 8,
};

struct lingering {
    struct linger_set *set;
    struct lingering *next;
    struct lingering *prev;
    struct watch watch;
    struct timer timer;
    size_t bytes; /* dropped so far */
};

struct linger_set {
    struct loop *loop;
    struct lingering *first; /* owned */
    size_t count;
};

struct linger_set *linger_create(struct loop *l)
{
    struct linger_set *set = calloc(1, sizeof(*set));
    if (set)
        set->loop = l;
    return set;
}

static void finish(struct lingering *g)
{
    struct linger_set *set = g->set;
    const int fd = g->watch.fd;
    timer_stop(set->loop, &g->timer);
    watch_stop(set->loop, &g->watch);
    if (g->prev)
        g->prev->next = g->next;
    else
        set->first = g->next;
    if (g->next)
        g->next->prev = g->prev;
    set->count--;
    (void)close(fd);
    free(g);
}

static void on_time(struct timer *t)
{
    finish(t->arg);
}

static void on_readable(struct watch *w, uint32_t events)
{
    struct lingering *g = w->arg;
    char dropped[16 * 1024];
    (void)events;
    for (int i = 0; i < LINGER_READS_PER_EVENT; i++) {
        const ssize_t n = recv(w->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            g->bytes += (size_t)n;
        if (n <= 0 || g->bytes > LINGER_BYTES_MAX) {
            finish(g);
            return;
        }
    }
}

void linger_start(struct linger_set *set, int fd)
{
    (void)shutdown(fd, SHUT_WR);
    struct lingering *g = set->count < LINGER_SOCKETS_MAX ? calloc(1, sizeof(*g)) : NULL;
    if (!g || !watch_start(set->loop, &g->watch, fd, EPOLLIN | EPOLLRDHUP, on_readable, g)) {
        free(g);
        (void)close(fd);
        return;
    }
    g->set = set;
    g->next = set->first;
    if (set->first)
        set->first->prev = g;
    set->first = g;
    set->count++;
    timer_start(set->loop, &g->timer, loop_now_ms(set->loop) + LINGER_TIME_MS, on_time, g);
}

void linger_destroy(struct linger_set *set)
{
    if (!set)
        return;
    while (set->first)
        finish(set->first);
    free(set);
}
