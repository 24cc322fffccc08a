/* SPDX-License-Identifier: Apache-2.0
 * One epoll loop a thread: descriptors, software timers, deferred calls, and work posted by other
 * threads. Everything but loop_post() and loop_stop() is called on the loop's own thread only. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/error.h"

struct loop;

/* Who runs a loop. X(enum, label of the metrics) */
#define LOOP_LABELS(X)                                                                             \
    X(LOOP_WORKER, "worker")                                                                       \
    X(LOOP_KEEPER, "keeper")                                                                       \
    X(LOOP_MANAGEMENT, "management")

enum loop_label {
#define X(id, label) id,
    LOOP_LABELS(X)
#undef X
};

/* NULL: out of memory or descriptors. */
NODISCARD struct loop *loop_create(void);
void loop_destroy(struct loop *l); /* accepts NULL; posted work that did not run is dropped */
/* The turns count under that label, once the loop's thread has joined the metrics; without this
 * they are not measured. Before loop_run(). */
void loop_measure(struct loop *l, enum loop_label label);
/* Once, before metrics_start(). */
void loop_register_metrics(void);
/* Runs until loop_stop(). Deferred calls run after each turn's events. */
void loop_run(struct loop *l);
/* Any thread, async-signal-safe. */
void loop_stop(struct loop *l);
/* Monotonic time of this turn: one clock reading a turn. */
int64_t loop_now_ms(const struct loop *l);
/* The turns that have begun. */
uint64_t loop_turn(const struct loop *l);
/* Reads the clock again (after long work). */
int64_t loop_update_now(struct loop *l);

/* ---- descriptors: the watch is embedded in its owner */
struct watch;
typedef void watch_fn(struct watch *w, uint32_t events);
struct watch {
    int fd;
    uint32_t events; /* EPOLL* */
    watch_fn *on_event;
    void *arg;
    bool active;
};
NODISCARD bool watch_start(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn,
                           void *arg);
NODISCARD bool watch_change(struct loop *l, struct watch *w, uint32_t events);
/* Idempotent. A watch stopped inside a callback gets no further event, also not one of the same
 * turn, and may be freed at once. */
void watch_stop(struct loop *l, struct watch *w);

/* ---- timers: embedded in their owner; one shot. They form an intrusive heap, so starting one
 * needs no memory and cannot fail. */
struct timer;
typedef void timer_fn(struct timer *t);
struct timer {
    int64_t at_ms;
    timer_fn *on_time;
    void *arg;
    bool active;
    struct timer *child; /* first child in the heap */
    struct timer *next;  /* right sibling */
    struct timer *prev;  /* left sibling, or the parent of a first child */
};
/* Restarting moves it. A time in the past fires in this turn, or in the next when started by a
 * timer's callback. */
void timer_start(struct loop *l, struct timer *t, int64_t at_ms, timer_fn *fn, void *arg);
void timer_stop(struct loop *l, struct timer *t); /* idempotent */

/* ---- deferred calls: run once, later in this turn, never from inside the caller */
struct deferred;
typedef void deferred_fn(struct deferred *d);
struct deferred {
    deferred_fn *fn;
    void *arg;
    struct deferred *next;
    struct deferred *prev;
    bool queued;
};
void loop_defer(struct loop *l, struct deferred *d, deferred_fn *fn,
                void *arg);                               /* no effect when queued */
void deferred_cancel(struct loop *l, struct deferred *d); /* idempotent */

/* ---- posts from any thread: embedded in heap memory whose ownership passes to fn */
struct post;
typedef void post_fn(struct post *p);
struct post {
    post_fn *fn;
    struct post *next;
};
void loop_post(struct loop *l, struct post *p, post_fn *fn);

/* Called at the end of each turn, before the loop sleeps (libraries that have own queues run here).
 * Returns the longest time the loop may sleep in ms, -1 for no limit. At most 8 a loop. The same
 * fn may be given several times with different args. */
typedef int64_t idle_fn(void *arg);
NODISCARD bool loop_on_idle(struct loop *l, idle_fn *fn, void *arg);
void loop_remove_idle(struct loop *l, idle_fn *fn, void *arg);
