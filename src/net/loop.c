/* SPDX-License-Identifier: Apache-2.0
 * The epoll loop of one thread. A turn: wait, read the clock, events, posts, due timers, then
 * deferred calls and idle hooks; then the clock again, for how long all that took. Level-triggered;
 * no descriptor but its own is read or closed here.
 */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "net/loop_lag.h"

enum {
    EVENTS_PER_TURN = 64,
    IDLE_HOOKS_MAX = 8,
    PASSES_PER_TURN = 2,
    WAKE_ATTEMPTS = 3,
};

struct idle_hook {
    idle_fn *fn; /* NULL: free slot */
    void *arg;
};

struct loop {
    int epoll_fd;
    int wake_fd; /* eventfd: a post, or stop */
    _Atomic bool stopping;
    int64_t now_ms;
    uint64_t turn;
    struct loop_lag lag;

    struct epoll_event events[EVENTS_PER_TURN];
    int event_count; /* of this turn */
    int event_at;    /* the one being dispatched */

    struct timer *timers; /* root of the heap */
    bool firing;          /* inside a timer's callback */

    struct deferred deferred; /* sentinel of a circular list */

    struct idle_hook idle[IDLE_HOOKS_MAX];

    pthread_mutex_t posts_lock;
    struct post *posts_first; /* guarded by posts_lock */
    struct post *posts_last;
};

/* ---- life */

static void list_init(struct deferred *sentinel)
{
    sentinel->next = sentinel;
    sentinel->prev = sentinel;
}

struct loop *loop_create(void)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    list_init(&l->deferred);
    (void)pthread_mutex_init(&l->posts_lock, NULL);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
    if (l->epoll_fd < 0 || l->wake_fd < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &wake) != 0) {
        loop_destroy(l);
        return NULL;
    }
    (void)loop_update_now(l);
    return l;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    if (l->wake_fd >= 0)
        (void)close(l->wake_fd);
    (void)pthread_mutex_destroy(&l->posts_lock);
    free(l);
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

uint64_t loop_turn(const struct loop *l)
{
    return l->turn;
}

int64_t loop_update_now(struct loop *l)
{
    l->now_ms = clock_mono_ms();
    return l->now_ms;
}

void loop_measure(struct loop *l, enum loop_label label)
{
    loop_lag_init(&l->lag, label);
}

static void wake(struct loop *l)
{
    const uint64_t one = 1;
    /* EAGAIN means that the counter is full: the loop is awake anyway. The kernel gives no other
     * error; were one to come, and the wake-up lost, the loop might sleep for ever. */
    for (int i = 0; i < WAKE_ATTEMPTS && write(l->wake_fd, &one, sizeof(one)) < 0; i++) {
        if (errno == EAGAIN)
            return;
    }
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    wake(l);
}

/* ---- descriptors */

bool watch_start(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn, void *arg)
{
    assert(!w->active);
    *w = (struct watch){.fd = fd, .events = events, .on_event = fn, .arg = arg};
    struct epoll_event ev = {.events = events, .data.ptr = w};
    w->active = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
    return w->active;
}

bool watch_change(struct loop *l, struct watch *w, uint32_t events)
{
    assert(w->active);
    if (w->events == events)
        return true;
    struct epoll_event ev = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) != 0)
        return false;
    w->events = events;
    return true;
}

void watch_stop(struct loop *l, struct watch *w)
{
    if (!w->active)
        return;
    w->active = false;
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    /* Events of this turn that were fetched already must not reach freed memory. */
    for (int i = l->event_at + 1; i < l->event_count; i++) {
        if (l->events[i].data.ptr == w)
            l->events[i].events = 0;
    }
}

/* ---- timers: a pairing heap, earliest at the root */

static struct timer *heap_meld(struct timer *a, struct timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->at_ms < a->at_ms) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Makes one heap of a row of siblings: melds pairs from the left, then all from the right. */
static struct timer *heap_meld_row(struct timer *first)
{
    struct timer *pairs = NULL; /* linked by next, newest first */
    while (first) {
        struct timer *a = first;
        struct timer *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        struct timer *pair = heap_meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct timer *root = NULL;
    while (pairs) {
        struct timer *rest = pairs->next;
        pairs->next = NULL;
        root = heap_meld(root, pairs);
        pairs = rest;
    }
    return root;
}

static void heap_remove(struct loop *l, struct timer *t)
{
    struct timer *below = heap_meld_row(t->child);
    if (t == l->timers) {
        l->timers = below;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        l->timers = heap_meld(l->timers, below);
    }
    t->child = t->next = t->prev = NULL;
}

void timer_start(struct loop *l, struct timer *t, int64_t at_ms, timer_fn *fn, void *arg)
{
    timer_stop(l, t);
    /* A callback that restarts its timer for "now" must not keep the loop in this turn for ever. */
    if (l->firing && at_ms <= l->now_ms)
        at_ms = l->now_ms + 1;
    *t = (struct timer){.at_ms = at_ms, .on_time = fn, .arg = arg, .active = true};
    l->timers = heap_meld(l->timers, t);
}

void timer_stop(struct loop *l, struct timer *t)
{
    if (!t->active)
        return;
    t->active = false;
    heap_remove(l, t);
}

static void run_timers(struct loop *l)
{
    l->firing = true;
    while (l->timers && l->timers->at_ms <= l->now_ms) {
        struct timer *t = l->timers;
        timer_stop(l, t);
        t->on_time(t);
    }
    l->firing = false;
}

/* ---- deferred calls */

void loop_defer(struct loop *l, struct deferred *d, deferred_fn *fn, void *arg)
{
    if (d->queued)
        return;
    *d = (struct deferred){
        .fn = fn, .arg = arg, .next = &l->deferred, .prev = l->deferred.prev, .queued = true};
    d->prev->next = d;
    l->deferred.prev = d;
}

void deferred_cancel(struct loop *l, struct deferred *d)
{
    (void)l;
    if (!d->queued)
        return;
    d->queued = false;
    d->prev->next = d->next;
    d->next->prev = d->prev;
    d->next = d->prev = NULL;
}

/* Runs those that are queued now; what they defer in turn runs in the next pass. */
static void run_deferred(struct loop *l)
{
    if (l->deferred.next == &l->deferred)
        return;
    struct deferred batch = {.next = l->deferred.next, .prev = l->deferred.prev};
    batch.next->prev = &batch;
    batch.prev->next = &batch;
    list_init(&l->deferred);
    while (batch.next != &batch) {
        struct deferred *d = batch.next;
        deferred_cancel(l, d);
        d->fn(d);
    }
}

/* ---- posts */

void loop_post(struct loop *l, struct post *p, post_fn *fn)
{
    p->fn = fn;
    p->next = NULL;
    (void)pthread_mutex_lock(&l->posts_lock);
    const bool was_empty = !l->posts_first;
    if (was_empty)
        l->posts_first = p;
    else
        l->posts_last->next = p;
    l->posts_last = p;
    /* Whoever made the queue non-empty wakes the loop, which takes the whole queue. Inside the
     * lock: afterwards the loop may be gone, for this post may be the last that it waits for. */
    if (was_empty)
        wake(l);
    (void)pthread_mutex_unlock(&l->posts_lock);
}

static void run_posts(struct loop *l)
{
    uint64_t count;
    (void)!read(l->wake_fd, &count, sizeof(count));
    (void)pthread_mutex_lock(&l->posts_lock);
    struct post *p = l->posts_first;
    l->posts_first = l->posts_last = NULL;
    (void)pthread_mutex_unlock(&l->posts_lock);
    while (p) {
        struct post *next = p->next; /* fn owns p and may free it */
        p->fn(p);
        p = next;
    }
}

/* ---- idle hooks and the turn */

bool loop_on_idle(struct loop *l, idle_fn *fn, void *arg)
{
    for (size_t i = 0; i < IDLE_HOOKS_MAX; i++) {
        if (l->idle[i].fn)
            continue;
        l->idle[i] = (struct idle_hook){fn, arg};
        return true;
    }
    return false;
}

void loop_remove_idle(struct loop *l, idle_fn *fn, void *arg)
{
    for (size_t i = 0; i < IDLE_HOOKS_MAX; i++) {
        if (l->idle[i].fn == fn && l->idle[i].arg == arg)
            l->idle[i] = (struct idle_hook){NULL, NULL};
    }
}

static int64_t shorter_ms(int64_t a, int64_t b)
{
    if (a < 0)
        return b;
    return b < 0 || a < b ? a : b;
}

/* How long to sleep; hooks run first, for they may start timers and defer calls. */
static int run_idle(struct loop *l)
{
    int64_t wait_ms = -1;
    for (size_t i = 0; i < IDLE_HOOKS_MAX; i++) {
        if (l->idle[i].fn)
            wait_ms = shorter_ms(wait_ms, l->idle[i].fn(l->idle[i].arg));
    }
    if (l->deferred.next != &l->deferred)
        return 0;
    if (l->timers) {
        const int64_t due_ms = l->timers->at_ms - l->now_ms;
        wait_ms = shorter_ms(wait_ms, due_ms > 0 ? due_ms : 0);
    }
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

static void run_events(struct loop *l)
{
    bool woken = false;
    for (l->event_at = 0; l->event_at < l->event_count; l->event_at++) {
        const struct epoll_event *ev = &l->events[l->event_at];
        struct watch *w = ev->data.ptr;
        if (!w)
            woken = true;
        else if (ev->events)
            w->on_event(w, ev->events);
    }
    l->event_count = 0;
    if (woken)
        run_posts(l);
}

/* The hooks read what has arrived, which defers calls (a request that is now complete wants to be
 * sent): those run at once, without asking the kernel in between. Only so often, for two calls that
 * defer each other must not starve the descriptors. */
static int finish_turn(struct loop *l)
{
    int wait_ms = 0;
    for (int pass = 0; pass < PASSES_PER_TURN; pass++) {
        run_deferred(l);
        wait_ms = run_idle(l);
        if (l->deferred.next == &l->deferred)
            break;
    }
    return wait_ms;
}

static void begin_turn(struct loop *l)
{
    const int64_t now_us = clock_mono_us();
    l->now_ms = now_us / 1000;
    l->turn++;
    loop_lag_turn_begins(&l->lag, now_us);
}

void loop_run(struct loop *l)
{
    begin_turn(l);
    while (!atomic_load(&l->stopping)) {
        const int wait_ms = finish_turn(l);
        loop_lag_turn_ends(&l->lag, clock_mono_us());
        l->event_count = epoll_wait(l->epoll_fd, l->events, EVENTS_PER_TURN, wait_ms);
        if (l->event_count < 0) {
            assert(errno == EINTR); /* anything else is a bug of ours, and would spin */
            l->event_count = 0;
        }
        begin_turn(l);
        run_events(l);
        run_timers(l);
    }
    atomic_store(&l->stopping, false);
}
