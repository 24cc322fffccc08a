/* SPDX-License-Identifier: Apache-2.0
 * A thread with a loop of its own. What runs in the loop is built and taken down on that thread, so
 * that none of it needs a lock; whoever starts it waits until the building has succeeded or failed.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "net/loop.h"

struct loop_thread {
    struct loop *loop; /* owned until loop_thread_finish(): other threads may post to it */
    enum err (*build)(void *arg, struct err_text *reterr);
    void (*tear_down)(void *arg); /* also runs after a build that failed half-way */
    void *arg;
    enum loop_label label;  /* of the loop's metrics */
    const char *name;       /* at most 15 bytes: what top and a debugger show */
    int64_t pulse_every_ms; /* how often the loop shows that it turns; 0: never */
    struct timer pulse;
    _Atomic int64_t turned_ms; /* when it last did, monotonic */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards the next three */
    pthread_cond_t changed;
    bool built;
    enum err outcome;
    struct err_text problem;
};

/* The caller sets build, tear_down, arg, label, name and pulse_every_ms. On failure nothing is left
 * to finish. */
NODISCARD enum err loop_thread_start(struct loop_thread *t, struct err_text *reterr);
/* Has the loop turned within the last so many ms? Any thread; only with pulse_every_ms. */
bool loop_thread_turns(const struct loop_thread *t, int64_t now_ms, int64_t within_ms);
/* Ends the loop, takes down, joins. Idempotent. */
void loop_thread_stop(struct loop_thread *t);
/* After loop_thread_stop(), when no thread posts any more: frees the loop. */
void loop_thread_finish(struct loop_thread *t);
