/* SPDX-License-Identifier: Apache-2.0
 * Calls to the vendor that outlive the request that started them: the logout of a session that
 * failed verification, and the refresh that other requests wait for. Bounded in number and time;
 * app_finish() gives up those that are left. */
#pragma once

#include "api/vendor_send.h"

/* A worker; as many as BFF_MAX_IN_FLIGHT lets refresh by default, so that clients who come and
 * leave cannot pile up more. */
enum { DETACHED_MAX = 2048 };

/* As vendor_sent_fn; additionally ERR_DRAINING with answer NULL when the worker ends. Called
 * exactly once, from the loop or from app_finish(). */
typedef void detached_fn(void *arg, const struct vendor_send *sent, enum err code,
                         const struct call_answer *answer);

struct detached_call {
    enum vendor_call call;
    struct buf *body; /* contents are taken on ERR_OK */
    int64_t deadline_ms;
    const char *traceparent; /* copied */
    detached_fn *done;
    void *arg;
};

/* With our client token. ERR_OK: done will be called. Errors: ERR_NO_MEMORY, ERR_OVERLOADED
 * (DETACHED_MAX), and those of vendor_send_start(); done is not called then. */
NODISCARD enum err detached_start(struct app *app, const struct detached_call *c);

/* Ends a vendor session that no app will get, in the background; the outcome goes to the log. */
void detached_logout(struct app *app, struct str session_id, const char *traceparent);

/* For app_finish(): cancels and ends every call that is left. */
void detached_give_up_all(struct app *app);
