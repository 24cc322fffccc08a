/* SPDX-License-Identifier: Apache-2.0
 * A count of those who use something that will be replaced, on one thread: what they use is kept
 * until the last of them is done. Embedded in the owner's struct. */
#pragma once

#include <assert.h>

struct hold {
    unsigned users;
    void (*on_last)(struct hold *h); /* nobody uses it any more */
};

static inline void hold_take(struct hold *h)
{
    h->users++;
}

static inline void hold_put(struct hold *h)
{
    assert(h->users > 0);
    if (--h->users == 0)
        h->on_last(h);
}
