/* SPDX-License-Identifier: Apache-2.0
 * What several requests share: used challenges, refreshes in flight and their last answers, rate
 * limits, lockouts. Sharded, bounded, expiring; every function may be called from any worker. Small
 * on purpose: a fleet will put it into Valkey. Keys are hashed (HMAC under a per-process key)
 * before they are kept. */
#pragma once

#include "base/error.h"
#include "config/config.h"
#include "net/loop.h"

struct store;

/* X(enum, "table" label) */
#define STORE_TABLE_TABLE(X)                                                                       \
    X(STORE_USED_CHALLENGES, "used_challenges")                                                    \
    X(STORE_REFRESHES, "refreshes")                                                                \
    X(STORE_RATES_USER, "rates_user")                                                              \
    X(STORE_RATES_ADDRESS, "rates_address")                                                        \
    X(STORE_LOCKOUTS, "lockouts")
enum store_table {
#define X(id, label) id,
    STORE_TABLE_TABLE(X)
#undef X
        STORE_TABLE_COUNT
};

/* What M_LIMITED counts; a table at its ceiling counts as its own limit. X(enum, "limit" label) */
#define STORE_LIMIT_TABLE(X)                                                                       \
    X(STORE_LIMIT_RATE_USER, "rate_user")                                                          \
    X(STORE_LIMIT_RATE_ADDRESS, "rate_address")                                                    \
    X(STORE_LIMIT_LOCKOUT, "lockout")                                                              \
    X(STORE_LIMIT_USED_CHALLENGES_FULL, "used_challenges_full")                                    \
    X(STORE_LIMIT_REFRESHES_FULL, "refreshes_full")                                                \
    X(STORE_LIMIT_RATES_FULL, "rates_full")                                                        \
    X(STORE_LIMIT_LOCKOUTS_FULL, "lockouts_full")                                                  \
    X(STORE_LIMIT_OTHER, "_OTHER")
enum store_limit {
#define X(id, label) id,
    STORE_LIMIT_TABLE(X)
#undef X
        STORE_LIMIT_COUNT
};

/* Registers the label values of M_TABLE_ENTRIES, M_TABLE_MAX and M_LIMITED: once, before
 * metrics_start(). */
void store_metrics_register(void);
/* Shows the tables of s at each scrape: once, after store_create(); s must outlive the scrapes. */
void store_metrics_watch(struct store *s);

NODISCARD enum err store_create(const struct config *config, struct store **ret,
                                struct err_text *reterr);
void store_destroy(struct store *s);
/* Takes the limits and the replay window of another configuration; what was counted stays, and so
 * do the sizes of the tables. Any thread. */
void store_configure(struct store *s, const struct config *config);

/* Marks the challenge used until expires_ms (monotonic). ERR_OK: it was not used before.
 * ERR_CHALLENGE_USED, ERR_OVERLOADED (table full of unexpired entries). */
NODISCARD enum err store_use_challenge(struct store *s, const uint8_t id[16], int64_t now_ms,
                                       int64_t expires_ms);

/* Token buckets of `count`, refilled over the period. user: (user, address) for anonymous
 * operations or (sub) for Bearer operations. ERR_OK or ERR_RATE_LIMITED with *ret_retry_after_s. A
 * table at its ceiling lets the call through and counts it (metric): a full table must not lock
 * everybody out. */
NODISCARD enum err store_rate_user(struct store *s, struct str who, int64_t now_ms,
                                   int *ret_retry_after_s);
NODISCARD enum err store_rate_address(struct store *s, struct str address, int64_t now_ms,
                                      int *ret_retry_after_s);

/* Lockout per (user, key id): refused signatures inside the window, with decay (a sliding count).
 */
NODISCARD enum err store_lockout_check(struct store *s, struct str user, struct str key_id,
                                       int64_t now_ms, int *ret_retry_after_s);
void store_lockout_failed(struct store *s, struct str user, struct str key_id, int64_t now_ms);
void store_lockout_succeeded(struct store *s, struct str user, struct str key_id, int64_t now_ms);

/* ---- refresh: one upstream call per refresh token and process, its answer shared for
 * BFF_REFRESH_REPLAY_S */
struct refresh_outcome {
    enum err code; /* ERR_OK: body holds the vendor's verified answer */
    enum retry retry;
    int retry_after_s;
    struct str body; /* vendor's JSON answer; borrowed until the callback returns */
};
struct refresh_key { /* of a refresh token; the store's own */
    uint8_t bytes[16];
};
struct refresh_wait;
typedef void refresh_fn(struct refresh_wait *w, const struct refresh_outcome *outcome);
struct refresh_wait { /* embedded in the caller */
    refresh_fn *on_outcome;
    void *arg;
    struct loop *loop;
    struct refresh_key key;
    void *entry; /* NULL: not waiting */
    struct refresh_wait *next, *prev;
};
enum refresh_role { REFRESH_OWNER, REFRESH_FOLLOWER, REFRESH_FULL };
/* REFRESH_OWNER: the caller makes the upstream call and ends with store_refresh_done() of w->key.
 * REFRESH_FOLLOWER: on_outcome runs later on w's loop (never from inside). REFRESH_FULL: table or
 * waiters at the ceiling (answer overloaded). */
NODISCARD enum refresh_role store_refresh_join(struct store *s, struct str refresh_token,
                                               struct refresh_wait *w, struct loop *l,
                                               int64_t now_ms, refresh_fn *fn, void *arg);
/* Publishes the outcome to all followers; keeps it for the replay window when keep is true (it
 * reached the vendor), else forgets it. Needs no memory but for the kept answer. */
void store_refresh_done(struct store *s, const struct refresh_key *refresh,
                        const struct refresh_outcome *outcome, bool keep, int64_t now_ms);
void store_refresh_cancel(struct refresh_wait *w); /* idempotent; on the wait's own loop */
