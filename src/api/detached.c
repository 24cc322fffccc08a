/* SPDX-License-Identifier: Apache-2.0
 * Calls to the vendor that outlive their request: one list a worker, on its thread. */
#include "api/detached.h"

#include <assert.h>
#include <stdio.h>

#include "base/log.h"
#include "net/http_trace.h"

enum { LOGOUT_DEADLINE_MS = 10000 };

struct detached {
    struct vendor_send send;
    struct buf body;
    char traceparent[TRACEPARENT_BYTES];
    detached_fn *done;
    void *arg;
    struct detached *next;
    struct detached *prev;
    struct hold *hold; /* taken; NULL: none */
};

static void unlink_and_free(struct detached *d)
{
    struct app *app = d->send.app;
    if (d->prev)
        d->prev->next = d->next;
    else
        app->detached = d->next;
    if (d->next)
        d->next->prev = d->prev;
    app->detached_count--;
    if (d->hold)
        hold_put(d->hold);
    buf_finish(&d->body);
    free(d);
}

static void on_sent(struct vendor_send *s, enum err code, const struct call_answer *answer)
{
    struct detached *d = s->arg;
    d->done(d->arg, s, code, answer);
    unlink_and_free(d);
}

static void link_first(struct app *app, struct detached *d)
{
    d->next = app->detached;
    if (d->next)
        d->next->prev = d;
    app->detached = d;
    app->detached_count++;
    d->hold = app->hold;
    if (d->hold)
        hold_take(d->hold);
}

enum err detached_start(struct app *app, const struct detached_call *c)
{
    assert(buf_ok(c->body));
    if (app->detached_count >= DETACHED_MAX)
        return ERR_OVERLOADED;
    struct detached *d = calloc(1, sizeof *d);
    if (!d)
        return ERR_NO_MEMORY;

    d->done = c->done;
    d->arg = c->arg;
    d->body = *c->body;
    (void)snprintf(d->traceparent, sizeof d->traceparent, "%s", c->traceparent);
    d->send = (struct vendor_send){
        .app = app,
        .call = c->call,
        .token = VENDOR_TOKEN_CLIENT,
        .body = buf_str(&d->body),
        .deadline_ms = c->deadline_ms,
        .traceparent = d->traceparent,
        .done = on_sent,
        .arg = d,
    };
    const enum err e = vendor_send_start(&d->send);
    if (e != ERR_PENDING) {
        free(d); /* the body stays the caller's */
        return e;
    }
    link_first(app, d);
    buf_init(c->body, c->body->max);
    return ERR_OK;
}

void detached_give_up_all(struct app *app)
{
    while (app->detached) {
        struct detached *d = app->detached;
        vendor_send_cancel(&d->send);
        d->done(d->arg, &d->send, ERR_DRAINING, NULL);
        unlink_and_free(d);
    }
}

/* ---- the logout of a session that nobody will get */

static void on_logged_out(void *arg, const struct vendor_send *sent, enum err code,
                          const struct call_answer *answer)
{
    (void)arg;
    const int status = answer ? answer->status : 0;
    vendor_send_alarm(sent);
    const bool gone = code == ERR_OK && (status < 300 || status == 404);
    LOG(gone ? LOG_INFO : LOG_WARN, "session.withdraw",
        "A session that failed verification was logged out at the vendor",
        LOG_S("event.outcome", gone ? "success" : "failure"),
        LOG_S("error.code", code == ERR_OK ? NULL : error_row(code)->code),
        LOG_I("vendor.response.status_code", status),
        LOG_STR("trace.id", traceparent_trace_id(sent->traceparent)));
}

void detached_logout(struct app *app, struct str session_id, const char *traceparent)
{
    AUTO_BUF struct buf body;
    buf_init(&body, VENDOR_BODY_MAX);
    logout_body(&body, session_id);
    enum err e = buf_ok(&body) ? ERR_OK : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        const struct detached_call call = {
            .call = VENDOR_LOGOUT,
            .body = &body,
            .deadline_ms = loop_now_ms(app->loop) + LOGOUT_DEADLINE_MS,
            .traceparent = traceparent,
            .done = on_logged_out,
        };
        e = detached_start(app, &call);
    }
    if (e != ERR_OK)
        LOG(LOG_WARN, "session.withdraw",
            "A session that failed verification could not be logged out at the vendor",
            LOG_S("event.outcome", "failure"), LOG_S("error.code", error_row(e)->code),
            LOG_STR("trace.id", traceparent_trace_id(traceparent)));
}
