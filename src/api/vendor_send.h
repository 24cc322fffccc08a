/* SPDX-License-Identifier: Apache-2.0
 * One call to the vendor with all that may have to happen around it: wait for our token, take a
 * share of the vendor's limit, send; renew the token once when the vendor says that it is bad;
 * repeat once when the connection broke and the call may run twice. All inside one deadline. */
#pragma once

#include "api/app.h"

enum vendor_token {
    VENDOR_TOKEN_CLIENT,
    VENDOR_TOKEN_ADMIN, /* the client's where no admin credentials are configured */
    VENDOR_TOKEN_USER,  /* authorization is given */
};

struct vendor_send;
/* code ERR_OK: answer is a 2xx, or a 4xx other than 429. Else answer is what came, or NULL when
 * nothing was sent; s->retry_after_s is the vendor's wish (-1: none), s->reason the exact cause
 * (may be NULL, borrowed until this returns). Runs from the loop. s may be freed by it. */
typedef void vendor_sent_fn(struct vendor_send *s, enum err code, const struct call_answer *answer);

struct vendor_send { /* embedded in its owner */
    struct app *app;
    enum vendor_call call;
    enum vendor_token token;
    struct str authorization; /* VENDOR_TOKEN_USER: borrowed until done */
    struct str body;          /* ptr NULL: none; borrowed until done */
    int64_t deadline_ms;
    const char *traceparent; /* borrowed until done */
    vendor_sent_fn *done;
    void *arg;
    bool has_permit; /* taken ahead by vendor_permit() */

    struct call *pending;
    struct keeper_wait wait;
    uint64_t generation; /* of our token, as sent last */
    int64_t token_fetched_ms;
    bool renewed;  /* our token was renewed for this call */
    bool repeated; /* it was sent a second time: what is gone may be gone through us */
    bool answered;
    bool may_have_run; /* when done: the vendor may have executed it */
    int retry_after_s;
    const char *reason;
};

/* ERR_PENDING: done will be called. Else the failure; done is not called then. */
NODISCARD enum err vendor_send_start(struct vendor_send *s);
/* Idempotent; accepts a zeroed struct. done is not called any more. */
void vendor_send_cancel(struct vendor_send *s);
/* True for a call that must not run twice and that the vendor may be executing, or has executed:
 * whoever waits for it must not walk away. */
bool vendor_send_must_finish(const struct vendor_send *s);
/* Idempotent. ERR_UPSTREAM_RATE_LIMITED when our share is used up. */
NODISCARD enum err vendor_permit(struct vendor_send *s);

/* Is this 401 about our token? A call that must not run twice counts only when the body says that
 * the token is bad, for then the vendor has not executed it (api.md section 3). */
bool vendor_refused_our_token(enum vendor_call call, const struct call_answer *answer);
