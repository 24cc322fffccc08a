/* SPDX-License-Identifier: Apache-2.0
 * When the keeper fetches: renewal, back-off, cool-down. Pure functions over a small state; time
 * and randomness are arguments. Used by the keeper's thread on its own state and by the workers on
 * the copy in their snapshot. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* The keeper's times; tests shorten them. */
struct keeper_limits {
    int64_t fetch_timeout_ms; /* one attempt */
    int64_t backoff_first_ms; /* window of the first pause; doubles with each failure ... */
    int64_t backoff_max_ms;   /* ... up to this */
    int64_t refused_ms;       /* least pause after the vendor refused our credentials or tokens */
    int64_t forbidden_ms;     /* from a 403 to the renewal that it causes */
    int64_t alarm_ms;         /* least pause between two alarms of a kind */
    unsigned refused_in_row;  /* so many young tokens are replaced at once, one after the other */
    int64_t cool_down_ms;     /* an unknown kid starts no fetch so soon after a good one */
    int64_t keys_refresh_ms;
    int64_t keys_stale_ms; /* without a good fetch for so long a key set is dropped */
};
extern const struct keeper_limits KEEPER_LIMITS;

/* One thing that is fetched again and again. */
struct fetch_state {
    bool fetching;
    bool ever_ok;
    enum err last_error; /* of the last attempt; ERR_OK: it was good, or there was none */
    unsigned failures;   /* since the last good attempt */
    int64_t last_ok_ms;
    int64_t next_ms; /* the next attempt by itself */
};

void fetch_begins(struct fetch_state *s);
/* As if it had not begun. */
void fetch_abandoned(struct fetch_state *s);
void fetch_succeeds(struct fetch_state *s, int64_t now_ms, int64_t next_in_ms);
/* retry_after_s: the vendor's wish, -1: none. */
void fetch_fails(struct fetch_state *s, const struct keeper_limits *limits, int64_t now_ms,
                 enum err why, int retry_after_s, uint32_t random);

/* 80 % of the lifetime, +-5 %: a fleet does not renew together. At least a second. */
int64_t token_renewal_in_ms(int64_t lifetime_ms, uint32_t random);
/* The refresh interval +-10 %. */
int64_t keys_refresh_in_ms(const struct keeper_limits *limits, uint32_t random);
/* Full jitter: somewhere in the window, but never at once. failures >= 1. */
int64_t fetch_backoff_ms(const struct keeper_limits *limits, unsigned failures, enum err why,
                         int retry_after_s, uint32_t random);

enum ask_verdict {
    ASK_FETCH,    /* a fetch may start now */
    ASK_WAIT,     /* one is under way */
    ASK_TOO_SOON, /* the last one failed: the back-off runs */
    ASK_SETTLED,  /* the last one was good a moment ago: a fetch would tell nothing new */
};
enum ask_verdict ask_for_token(const struct fetch_state *s, int64_t now_ms);
enum ask_verdict ask_for_keys(const struct fetch_state *s, const struct keeper_limits *limits,
                              int64_t now_ms);

/* When a new token may be fetched after the vendor refused one that is not expired. in_row: how
 * many were refused young, one after the other, this one included. The first few are renewed at
 * once; if the new ones are refused too, asking faster does not help. */
int64_t token_refused_fetch_at_ms(const struct keeper_limits *limits, unsigned in_row,
                                  int64_t fetched_ms, int64_t now_ms);
