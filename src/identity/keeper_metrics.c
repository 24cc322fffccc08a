/* SPDX-License-Identifier: Apache-2.0
 * The closed lists of label values of the keeper's counters, and what is read at scrape time. */
#include "identity/keeper_metrics.h"

#include <math.h>

#include "base/clock.h"
#include "identity/keeper_internal.h"

static const char *const CLIENT_LABELS[] = {"client", "admin", "_OTHER"};

static const char *const ALARM_LABELS[] = {
    [TOKEN_ALARM_401] = "401",
    [TOKEN_ALARM_403] = "403",
    [TOKEN_ALARM_COUNT] = "_OTHER",
};

/* Parallel; what is not in the first is "_OTHER". */
static const enum err RESULTS[] = {
    ERR_OK,
    ERR_UPSTREAM_REFUSED_CREDENTIALS,
    ERR_UPSTREAM_RATE_LIMITED,
    ERR_UPSTREAM_UNAVAILABLE,
    ERR_UPSTREAM_TIMEOUT,
    ERR_UPSTREAM_INVALID_RESPONSE,
};
static const char *const RESULT_LABELS[ARRAY_LEN(RESULTS) + 1] = {
    "ok", "refused", "rate_limited", "unavailable", "timeout", "invalid_response", "_OTHER"};

static const char *const WAITERS_LABELS[] = {
#define X(id, label, part) [id] = (label),
    KEEPER_WAITERS_TABLE(X)
#undef X
        [KEEPER_WAITERS_COUNT] = "_OTHER"};

unsigned fetch_result(enum err e)
{
    unsigned i = 0;

    while (i < ARRAY_LEN(RESULTS) && RESULTS[i] != e)
        i++;
    return i;
}

/* Of the issuer whose keys were fetched longest ago. */
static double read_keys_age(void *arg)
{
    struct keeper *k = arg;
    int64_t oldest_ms = INT64_MAX;
    bool all = true;

    (void)pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->current->issuer_count; i++) {
        const struct fetch_state *state = &k->current->key_states[i];
        all = all && state->ever_ok;
        if (state->last_ok_ms < oldest_ms)
            oldest_ms = state->last_ok_ms;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return all ? (double)(clock_mono_ms() - oldest_ms) / 1e3 : (double)INFINITY;
}

static double read_keys_count(void *arg)
{
    struct keeper *k = arg;
    size_t count = 0;

    (void)pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->current->issuer_count; i++) {
        if (k->current->sets[i])
            count += keyset_size(k->current->sets[i]);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return (double)count;
}

/* Read, not set: a token that never came must show, and one that is not wanted must not. */
static double read_token_time(const struct token_slot *t, bool renewal)
{
    struct keeper *k = t->keeper;
    double time_s = NAN;

    (void)pthread_mutex_lock(&k->lock);
    const struct token_snapshot *token = &k->current->tokens[t->which];
    if (t->wanted && !token->authorization)
        time_s = 0;
    else if (t->wanted)
        time_s = (double)(renewal ? token->renewal_wall_s : token->expiry_wall_s);
    (void)pthread_mutex_unlock(&k->lock);
    return time_s;
}

static double read_token_expiry(void *arg)
{
    return read_token_time(arg, false);
}

static double read_token_renewal(void *arg)
{
    return read_token_time(arg, true);
}

void keeper_metrics_watch(struct keeper *k)
{
    metric_on_scrape(M_JWKS_AGE, 0, read_keys_age, k);
    metric_on_scrape(M_JWKS_KEYS, 0, read_keys_count, k);
    for (unsigned i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        metric_on_scrape(M_TOKEN_EXPIRY, i, read_token_expiry, &k->tokens[i]);
        metric_on_scrape(M_TOKEN_RENEWAL, i, read_token_renewal, &k->tokens[i]);
    }
}

void keeper_register_metrics(void)
{
    metric_label_values(M_TOKEN_FETCH, "client", CLIENT_LABELS, ARRAY_LEN(CLIENT_LABELS));
    metric_label_values(M_TOKEN_FETCH, "result", RESULT_LABELS, ARRAY_LEN(RESULT_LABELS));
    metric_label_values(M_TOKEN_ALARM, "client", CLIENT_LABELS, ARRAY_LEN(CLIENT_LABELS));
    metric_label_values(M_TOKEN_ALARM, "status", ALARM_LABELS, ARRAY_LEN(ALARM_LABELS));
    metric_label_values(M_TOKEN_CREDENTIALS_PENDING, "client", CLIENT_LABELS,
                        ARRAY_LEN(CLIENT_LABELS));
    metric_label_values(M_TOKEN_EXPIRY, "client", CLIENT_LABELS, ARRAY_LEN(CLIENT_LABELS));
    metric_label_values(M_TOKEN_RENEWAL, "client", CLIENT_LABELS, ARRAY_LEN(CLIENT_LABELS));
    metric_label_values(M_JWKS_FETCH, "result", RESULT_LABELS, ARRAY_LEN(RESULT_LABELS));
    metric_label_values(M_KEEPER_WAITING, "for", WAITERS_LABELS, ARRAY_LEN(WAITERS_LABELS));
    metric_label_values(M_KEEPER_WAITING_MAX, "for", WAITERS_LABELS, ARRAY_LEN(WAITERS_LABELS));
    metric_label_values(M_KEEPER_WAIT_REFUSED, "for", WAITERS_LABELS, ARRAY_LEN(WAITERS_LABELS));
    metric_label_values(M_JWKS_KEYS_REFUSED, "reason", JWK_REFUSAL_LABELS, JWK_REFUSAL_COUNT);
}
