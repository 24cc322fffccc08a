/* SPDX-License-Identifier: Apache-2.0
 * Token, permit, send, and the two repeats that are safe. Runs on the worker's thread. */
#include "api/vendor_send.h"

static void on_token(struct keeper_wait *w, enum err outcome);
static void on_answer(void *arg, const struct call_answer *answer);

static enum keeper_token keeper_token_of(const struct vendor_send *s)
{
    return s->token == VENDOR_TOKEN_ADMIN && s->app->config->admin_client_id ? KEEPER_ADMIN_TOKEN
                                                                             : KEEPER_CLIENT_TOKEN;
}

enum err vendor_permit(struct vendor_send *s)
{
    if (s->has_permit)
        return ERR_OK;
    const enum err e = store_upstream_permit(s->app->store, loop_now_ms(s->app->loop));
    s->has_permit = e == ERR_OK;
    return e;
}

static enum err put_on_wire(struct vendor_send *s, struct str authorization)
{
    const enum err permit = vendor_permit(s);
    if (permit != ERR_OK)
        return permit;
    s->has_permit = false; /* this call takes it */

    const struct vendor_call_row *row = vendor_call_row(s->call);
    const struct call_request request = {
        .method = row->method,
        .url = s->app->vendor_urls[s->call],
        .authorization = authorization,
        .content_type = s->body.ptr ? "application/json" : NULL,
        .body = s->body,
        .traceparent = s->traceparent,
        .deadline_ms = s->deadline_ms,
        /* No repeat that is not seen here: libcurl would hide that a delete ran twice. */
        .run_once = true,
        /* What ended the first attempt may be waiting on other connections of the pool, too. */
        .fresh_connection = s->repeated,
        .label = row->label,
    };
    s->pending = http_client_start(s->app->client, &request, on_answer, s);
    return s->pending ? ERR_PENDING : ERR_NO_MEMORY;
}

static enum err get_token_and_send(struct vendor_send *s)
{
    if (s->token == VENDOR_TOKEN_USER)
        return put_on_wire(s, s->authorization);

    struct token_now token;
    if (keeper_token(s->app->keeper, keeper_token_of(s), &token)) {
        /* The keeper fetches no more for now: the same token would be refused again. */
        if (s->renewed && token.fetched_mono_ms == s->token_fetched_ms)
            return ERR_UPSTREAM_REFUSED_CREDENTIALS;
        s->generation = token.generation;
        s->token_fetched_ms = token.fetched_mono_ms;
        return put_on_wire(s, token.authorization);
    }
    keeper_wait_token(s->app->keeper, &s->wait, keeper_token_of(s), s->deadline_ms, on_token, s);
    return ERR_PENDING;
}

enum err vendor_send_start(struct vendor_send *s)
{
    s->retry_after_s = -1;
    return get_token_and_send(s);
}

static void finish(struct vendor_send *s, enum err code, const struct call_answer *answer)
{
    s->answered = true;
    s->may_have_run = answer && (answer->result == CALL_ANSWERED || answer->may_have_been_sent);
    s->done(s, code, answer);
}

static void on_token(struct keeper_wait *w, enum err outcome)
{
    struct vendor_send *s = w->arg;
    const enum err e = outcome == ERR_OK ? get_token_and_send(s) : outcome;
    if (e != ERR_PENDING)
        finish(s, e, NULL);
}

bool vendor_refused_our_token(enum vendor_call call, const struct call_answer *answer)
{
    if (answer->result != CALL_ANSWERED || answer->status != 401)
        return false;
    if (!vendor_call_row(call)->run_once)
        return true;
    struct vendor_error error;
    return vendor_error_read(answer->body, &error) == ERR_OK && error.token_is_bad;
}

static bool may_renew(const struct vendor_send *s, const struct call_answer *answer)
{
    return !s->renewed && s->token != VENDOR_TOKEN_USER &&
           vendor_refused_our_token(s->call, answer);
}

static bool may_repeat(const struct vendor_send *s, const struct call_answer *answer)
{
    return !s->repeated && !vendor_call_row(s->call)->run_once &&
           (answer->result == CALL_NOT_SENT || answer->result == CALL_BROKEN);
}

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct vendor_send *s = arg;
    s->pending = NULL;

    enum err again = ERR_OK;
    if (may_renew(s, answer)) {
        s->renewed = true;
        keeper_token_refused(s->app->keeper, keeper_token_of(s), s->generation, false);
        again = get_token_and_send(s);
    } else if (may_repeat(s, answer)) {
        s->repeated = true;
        again = get_token_and_send(s);
    }
    if (again == ERR_PENDING)
        return;

    int retry_after_s = -1;
    const enum err outcome = vendor_answer_outcome(s->call, answer, &retry_after_s);
    s->retry_after_s = retry_after_s;
    s->reason = answer->reason;
    finish(s, outcome, answer);
}

void vendor_send_cancel(struct vendor_send *s)
{
    s->may_have_run = s->pending && call_may_have_been_sent(s->pending);
    call_cancel(s->pending);
    s->pending = NULL;
    keeper_wait_cancel(&s->wait);
}

bool vendor_send_must_finish(const struct vendor_send *s)
{
    if (!vendor_call_row(s->call)->run_once)
        return false;
    return s->answered || (s->pending && call_may_have_been_sent(s->pending));
}
