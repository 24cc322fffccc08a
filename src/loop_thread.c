/* SPDX-License-Identifier: Apache-2.0
 * Threads with loops; see loop_thread.h. */
#include "loop_thread.h"

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

static void *thread_main(void *arg)
{
    struct loop_thread *t = arg;
    struct err_text problem = {0};

    (void)pthread_setname_np(pthread_self(), t->name);
    const enum err e = build(t, &problem);

    announce(t, e, &problem);
    loop_measure(t->loop, t->label);
    if (e == ERR_OK)
        loop_run(t->loop);
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
