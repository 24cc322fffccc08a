/* SPDX-License-Identifier: Apache-2.0
 * Threads with loops; see loop_thread.h. */
#include "loop_thread.h"

#include "base/clock.h"
#include "observe/metrics.h"

static void announce(struct loop_thread *t, enum err outcome, const struct err_text *problem)
{
    (void)pthread_mutex_lock(&t->lock);
    t->built = true;
    t->outcome = outcome;
    t->problem = *problem;
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
}

static enum err build(struct loop_thread *t, struct err_text *reterr)
{
    if (!metrics_thread_join())
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    return t->build(t->arg, reterr);
}

static void on_pulse(struct timer *timer)
{
    struct loop_thread *t = timer->arg;
    const int64_t now_ms = loop_now_ms(t->loop);

    atomic_store(&t->turned_ms, now_ms);
    timer_start(t->loop, timer, now_ms + t->pulse_every_ms, on_pulse, t);
}

static void *thread_main(void *arg)
{
    struct loop_thread *t = arg;
    struct err_text problem = {0};

    (void)pthread_setname_np(pthread_self(), t->name);
    const enum err e = build(t, &problem);

    announce(t, e, &problem);
    loop_measure(t->loop, t->label);
    if (e == ERR_OK && t->pulse_every_ms > 0)
        timer_start(t->loop, &t->pulse, 0, on_pulse, t);
    if (e == ERR_OK)
        loop_run(t->loop);
    timer_stop(t->loop, &t->pulse);
    t->tear_down(t->arg);
    return NULL;
}

static enum err wait_until_built(struct loop_thread *t, struct err_text *reterr)
{
    (void)pthread_mutex_lock(&t->lock);
    while (!t->built)
        (void)pthread_cond_wait(&t->changed, &t->lock);
    const enum err e = t->outcome;
    if (e != ERR_OK)
        *reterr = t->problem;
    (void)pthread_mutex_unlock(&t->lock);
    return e;
}

enum err loop_thread_start(struct loop_thread *t, struct err_text *reterr)
{
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->changed, NULL);
    t->built = false;
    atomic_store(&t->turned_ms, clock_mono_ms());
    t->loop = loop_create();
    if (!t->loop || pthread_create(&t->thread, NULL, thread_main, t) != 0) {
        loop_thread_finish(t);
        return err_set(reterr, ERR_NO_MEMORY, "no memory, threads or descriptors");
    }

    const enum err e = wait_until_built(t, reterr);
    if (e != ERR_OK) {
        (void)pthread_join(t->thread, NULL);
        loop_thread_finish(t);
        return e;
    }
    t->running = true;
    return ERR_OK;
}

bool loop_thread_turns(const struct loop_thread *t, int64_t now_ms, int64_t within_ms)
{
    return now_ms - atomic_load(&t->turned_ms) <= within_ms;
}

void loop_thread_stop(struct loop_thread *t)
{
    if (!t->running)
        return;
    loop_stop(t->loop);
    (void)pthread_join(t->thread, NULL);
    t->running = false;
}

void loop_thread_finish(struct loop_thread *t)
{
    loop_destroy(t->loop);
    t->loop = NULL;
    (void)pthread_cond_destroy(&t->changed);
    (void)pthread_mutex_destroy(&t->lock);
}
