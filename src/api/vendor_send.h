/* SPDX-License-Identifier: Apache-2.0
 * One call to the vendor with all that may have to happen around it: wait for our token, take a
 * share of the vendor's limit, send; then what identity/resilience.h says for this call and this
 * failure: renew the token once, or repeat once after a pause. All inside one deadline. */
#pragma once

#include "api/app.h"

enum {
    VENDOR_REPEAT_WINDOW_MS = 200, /* a repeat comes at a random moment of it */
    VENDOR_REPEAT_LEAST_MS = 300,  /* with less time than this left after it there is none */
    VENDOR_REASON_BYTES = 96,
};

enum vendor_token {
    VENDOR_TOKEN_CLIENT,
    VENDOR_TOKEN_ADMIN, /* the client's where no admin credentials are configured */
    VENDOR_TOKEN_USER,  /* authorization is given */
};

struct vendor_send;
/* code ERR_OK: answer is a 2xx, or a 4xx other than 429. Else answer is what came, or NULL when
 * nothing was sent; s->failure is the row of the table that it came to (FAILURE_NONE: none, then
 * code is the keeper's), s->retry_after_s when to come back (-1: no word on that), s->reason the
 * exact cause (may be NULL, borrowed until this returns). Runs from the loop. s may be freed by it.
 */
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
    bool has_permit; /* taken ahead by vendor_permit(), not used yet */
    struct outbound_permit permit;
    enum keeper_token
        slot; /* whose token of ours; a reload may bring admin credentials meanwhile */

    struct call *pending;
    int64_t begun_ms; /* when it was given to the client */
    struct keeper_wait wait;
    uint64_t generation;         /* of our token, as sent last */
    uint64_t refused_generation; /* of the token that was renewed for this call; 0: none */
    int64_t token_fetched_ms;
    struct timer pause;       /* before a repeat */
    struct call_answer first; /* what a repeat is made for; zeroed: there was none */
    char first_reason[VENDOR_REASON_BYTES];
    bool renewed;  /* our token was renewed for this call */
    bool repeated; /* it was sent a second time: what is gone may be gone through us */
    bool answered;
    bool may_have_run; /* when done: the vendor may have executed it */
    enum failure_kind failure;
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
/* True while it is the breaker's probe, on whose answer all others wait. */
bool vendor_send_is_probe(const struct vendor_send *s);
/* Idempotent; needs app and call. Else the error, with s->failure and s->retry_after_s: our share
 * of the vendor's limit is used up, or the circuit breaker is open. */
NODISCARD enum err vendor_permit(struct vendor_send *s);

/* Raises the alarm if what the call came to is one (keeper_token_alarm()). The endpoint calls it
 * once it knows that a 401 or 403 is no word on the user. */
void vendor_send_alarm(const struct vendor_send *s);
