/* SPDX-License-Identifier: Apache-2.0
 * One token of ours on the keeper's thread: fetched at start, renewed at 80 % of its life, dropped
 * when the vendor refuses it. One call at a time, whoever asks. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "identity/keeper_internal.h"
#include "identity/keeper_metrics.h"

enum { REQUEST_BYTES_MAX = 32 * 1024 };

static uint32_t random_32(void)
{
    return (uint32_t)random_below(UINT64_C(1) << 32);
}

static int64_t now_of(const struct token_slot *t)
{
    return loop_now_ms(t->keeper->loop);
}

static bool is_usable(const struct token_slot *t, int64_t now_ms)
{
    return t->authorization && now_ms < t->expires_ms;
}

static void drop_token(struct token_slot *t)
{
    if (!t->authorization)
        return;
    crypto_cleanse(t->authorization, strlen(t->authorization));
    free(t->authorization);
    t->authorization = NULL;
}

void token_slot_abandon(struct token_slot *t)
{
    token_call_finish(&t->call);
    fetch_abandoned(&t->state);
}

void token_slot_retire(struct token_slot *t)
{
    token_trial_end(t);
    token_slot_abandon(t);
    timer_stop(t->keeper->loop, &t->timer);
    drop_token(t);
    credentials_free(t->credentials);
    t->credentials = NULL;
    t->state = (struct fetch_state){0};
    t->error[0] = '\0';
}

void token_slot_finish(struct token_slot *t)
{
    drop_token(t);
    buf_finish(&t->call.body);
    buf_finish(&t->call.basic);
    buf_finish(&t->trial.call.body);
    buf_finish(&t->trial.call.basic);
    credentials_free(t->credentials);
    credentials_free(t->trial.credentials);
}

static void on_timer(struct timer *timer)
{
    token_slot_fetch(timer->arg);
}

static void wait_for_next(struct token_slot *t)
{
    timer_start(t->keeper->loop, &t->timer, t->state.next_ms, on_timer, t);
}

/* ---- the end of an attempt */

static void fail(struct token_slot *t, enum err why, int retry_after_s, const char *reason)
{
    const enum log_level level = why == ERR_UPSTREAM_REFUSED_CREDENTIALS ? LOG_ERROR : LOG_WARN;

    fetch_fails(&t->state, t->keeper->limits, now_of(t), why, retry_after_s, random_32());
    (void)snprintf(t->error, sizeof(t->error), "%s token: %s", t->name, reason);
    metric_add(M_TOKEN_FETCH, (unsigned)t->which, fetch_result(why), 1);
    LOG(level, "token.fetch_failed", "A token could not be fetched", LOG_S("token.client", t->name),
        LOG_S("error.reason", reason), LOG_I("token.failures", t->state.failures),
        LOG_I("token.retry_in_ms", t->state.next_ms - now_of(t)),
        LOG_B("token.cached", is_usable(t, now_of(t))));
}

void token_slot_take(struct token_slot *t, struct token_grant *grant, int64_t started_ms)
{
    const int64_t now_ms = now_of(t);
    const int64_t life_ms = grant->expires_in_s * 1000;
    const int64_t wall_s = clock_wall_s();

    drop_token(t);
    t->authorization = grant->authorization;
    grant->authorization = NULL;
    t->generation = ++t->keeper->last_generation;
    t->fetched_ms = now_ms;
    /* The vendor counts from a moment that is not before our question. */
    t->expires_ms = started_ms + life_ms;
    t->error[0] = '\0';
    fetch_succeeds(&t->state, now_ms, token_renewal_in_ms(life_ms, random_32()));
    metric_add(M_TOKEN_FETCH, (unsigned)t->which, fetch_result(ERR_OK), 1);
    t->expiry_wall_s = wall_s + (t->expires_ms - now_ms) / 1000;
    t->renewal_wall_s = wall_s + (t->state.next_ms - now_ms) / 1000;
    LOG(LOG_INFO, "token.fetched", "A token was fetched", LOG_S("token.client", t->name),
        LOG_I("token.expires_in_s", grant->expires_in_s),
        LOG_I("token.renewal_in_ms", t->state.next_ms - now_ms));
    wait_for_next(t);
    keeper_publish(t->keeper);
}

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct token_slot *t = arg;
    AUTO(token_grant_finish) struct token_grant grant = {0};
    struct err_text text = {0};

    t->call.call = NULL;
    token_call_finish(&t->call);
    const enum err e = token_answer_read(answer, &grant, &text);
    if (e == ERR_OK) {
        token_slot_take(t, &grant, t->call.started_ms);
        return;
    }
    fail(t, e, answer->retry_after_s, text.text[0] ? text.text : "out of memory");
    wait_for_next(t);
    keeper_publish(t->keeper);
}

/* ---- its beginning */

void token_call_finish(struct token_call *c)
{
    if (c->call)
        call_cancel(c->call);
    c->call = NULL;
    buf_finish(&c->body);
    buf_finish(&c->basic);
}

enum err token_call_start(struct keeper *k, struct token_call *c,
                          const struct client_credentials *credentials, call_done_fn *fn, void *arg,
                          struct err_text *reterr)
{
    buf_init(&c->body, REQUEST_BYTES_MAX);
    buf_init(&c->basic, REQUEST_BYTES_MAX);
    const enum err e =
        token_request_build(credentials, clock_wall_s(), &c->body, &c->basic, reterr);
    if (e != ERR_OK) {
        token_call_finish(c);
        return e;
    }
    c->started_ms = loop_update_now(k->loop);
    const struct call_request request = {
        .method = HTTP_POST,
        .url = k->token_url,
        .authorization = c->basic.len ? buf_str(&c->basic) : (struct str){0},
        .content_type = "application/x-www-form-urlencoded",
        .body = buf_str(&c->body),
        .deadline_ms = c->started_ms + k->limits->fetch_timeout_ms,
        /* An assertion is good for one use (RFC 7523 section 3): our next attempt signs another. */
        .run_once = credentials->method == CLIENT_AUTH_PRIVATE_KEY_JWT,
        .label = "token",
    };
    c->call = http_client_start(k->client, &request, fn, arg);
    if (c->call)
        return ERR_OK;
    token_call_finish(c);
    return ERR_NO_MEMORY;
}

void token_slot_fetch(struct token_slot *t)
{
    struct err_text text = {0};

    if (!t->wanted || t->state.fetching)
        return;
    timer_stop(t->keeper->loop, &t->timer);
    fetch_begins(&t->state);
    const enum err e = token_call_start(t->keeper, &t->call, t->credentials, on_answer, t, &text);
    if (e == ERR_OK)
        return;
    fail(t, e, -1, text.text[0] ? text.text : "out of memory");
    wait_for_next(t);
    keeper_publish(t->keeper);
}

/* ---- what views say */

void token_slot_ask(struct token_slot *t)
{
    const int64_t now_ms = now_of(t);

    if (!is_usable(t, now_ms) && ask_for_token(&t->state, now_ms) == ASK_FETCH)
        token_slot_fetch(t);
}

/* The vendor refuses token after token: a fetch would bring another such. This one stays, under a
 * new number: should the refusals be about something else, one caller's trouble is not everyone's.
 */
static void keep_refused(struct token_slot *t, int64_t until_ms)
{
    static const char REASON[] = "the vendor refuses each new token";

    t->generation = ++t->keeper->last_generation;
    (void)snprintf(t->error, sizeof(t->error), "%s token: %s", t->name, REASON);
    LOG(LOG_ERROR, "token.refused", "The vendor refused a token that was just fetched",
        LOG_S("token.client", t->name), LOG_S("error.reason", REASON),
        LOG_I("token.renewal_in_ms", until_ms - now_of(t)));
}

/* An app can provoke this one: never more often than the pause allows. */
static void renew_in_background(struct token_slot *t, int64_t now_ms)
{
    const bool soon =
        t->background_ms != 0 && now_ms - t->background_ms < t->keeper->limits->refused_ms;
    if (soon || ask_for_token(&t->state, now_ms) != ASK_FETCH)
        return;
    t->background_ms = now_ms;
    token_slot_fetch(t);
}

void token_slot_refused(struct token_slot *t, uint64_t generation, bool background)
{
    const int64_t now_ms = now_of(t);

    if (generation != t->generation || !t->authorization)
        return;
    if (background) {
        renew_in_background(t, now_ms);
        return;
    }
    const bool young = now_ms - t->fetched_ms < t->keeper->limits->refused_ms;
    t->refused_in_row = young ? t->refused_in_row + 1 : 1;
    const int64_t at_ms =
        token_refused_fetch_at_ms(t->keeper->limits, t->refused_in_row, t->fetched_ms, now_ms);
    if (at_ms > now_ms) {
        keep_refused(t, at_ms);
    } else {
        drop_token(t);
        if (ask_for_token(&t->state, now_ms) == ASK_FETCH)
            token_slot_fetch(t);
    }
    keeper_publish(t->keeper);
}

/* ---- alarms */

static void log_alarm(struct token_slot *t, enum token_alarm alarm, int64_t now_ms)
{
    static const char *const REASONS[TOKEN_ALARM_COUNT] = {
        [TOKEN_ALARM_401] = "401 also to a renewed token",
        [TOKEN_ALARM_403] = "403: does the client have the permission for this call?",
    };

    if (t->alarm_ms[alarm] != 0 && now_ms - t->alarm_ms[alarm] < t->keeper->limits->alarm_ms)
        return;
    t->alarm_ms[alarm] = now_ms;
    LOG(LOG_ERROR, "token.alarm", "The vendor refuses our client or its rights",
        LOG_S("token.client", t->name), LOG_S("error.reason", REASONS[alarm]));
}

/* Replaced and not dropped: it may be good for other calls, and for this one nothing is better. */
static void renew_later(struct token_slot *t, int64_t now_ms)
{
    const int64_t at_ms = now_ms + t->keeper->limits->forbidden_ms;

    t->forbidden = t->generation;
    if (t->state.fetching || t->state.next_ms <= at_ms)
        return;
    t->state.next_ms = at_ms;
    wait_for_next(t);
}

void token_slot_alarm(struct token_slot *t, uint64_t generation, enum token_alarm alarm)
{
    /* "No sooner than" counts from here: the turn may have begun before the vendor said it. */
    const int64_t now_ms = loop_update_now(t->keeper->loop);

    log_alarm(t, alarm, now_ms);
    if (alarm == TOKEN_ALARM_403 && generation == t->generation && generation != t->forbidden)
        renew_later(t, now_ms);
}
