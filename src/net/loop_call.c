/* SPDX-License-Identifier: Apache-2.0
 * A post whose sender waits; see loop_call.h. */
#include "net/loop_call.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>

struct errand {
    struct post post;
    sem_t done;
    loop_call_fn *fn;
    void *arg;
    enum err outcome;
    struct err_text *reterr;
};

static void on_errand(struct post *p)
{
    struct errand *e = (void *)((char *)p - offsetof(struct errand, post));

    e->outcome = e->fn(e->arg, e->reterr);
    (void)sem_post(&e->done);
}

enum err loop_call(struct loop *l, loop_call_fn *fn, void *arg, struct err_text *reterr)
{
    struct errand e = {.fn = fn, .arg = arg, .reterr = reterr};

    (void)sem_init(&e.done, 0, 0);
    loop_post(l, &e.post, on_errand);
    while (sem_wait(&e.done) != 0 && errno == EINTR)
        ;
    (void)sem_destroy(&e.done);
    return e.outcome;
}
