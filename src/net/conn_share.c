/* SPDX-License-Identifier: Apache-2.0
 * Each member has a mailbox for the sockets that others accepted for it; see conn_share.h. */
#include "net/conn_share.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

enum {
    /* Sockets on their way to one member; when there are more, who accepts keeps them. */
    ARRIVING_MAX = 64,
    /* One more connection in so many is not worth a wake-up of another worker. */
    SLACK_DIVISOR = 8,
    CACHE_LINE_BYTES = 64,
};

struct arrival {
    int fd;
    socklen_t sa_len;
    struct sockaddr_storage sa;
};

struct conn_member {
    _Alignas(CACHE_LINE_BYTES) _Atomic unsigned connections; /* those on their way included */
    struct conn_share *share;
    struct loop *loop;
    conn_take_fn *take;
    void *arg;

    pthread_mutex_t lock; /* guards what follows */
    bool open;
    bool posted;
    struct post post;
    unsigned arriving_count;
    struct arrival arriving[ARRIVING_MAX];
};

struct conn_share {
    unsigned members_max;
    _Atomic unsigned member_count;
    struct conn_member members[];
};

struct conn_share *conn_share_create(unsigned members_max)
{
    const size_t bytes =
        sizeof(struct conn_share) + members_max * (size_t)sizeof(struct conn_member);
    struct conn_share *s = aligned_alloc(CACHE_LINE_BYTES, bytes);

    if (!s)
        return NULL;
    memset(s, 0, bytes);
    s->members_max = members_max;
    for (unsigned i = 0; i < members_max; i++)
        (void)pthread_mutex_init(&s->members[i].lock, NULL);
    return s;
}

void conn_share_destroy(struct conn_share *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->members_max; i++)
        (void)pthread_mutex_destroy(&s->members[i].lock);
    free(s);
}

/* Takes all that arrived; a member that leaves is closed for more in the same moment. */
static void take_arrivals(struct conn_member *m, bool leave)
{
    struct arrival arrived[ARRIVING_MAX];

    (void)pthread_mutex_lock(&m->lock);
    const unsigned count = m->arriving_count;
    memcpy(arrived, m->arriving, count * sizeof(arrived[0]));
    m->arriving_count = 0;
    if (leave)
        m->open = false;
    else
        m->posted = false;
    (void)pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < count; i++)
        m->take(m->arg, arrived[i].fd, &arrived[i].sa, arrived[i].sa_len);
}

static void on_arrivals(struct post *p)
{
    take_arrivals((struct conn_member *)((char *)p - offsetof(struct conn_member, post)), false);
}

struct conn_member *conn_share_join(struct conn_share *s, struct loop *l, conn_take_fn *take,
                                    void *arg)
{
    const unsigned number = atomic_load(&s->member_count);
    assert(number < s->members_max);
    struct conn_member *m = &s->members[number];

    m->share = s;
    m->loop = l;
    m->take = take;
    m->arg = arg;
    m->open = true;
    atomic_store(&s->member_count, number + 1);
    return m;
}

unsigned conn_member_number(const struct conn_member *m)
{
    return (unsigned)(m - m->share->members);
}

void conn_share_leave(struct conn_member *m)
{
    take_arrivals(m, true);
}

static unsigned connections_of(struct conn_member *m)
{
    return atomic_load_explicit(&m->connections, memory_order_relaxed);
}

/* m itself unless another has clearly fewer. */
static struct conn_member *choose(struct conn_member *m)
{
    struct conn_share *s = m->share;
    const unsigned count = atomic_load(&s->member_count);
    struct conn_member *fewest = m;

    for (unsigned i = 0; i < count; i++) {
        if (connections_of(&s->members[i]) < connections_of(fewest))
            fewest = &s->members[i];
    }
    const unsigned least = connections_of(fewest);
    return connections_of(m) > least + least / SLACK_DIVISOR ? fewest : m;
}

static bool hand_over(struct conn_member *to, const struct arrival *a)
{
    (void)pthread_mutex_lock(&to->lock);
    const bool room = to->open && to->arriving_count < ARRIVING_MAX;
    if (room) {
        to->arriving[to->arriving_count++] = *a;
        (void)atomic_fetch_add_explicit(&to->connections, 1, memory_order_relaxed);
        if (!to->posted)
            loop_post(to->loop, &to->post, on_arrivals);
        to->posted = true;
    }
    (void)pthread_mutex_unlock(&to->lock);
    return room;
}

void conn_share_place(struct conn_member *m, int fd, const struct sockaddr_storage *sa,
                      socklen_t sa_len)
{
    const struct arrival a = {.fd = fd, .sa = *sa, .sa_len = sa_len};
    struct conn_member *to = choose(m);

    if (to != m && hand_over(to, &a))
        return;
    (void)atomic_fetch_add_explicit(&m->connections, 1, memory_order_relaxed);
    m->take(m->arg, fd, sa, sa_len);
}

void conn_share_ended(struct conn_member *m)
{
    (void)atomic_fetch_sub_explicit(&m->connections, 1, memory_order_relaxed);
}
