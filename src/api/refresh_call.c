/* SPDX-License-Identifier: Apache-2.0
 * Makes the call, reads what it came to, publishes. Runs on the worker's thread. */
#include "api/refresh_call.h"

#include "api/answer.h"
#include "api/detached.h"
#include "base/crypto.h"

struct refresh_call {
    struct app *app;
    struct refresh_key key;
    char *token; /* owned, cleansed */
    refresh_call_fn *done;
    void *arg;
};

static void destroy(struct refresh_call *c)
{
    if (c->token)
        crypto_cleanse(c->token, strlen(c->token));
    free(c->token);
    free(c);
}

static struct refresh_outcome outcome_of(enum err code, enum retry retry, int retry_after_s)
{
    const struct failure failure = failure_of(code);
    return (struct refresh_outcome){
        .code = code,
        .retry = retry,
        .retry_after_s =
            failure.retry_after_s > 0 && retry_after_s > 0 ? retry_after_s : failure.retry_after_s,
    };
}

/* A refresh token rotates with each use: whoever may have used it up must log in again. ret_keep:
 * that is so, and this outcome stands for the replay window. */
static struct refresh_outcome read_outcome(const struct vendor_send *sent, enum err code,
                                           const struct call_answer *answer, bool *ret_keep)
{
    const struct resilience_row *row = resilience_row(VENDOR_REFRESH, sent->failure);
    const char *reason = NULL;

    if (row->error != ERR_OK) {
        vendor_send_alarm(sent);
        *ret_keep = sent->may_have_run && row->retry == RETRY_LOGIN;
        return outcome_of(row->error, row->retry, sent->retry_after_s);
    }
    *ret_keep = sent->may_have_run;
    /* `draining` says that nothing went upstream. */
    if (code == ERR_DRAINING && sent->may_have_run)
        return outcome_of(ERR_UPSTREAM_OUTCOME_UNKNOWN, RETRY_LOGIN, 0);
    if (code != ERR_OK)
        return outcome_of(code, sent->may_have_run ? RETRY_LOGIN : failure_of(code).retry,
                          sent->retry_after_s);
    if (!answer_is_success(answer))
        return outcome_of(ERR_SESSION_EXPIRED, RETRY_LOGIN, 0);
    if (vendor_body_is_json(answer, &reason) != ERR_OK)
        return outcome_of(ERR_UPSTREAM_INVALID_RESPONSE, RETRY_LOGIN, 0);
    return (struct refresh_outcome){.code = ERR_OK, .body = answer->body};
}

static void on_sent(void *arg, const struct vendor_send *sent, enum err code,
                    const struct call_answer *answer)
{
    struct refresh_call *c = arg;
    bool keep = false;
    const struct refresh_outcome outcome = read_outcome(sent, code, answer, &keep);
    store_refresh_done(c->app->store, &c->key, &outcome, keep, loop_now_ms(c->app->loop));
    if (c->done)
        c->done(c->arg, &outcome);
    destroy(c);
}

static enum err launch(struct refresh_call *c, int64_t deadline_ms, const char *traceparent)
{
    AUTO_BUF struct buf body;
    buf_init(&body, VENDOR_BODY_MAX);
    refresh_body(&body, str_of(c->token));
    if (!buf_ok(&body))
        return ERR_NO_MEMORY;
    const struct detached_call call = {
        .call = VENDOR_REFRESH,
        .body = &body,
        .deadline_ms = deadline_ms,
        .traceparent = traceparent,
        .done = on_sent,
        .arg = c,
    };
    return detached_start(c->app, &call);
}

static struct refresh_call *create(struct app *app, const struct refresh_key *key, struct str token)
{
    struct refresh_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->app = app;
    c->key = *key;
    c->token = strndup(token.ptr, token.len);
    if (!c->token) {
        destroy(c);
        return NULL;
    }
    return c;
}

enum err refresh_call_start(struct app *app, const struct refresh_key *key,
                            struct str refresh_token, int64_t deadline_ms, const char *traceparent,
                            refresh_call_fn *done, void *arg, struct refresh_call **ret)
{
    struct refresh_call *c = create(app, key, refresh_token);
    const enum err e = c ? launch(c, deadline_ms, traceparent) : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        c->done = done;
        c->arg = arg;
        *ret = c;
        return ERR_OK;
    }
    if (c)
        destroy(c);
    const struct refresh_outcome outcome = outcome_of(e, failure_of(e).retry, 0);
    store_refresh_done(app->store, key, &outcome, false, loop_now_ms(app->loop));
    return e;
}

void refresh_call_leave(struct refresh_call *c)
{
    if (c)
        c->done = NULL;
}
