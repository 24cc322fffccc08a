/* SPDX-License-Identifier: Apache-2.0
 * New credentials on the keeper's thread: a token is fetched with them, beside the old ones, which
 * go on renewing theirs. Accepted, they take the others' place; refused, they are tried again, and
 * nothing else changes. (fault row FK07) */
#include <stdio.h>

#include "base/crypto.h"
#include "base/log.h"
#include "identity/keeper_internal.h"
#include "identity/keeper_metrics.h"
#include "observe/metrics.h"

static void show(const struct token_slot *t)
{
    metric_set(M_TOKEN_CREDENTIALS_PENDING, (unsigned)t->which, t->trial.credentials ? 1 : 0);
}

void token_trial_abandon(struct token_slot *t)
{
    token_call_finish(&t->trial.call);
    fetch_abandoned(&t->trial.state);
}

void token_trial_end(struct token_slot *t)
{
    token_trial_abandon(t);
    timer_stop(t->keeper->loop, &t->trial.timer);
    credentials_free(t->trial.credentials);
    t->trial.credentials = NULL;
    t->trial.state = (struct fetch_state){0};
    t->trial.error[0] = '\0';
    show(t);
}

/* ---- the verdict */

/* The pauses and the refusals were about the old ones. */
static void exchange(struct token_slot *t, struct client_credentials *credentials)
{
    token_slot_abandon(t);
    t->state = (struct fetch_state){.ever_ok = t->state.ever_ok, .last_ok_ms = t->state.last_ok_ms};
    t->refused_in_row = 0;
    credentials_free(t->credentials);
    t->credentials = credentials;
}

static void promote(struct token_slot *t, struct token_grant *grant)
{
    struct client_credentials *credentials = t->trial.credentials;

    t->trial.credentials = NULL;
    token_trial_end(t);
    exchange(t, credentials);
    LOG(LOG_INFO, "token.credentials_accepted", "New credentials are in use; the old ones are gone",
        LOG_S("token.client", t->name));
    token_slot_take(t, grant, t->trial.call.started_ms);
}

static void on_timer(struct timer *timer)
{
    token_trial_fetch(timer->arg);
}

static void refuse(struct token_slot *t, enum err why, int retry_after_s, const char *reason)
{
    struct token_trial *trial = &t->trial;
    const struct keeper *k = t->keeper;
    const int64_t now_ms = loop_now_ms(k->loop);

    fetch_fails(&trial->state, k->limits, now_ms, why, retry_after_s,
                (uint32_t)random_below(UINT64_C(1) << 32));
    (void)snprintf(trial->error, sizeof(trial->error), "%s token, new credentials: %s", t->name,
                   reason);
    metric_add(M_TOKEN_FETCH, (unsigned)t->which, fetch_result(why), 1);
    LOG(LOG_ERROR, "token.credentials_refused",
        "No token came with new credentials; they are tried again", LOG_S("token.client", t->name),
        LOG_S("error.reason", reason), LOG_I("token.failures", trial->state.failures),
        LOG_I("token.retry_in_ms", trial->state.next_ms - now_ms));
    timer_start(k->loop, &trial->timer, trial->state.next_ms, on_timer, t);
    keeper_publish(t->keeper);
}

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct token_slot *t = arg;
    AUTO(token_grant_finish) struct token_grant grant = {0};
    struct err_text text = {0};

    t->trial.call.call = NULL;
    token_call_finish(&t->trial.call);
    const enum err e = token_answer_read(answer, &grant, &text);
    if (e == ERR_OK)
        promote(t, &grant);
    else
        refuse(t, e, answer->retry_after_s, text.text[0] ? text.text : "out of memory");
}

/* ---- the trial */

void token_trial_fetch(struct token_slot *t)
{
    struct token_trial *trial = &t->trial;
    struct err_text text = {0};

    if (!trial->credentials || trial->state.fetching)
        return;
    timer_stop(t->keeper->loop, &trial->timer);
    fetch_begins(&trial->state);
    const enum err e =
        token_call_start(t->keeper, &trial->call, trial->credentials, on_answer, t, &text);
    if (e != ERR_OK)
        refuse(t, e, -1, text.text[0] ? text.text : "out of memory");
}

/* Whoever reads the configuration again wants to know now. */
static void try_again(struct token_slot *t)
{
    token_trial_abandon(t);
    token_trial_fetch(t);
}

void token_slot_try(struct token_slot *t, struct client_credentials *credentials)
{
    if (t->credentials && credentials_same(t->credentials, credentials)) {
        credentials_free(credentials);
        token_trial_end(t);
        return;
    }
    if (t->trial.credentials && credentials_same(t->trial.credentials, credentials)) {
        credentials_free(credentials);
        try_again(t);
        return;
    }
    LOG(LOG_INFO, "token.credentials_changed", "A token is fetched with new credentials",
        LOG_S("token.client", t->name));
    token_trial_end(t);
    if (!t->state.ever_ok) {
        exchange(t, credentials);
        token_slot_fetch(t);
        return;
    }
    t->trial.credentials = credentials;
    show(t);
    token_trial_fetch(t);
}
