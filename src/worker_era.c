/* SPDX-License-Identifier: Apache-2.0
 * Eras follow each other and end in order; see worker_era.h. */
#include "worker_era.h"

#include <stddef.h>
#include <stdlib.h>

/* Later in the turn: who was the last may be a call of the very client that goes. */
static void on_end(struct deferred *d)
{
    struct era *e = d->arg;
    struct era *after = e->after;

    http_client_destroy(e->last);
    e->last = NULL;
    atomic_store(&e->over, true);
    hold_put(&after->hold);
}

static void on_last(struct hold *h)
{
    struct era *e = (struct era *)((char *)h - offsetof(struct era, hold));

    loop_defer(e->loop, &e->end, on_end, e);
}

struct era *era_create(struct settings *settings)
{
    struct era *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->hold = (struct hold){.users = 1, .on_last = on_last};
    e->settings = settings_ref(settings);
    return e;
}

void era_follow(struct era *from, struct era *to)
{
    from->after = to;
    hold_take(&to->hold);
    hold_put(&from->hold);
}

void era_destroy(struct era *e)
{
    if (!e)
        return;
    settings_unref(e->settings);
    free(e);
}
