/* SPDX-License-Identifier: Apache-2.0
 * The time in which a worker goes by one set of settings. It lasts until the last request and the
 * last detached call that began in it have ended, and no era ends before the one in front of it: so
 * whatever anything under way may have borrowed from the settings, and every call on the HTTP
 * client of the time, is over by then. */
#pragma once

#include <stdatomic.h>

#include "base/hold.h"
#include "net/http_client.h"
#include "settings.h"

struct era {
    struct hold
        hold; /* its users: the worker while it goes by it, the era in front, requests, calls */
    struct settings *settings; /* the main thread's reference */
    struct loop *loop;         /* the worker's, once it goes by this era */

    /* the worker's thread alone */
    struct http_client *client; /* made for this era; owned until the worker takes it */
    struct http_client *last;   /* the client that nobody uses after this era; owned; NULL: none */
    struct era *after;          /* the era behind this one */
    struct deferred end;

    _Atomic bool over; /* nothing on the worker's thread touches it any more */
    struct era *next;  /* the main thread's list */
};

/* NULL: out of memory. Takes a reference of the settings. */
NODISCARD struct era *era_create(struct settings *settings);
/* On the worker's thread: `to` follows; the worker lets go of `from`. */
void era_follow(struct era *from, struct era *to);
/* On the main thread, when it is over or the worker's thread is. Accepts NULL. */
void era_destroy(struct era *e);
