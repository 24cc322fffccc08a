/* SPDX-License-Identifier: Apache-2.0
 * Rate limits per caller, and the lockout. In integers: a limit that drifts is no limit. */
#include "identity/store_internal.h"

#include <assert.h>

static int seconds_up(int64_t ms)
{
    const int64_t s = (ms + 999) / 1000;

    return s < 1 ? 1 : (int)s;
}

/* ---- rates: level counts in 1/period_ms of a token, so that count tokens a period refill exactly.
 * A reload may bring another period. */

#define AT_MS_MASK ((UINT64_C(1) << 48) - 1)

struct rate_bucket {
    int64_t level;
    uint64_t at_ms : 48;
    uint64_t period_s : 16;
};
_Static_assert(sizeof(struct rate_bucket) == STORE_RATE_BYTES, "value size of the rate tables");

struct rate_case {
    enum store_table table;
    enum store_limit limit;
    struct rate rate;
};

/* As many tokens as before, in what is now a part of one. */
static void take_period(struct rate_bucket *bucket, const struct rate *rate)
{
    if (bucket->period_s == rate->period_s)
        return;
    bucket->level = bucket->level / (int64_t)bucket->period_s * (int64_t)rate->period_s;
    bucket->period_s = (uint16_t)rate->period_s;
}

/* Takes a token. 0, or the time in ms until there is one. */
static int64_t bucket_take(struct rate_bucket *bucket, const struct rate *rate, int64_t now_ms)
{
    const int64_t period_ms = (int64_t)rate->period_s * 1000;
    const int64_t full = period_ms * rate->count;
    int64_t elapsed_ms = now_ms - (int64_t)bucket->at_ms;

    if (elapsed_ms < 0)
        elapsed_ms = 0;
    if (elapsed_ms > period_ms)
        elapsed_ms = period_ms;
    take_period(bucket, rate);
    bucket->level += elapsed_ms * rate->count;
    if (bucket->level > full)
        bucket->level = full;
    bucket->at_ms = (uint64_t)now_ms & AT_MS_MASK;
    if (bucket->level < period_ms)
        return (period_ms - bucket->level + rate->count - 1) / rate->count;
    bucket->level -= period_ms;
    return 0;
}

static enum err rate_check(struct store *s, const struct rate_case *c, struct str who,
                           int64_t now_ms, int *ret_retry_after_s)
{
    struct table_key key;

    if (c->rate.count == 0)
        return ERR_OK;
    if (!store_key(s, who, &key))
        return ERR_INTERNAL;

    /* An entry is worth keeping until its bucket is full again. */
    const int64_t period_ms = (int64_t)c->rate.period_s * 1000;
    const int64_t expires_ms = now_ms + period_ms;
    struct table_look look = table_find(s->tables[c->table], &key, now_ms);
    bool there = look.value != NULL;
    if (!there && table_add(&look, &key, now_ms, expires_ms)) {
        there = true;
        *(struct rate_bucket *)look.value =
            (struct rate_bucket){.level = period_ms * c->rate.count,
                                 .at_ms = (uint64_t)now_ms & AT_MS_MASK,
                                 .period_s = (uint16_t)c->rate.period_s};
    }
    int64_t wait_ms = 0;
    if (there) {
        table_expire_at(&look, expires_ms);
        wait_ms = bucket_take(look.value, &c->rate, now_ms);
    }
    table_release(&look);

    if (!there)
        metric_add(M_LIMITED, STORE_LIMIT_RATES_FULL, 0, 1);
    if (wait_ms == 0)
        return ERR_OK;
    metric_add(M_LIMITED, c->limit, 0, 1);
    *ret_retry_after_s = seconds_up(wait_ms);
    return ERR_RATE_LIMITED;
}

enum err store_rate_user(struct store *s, struct str who, int64_t now_ms, int *ret_retry_after_s)
{
    const struct rate_case c = {STORE_RATES_USER, STORE_LIMIT_RATE_USER,
                                atomic_load_explicit(&s->rate_user, memory_order_relaxed)};

    return rate_check(s, &c, who, now_ms, ret_retry_after_s);
}

enum err store_rate_address(struct store *s, struct str address, int64_t now_ms,
                            int *ret_retry_after_s)
{
    const struct rate_case c = {STORE_RATES_ADDRESS, STORE_LIMIT_RATE_ADDRESS,
                                atomic_load_explicit(&s->rate_address, memory_order_relaxed)};

    return rate_check(s, &c, address, now_ms, ret_retry_after_s);
}

/* ---- lockout: failures of this window and of the one before, which counts less as it slides out
 */

struct lockout_count {
    int64_t window_ms; /* when the current window began */
    uint32_t previous, current;
};
_Static_assert(sizeof(struct lockout_count) == STORE_LOCKOUT_BYTES, "value size of the lockouts");

struct lockout_limit {
    int64_t failures; /* 0: off */
    int64_t window_ms;
};

static struct lockout_limit lockout_limit(const struct store *s)
{
    return (struct lockout_limit){
        atomic_load_explicit(&s->lockout_failures, memory_order_relaxed),
        atomic_load_explicit(&s->lockout_window_ms, memory_order_relaxed),
    };
}

static void lockout_slide(struct lockout_count *count, int64_t length_ms, int64_t now_ms)
{
    const int64_t elapsed_ms = now_ms - count->window_ms;

    if (elapsed_ms < length_ms)
        return;
    const bool adjacent = elapsed_ms < 2 * length_ms;
    count->previous = adjacent ? count->current : 0;
    count->current = 0;
    count->window_ms = adjacent ? count->window_ms + length_ms : now_ms;
}

/* 0, or the time in ms until the weighted count is below the ceiling again. */
static int64_t lockout_wait_ms(const struct lockout_count *count, int64_t length_ms,
                               int64_t failures_max, int64_t now_ms)
{
    const int64_t elapsed_ms = now_ms - count->window_ms;
    const int64_t weighted =
        count->previous * (length_ms - elapsed_ms) + count->current * length_ms;

    if (weighted < failures_max * length_ms)
        return 0;
    /* Wait for the previous window to weigh little enough; if the current one fills the ceiling
     * alone, it must first become the previous one. */
    if (count->current < failures_max) {
        assert(count->previous > 0); /* else the weight would be below the ceiling */
        const int64_t room = (failures_max - count->current) * length_ms;
        return (length_ms - room / count->previous) - elapsed_ms + 1;
    }
    assert(count->current > 0); /* the ceiling is, and it fills it */
    return (length_ms - elapsed_ms) + (length_ms - failures_max * length_ms / count->current) + 1;
}

enum err store_lockout_check(struct store *s, struct str user, struct str key_id, int64_t now_ms,
                             int *ret_retry_after_s)
{
    const struct lockout_limit limit = lockout_limit(s);
    struct table_key key;
    int64_t wait_ms = 0;

    if (limit.failures == 0)
        return ERR_OK;
    if (!store_key_pair(s, user, key_id, &key))
        return ERR_INTERNAL;
    struct table_look look = table_find(s->tables[STORE_LOCKOUTS], &key, now_ms);
    if (look.value) {
        lockout_slide(look.value, limit.window_ms, now_ms);
        wait_ms = lockout_wait_ms(look.value, limit.window_ms, limit.failures, now_ms);
    }
    table_release(&look);
    if (wait_ms == 0)
        return ERR_OK;
    metric_add(M_LIMITED, STORE_LIMIT_LOCKOUT, 0, 1);
    *ret_retry_after_s = seconds_up(wait_ms);
    return ERR_RATE_LIMITED;
}

void store_lockout_failed(struct store *s, struct str user, struct str key_id, int64_t now_ms)
{
    const struct lockout_limit limit = lockout_limit(s);
    struct table_key key;

    if (limit.failures == 0 || !store_key_pair(s, user, key_id, &key))
        return;
    const int64_t expires_ms = now_ms + 2 * limit.window_ms;
    struct table_look look = table_find(s->tables[STORE_LOCKOUTS], &key, now_ms);
    const bool there = look.value || table_add(&look, &key, now_ms, expires_ms);
    if (there) {
        struct lockout_count *count = look.value;
        if (count->current == 0 && count->previous == 0)
            count->window_ms = now_ms;
        lockout_slide(count, limit.window_ms, now_ms);
        if (count->current < UINT32_MAX)
            count->current++;
        table_expire_at(&look, expires_ms);
    }
    table_release(&look);
    if (!there)
        metric_add(M_LIMITED, STORE_LIMIT_LOCKOUTS_FULL, 0, 1);
}

void store_lockout_succeeded(struct store *s, struct str user, struct str key_id, int64_t now_ms)
{
    struct table_key key;

    if (lockout_limit(s).failures == 0 || !store_key_pair(s, user, key_id, &key))
        return;
    struct table_look look = table_find(s->tables[STORE_LOCKOUTS], &key, now_ms);
    if (look.value)
        table_remove(&look);
    table_release(&look);
}
