/* SPDX-License-Identifier: Apache-2.0
 * See keeper_policy.h (fault rows FK01 to FK05, FK08, FK11, FU16, FU18, FU20). */
#include "identity/keeper_policy.h"

enum {
    RENEWAL_PERCENT = 80,
    RENEWAL_JITTER_PERCENT = 5, /* of the lifetime */
    RENEWAL_LEAST_MS = 1000,
    REFRESH_JITTER_PERCENT = 10,
    BACKOFF_LEAST_MS = 100,
    REFUSED_JITTER_PERCENT = 20,
    DOUBLINGS_MAX = 16,
};

const struct keeper_limits KEEPER_LIMITS = {
    .fetch_timeout_ms = 5000,
    .backoff_first_ms = 500,
    .backoff_max_ms = 30 * 1000,
    .refused_ms = 30 * 1000,
    .forbidden_ms = 5 * 60 * 1000,
    .alarm_ms = 60 * 1000,
    .refused_in_row = 4,
    .cool_down_ms = 30 * 1000,
    .keys_refresh_ms = 15 * 60 * 1000,
    .keys_stale_ms = 24 * 60 * 60 * 1000,
};

/* random / 2^32 of span */
static int64_t part_of(int64_t span, uint32_t random)
{
    return (int64_t)(((uint64_t)span * random) >> 32);
}

void fetch_begins(struct fetch_state *s)
{
    s->fetching = true;
}

void fetch_abandoned(struct fetch_state *s)
{
    s->fetching = false;
}

void fetch_succeeds(struct fetch_state *s, int64_t now_ms, int64_t next_in_ms)
{
    *s =
        (struct fetch_state){.ever_ok = true, .last_ok_ms = now_ms, .next_ms = now_ms + next_in_ms};
}

void fetch_fails(struct fetch_state *s, const struct keeper_limits *limits, int64_t now_ms,
                 enum err why, int retry_after_s, uint32_t random)
{
    s->fetching = false;
    s->last_error = why;
    s->failures++;
    s->next_ms = now_ms + fetch_backoff_ms(limits, s->failures, why, retry_after_s, random);
}

int64_t token_renewal_in_ms(int64_t lifetime_ms, uint32_t random)
{
    const int64_t least = lifetime_ms * (RENEWAL_PERCENT - RENEWAL_JITTER_PERCENT) / 100;
    const int64_t in_ms = least + part_of(lifetime_ms * 2 * RENEWAL_JITTER_PERCENT / 100, random);

    return in_ms < RENEWAL_LEAST_MS ? RENEWAL_LEAST_MS : in_ms;
}

int64_t keys_refresh_in_ms(const struct keeper_limits *limits, uint32_t random)
{
    const int64_t least = limits->keys_refresh_ms * (100 - REFRESH_JITTER_PERCENT) / 100;

    return least + part_of(limits->keys_refresh_ms * 2 * REFRESH_JITTER_PERCENT / 100, random);
}

int64_t fetch_backoff_ms(const struct keeper_limits *limits, unsigned failures, enum err why,
                         int retry_after_s, uint32_t random)
{
    const unsigned doublings = failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures - 1;
    int64_t window_ms = limits->backoff_first_ms << doublings;
    int64_t pause_ms = BACKOFF_LEAST_MS;

    if (window_ms > limits->backoff_max_ms)
        window_ms = limits->backoff_max_ms;
    if (window_ms > pause_ms)
        pause_ms += part_of(window_ms - pause_ms, random);
    if (why == ERR_UPSTREAM_REFUSED_CREDENTIALS)
        pause_ms =
            limits->refused_ms + part_of(limits->refused_ms * REFUSED_JITTER_PERCENT / 100, random);
    if (pause_ms < (int64_t)retry_after_s * 1000)
        pause_ms = (int64_t)retry_after_s * 1000;
    return pause_ms;
}

enum ask_verdict ask_for_token(const struct fetch_state *s, int64_t now_ms)
{
    if (s->fetching)
        return ASK_WAIT;
    return s->last_error != ERR_OK && now_ms < s->next_ms ? ASK_TOO_SOON : ASK_FETCH;
}

enum ask_verdict ask_for_keys(const struct fetch_state *s, const struct keeper_limits *limits,
                              int64_t now_ms)
{
    if (s->fetching)
        return ASK_WAIT;
    if (s->last_error != ERR_OK)
        return now_ms < s->next_ms ? ASK_TOO_SOON : ASK_FETCH;
    return s->ever_ok && now_ms - s->last_ok_ms < limits->cool_down_ms ? ASK_SETTLED : ASK_FETCH;
}

int64_t token_refused_fetch_at_ms(const struct keeper_limits *limits, unsigned in_row,
                                  int64_t fetched_ms, int64_t now_ms)
{
    const int64_t earliest_ms = fetched_ms + limits->refused_ms;

    return in_row <= limits->refused_in_row || earliest_ms < now_ms ? now_ms : earliest_ms;
}
