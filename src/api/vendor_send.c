/* SPDX-License-Identifier: Apache-2.0
 * Token, permit, send, and what the resilience table says when it fails. Runs on the worker's
 * thread. */
#include "api/vendor_send.h"

#include <stdio.h>

#include "base/crypto.h"

static void on_token(struct keeper_wait *w, enum err outcome);
static void on_answer(void *arg, const struct call_answer *answer);

static enum keeper_token slot_of(const struct vendor_send *s)
{
    return s->token == VENDOR_TOKEN_ADMIN && s->app->config->admin_client_id ? KEEPER_ADMIN_TOKEN
                                                                             : KEEPER_CLIENT_TOKEN;
}

enum err vendor_permit(struct vendor_send *s)
{
    if (s->has_permit)
        return ERR_OK;
    s->failure = outbound_permit(s->app->outbound, vendor_call_row(s->call)->class,
                                 loop_now_ms(s->app->loop), &s->permit);
    s->has_permit = s->failure == FAILURE_NONE;
    if (s->has_permit)
        return ERR_OK;
    s->retry_after_s = s->permit.retry_after_s;
    return resilience_row(s->call, s->failure)->error;
}

static void give_permit_back(struct vendor_send *s)
{
    if (s->has_permit)
        outbound_give_back(s->app->outbound, &s->permit, loop_now_ms(s->app->loop));
    s->has_permit = false;
}

static enum err put_on_wire(struct vendor_send *s, struct str authorization)
{
    const enum err permit = vendor_permit(s);
    if (permit != ERR_OK)
        return permit;
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
    if (!s->pending)
        return ERR_NO_MEMORY;
    s->begun_ms = loop_now_ms(s->app->loop);
    s->has_permit = false; /* this call took it */
    return ERR_PENDING;
}

static enum err get_token_and_send(struct vendor_send *s)
{
    if (s->token == VENDOR_TOKEN_USER)
        return put_on_wire(s, s->authorization);

    struct token_now token;
    if (keeper_token(s->app->keeper, s->slot, &token)) {
        /* The keeper fetches no more for now: the same token would be refused again. */
        if (s->renewed && token.fetched_mono_ms == s->token_fetched_ms)
            return ERR_UPSTREAM_REFUSED_CREDENTIALS;
        s->generation = token.generation;
        s->token_fetched_ms = token.fetched_mono_ms;
        return put_on_wire(s, token.authorization);
    }
    keeper_wait_token(s->app->keeper, &s->wait, s->slot, s->deadline_ms, on_token, s);
    return ERR_PENDING;
}

enum err vendor_send_start(struct vendor_send *s)
{
    s->retry_after_s = -1;
    s->slot = slot_of(s);
    return get_token_and_send(s);
}

static void finish(struct vendor_send *s, enum err code, const struct call_answer *answer)
{
    s->answered = true;
    s->may_have_run = s->first.may_have_been_sent ||
                      (answer && (answer->result == CALL_ANSWERED || answer->may_have_been_sent));
    s->done(s, code, answer);
}

/* The endpoint looks at a 401 or 403 before the table has its word. */
static void finish_with(struct vendor_send *s, enum failure_kind kind,
                        const struct call_answer *answer)
{
    const bool is_final = kind != FAILURE_NONE && !failure_is_read_by_endpoint(kind);

    s->failure = kind;
    s->retry_after_s = answer->retry_after_s;
    s->reason = answer->reason;
    finish(s, is_final ? resilience_row(s->call, kind)->error : ERR_OK, answer);
}

static void on_token(struct keeper_wait *w, enum err outcome)
{
    struct vendor_send *s = w->arg;
    const enum err e = outcome == ERR_OK ? get_token_and_send(s) : outcome;
    if (e != ERR_PENDING)
        finish(s, e, NULL);
}

/* ---- once more */

static bool renew_and_send(struct vendor_send *s)
{
    if (s->renewed || s->token == VENDOR_TOKEN_USER)
        return false;
    s->renewed = true;
    s->refused_generation = s->generation;
    keeper_token_refused(s->app->keeper, s->slot, s->generation, false);
    return get_token_and_send(s) == ERR_PENDING;
}

/* What is borrowed in it goes with the answer. */
static void keep_first(struct vendor_send *s, const struct call_answer *answer)
{
    s->first = *answer;
    s->first.body = s->first.content_type = (struct str){0};
    s->first.date = NULL;
    (void)snprintf(s->first_reason, sizeof(s->first_reason), "%s",
                   answer->reason ? answer->reason : "");
    s->first.reason = s->first_reason;
}

static void on_pause_over(struct timer *timer)
{
    struct vendor_send *s = timer->arg;

    if (get_token_and_send(s) != ERR_PENDING)
        finish_with(s, failure_kind_of(s->call, &s->first), &s->first);
}

/* Full jitter: those whom one event broke do not come back together. */
static bool pause_and_repeat(struct vendor_send *s, const struct call_answer *answer)
{
    const int64_t now_ms = loop_now_ms(s->app->loop);
    const int64_t needed_ms = VENDOR_REPEAT_WINDOW_MS + VENDOR_REPEAT_LEAST_MS;

    if (s->repeated || s->deadline_ms - now_ms < needed_ms ||
        !outbound_take_repeat(s->app->outbound, now_ms))
        return false;
    s->repeated = true;
    keep_first(s, answer);
    timer_start(s->app->loop, &s->pause, now_ms + (int64_t)random_below(VENDOR_REPEAT_WINDOW_MS),
                on_pause_over, s);
    return true;
}

static bool goes_on(struct vendor_send *s, enum failure_kind kind, const struct call_answer *answer)
{
    switch (resilience_row(s->call, kind)->action) {
    case ACTION_RENEW:
        return renew_and_send(s);
    case ACTION_REPEAT:
        return pause_and_repeat(s, answer);
    case ACTION_REFUSE:
    case ACTION_ALARM:
    case ACTION_COUNT:
        break;
    }
    return false;
}

/* Waiting for a token of ours may have left a call no time: that says nothing about the vendor. */
static bool had_no_chance(const struct vendor_send *s, enum failure_kind kind)
{
    return kind == FAILURE_LATE_UNSENT && s->deadline_ms - s->begun_ms < VENDOR_REPEAT_LEAST_MS;
}

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct vendor_send *s = arg;
    const enum failure_kind kind = failure_kind_of(s->call, answer);

    const int64_t now_ms = loop_now_ms(s->app->loop);

    s->pending = NULL;
    if (had_no_chance(s, kind))
        outbound_give_back(s->app->outbound, &s->permit, now_ms);
    else
        outbound_report(s->app->outbound, &s->permit, kind, answer->retry_after_s, now_ms);
    if (!goes_on(s, kind, answer))
        finish_with(s, kind, answer);
}

/* ---- for the owner */

void vendor_send_cancel(struct vendor_send *s)
{
    s->may_have_run =
        s->first.may_have_been_sent || (s->pending && call_may_have_been_sent(s->pending));
    call_cancel(s->pending);
    s->pending = NULL;
    keeper_wait_cancel(&s->wait);
    if (!s->app)
        return;
    timer_stop(s->app->loop, &s->pause);
    give_permit_back(s);
}

bool vendor_send_must_finish(const struct vendor_send *s)
{
    if (!vendor_call_row(s->call)->run_once)
        return false;
    return s->answered || (s->pending && call_may_have_been_sent(s->pending));
}

bool vendor_send_is_probe(const struct vendor_send *s)
{
    return s->pending && s->permit.probe;
}

void vendor_send_alarm(const struct vendor_send *s)
{
    const bool renewed_in_vain =
        s->failure == FAILURE_TOKEN_401 && s->generation != s->refused_generation;

    if (renewed_in_vain || resilience_row(s->call, s->failure)->action == ACTION_ALARM)
        keeper_token_alarm(s->app->keeper, s->slot, s->generation,
                           s->failure == FAILURE_TOKEN_401 ? 401 : 403);
}
