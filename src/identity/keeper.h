/* SPDX-License-Identifier: Apache-2.0
 * The keeper: one thread that owns the secrets, fetches and renews the client token, the admin
 * token and the key sets, and publishes immutable snapshots. Workers read through their own
 * keeper_view on their own loop and never wait for a lock. (design.md 3, fault rows FK01 to FK16)
 */
#pragma once

#include "identity/jwt_verify.h"
#include "net/http_client.h"
#include "net/loop.h"

struct keeper;
struct keeper_view;

/* Label values of the keeper's metrics; called by main before metrics_start(). */
void keeper_register_metrics(void);
struct keeper;
/* What is read from it at scrape time; it outlives the scrapes. */
void keeper_metrics_watch(struct keeper *k);

enum keeper_token { KEEPER_CLIENT_TOKEN, KEEPER_ADMIN_TOKEN, KEEPER_TOKEN_COUNT };

/* Starts the thread and the first fetches. config and trust are borrowed until keeper_reload() or
 * keeper_stop(), resolver (NULL: URLs have addresses for hosts) until the end. */
NODISCARD enum err keeper_start(const struct config *config, const struct trust *trust,
                                struct client_identity *identity, struct resolver *resolver,
                                struct keeper **ret, struct err_text *reterr);
/* Goes on with another configuration, of which issuers and URLs are the same; the old one is free
 * when this returns. A token that was fetched with other credentials serves until the one for the
 * new ones is there; a fetch that is under way with old credentials or old trust is given up and
 * begun again. On failure (memory) nothing has changed. Any thread but a loop's.
 */
NODISCARD enum err keeper_reload(struct keeper *k, const struct config *config,
                                 const struct trust *trust, struct client_identity *identity,
                                 struct err_text *reterr);
/* Ends the thread; all views must be destroyed before, and their loops no longer run. Accepts NULL.
 */
void keeper_stop(struct keeper *k);

/* One a worker, on the worker's loop; snapshots arrive as posts to that loop. */
NODISCARD struct keeper_view *keeper_view_create(struct keeper *k, struct loop *l);
void keeper_view_destroy(struct keeper_view *v); /* waiters are dropped without a callback */

struct token_now {
    struct str authorization; /* "Bearer ..." borrowed until the loop's next turn: copy it or use it
                                 at once */
    uint64_t generation;      /* for keeper_token_refused() */
    int64_t fetched_mono_ms;
};
/* False when there is none or it has expired (an expired token is never handed out). */
NODISCARD bool keeper_token(const struct keeper_view *v, enum keeper_token which,
                            struct token_now *ret);
/* The keys as of now; borrowed until the loop's next turn. */
struct keyring keeper_keyring(const struct keeper_view *v);

/* ---- waiting: embedded in the caller; on_ready runs from the loop with ERR_OK or the error to
 * answer */
struct keeper_wait;
typedef void keeper_wait_fn(struct keeper_wait *w, enum err outcome);
struct keeper_wait {
    keeper_wait_fn *on_ready;
    void *arg;
    struct keeper_wait *next, *prev;
    struct timer timer;
    int kind;
    uint64_t asked;
    enum err outcome;
    size_t issuer;
    char kid[KID_BYTES_MAX + 1];
    struct keeper_view *view; /* NULL: not waiting */
};
/* ERR_OK: a token is there now. Failures: ERR_TOKEN_UNAVAILABLE (fetch failed or deadline),
 * ERR_UPSTREAM_REFUSED_CREDENTIALS (the token endpoint refuses our credentials), ERR_OVERLOADED
 * (too many wait). One fetch a process however many ask; never sooner than the back-off allows, in
 * which case the answer is immediate (but still from the loop). */
void keeper_wait_token(struct keeper_view *v, struct keeper_wait *w, enum keeper_token which,
                       int64_t deadline_ms, keeper_wait_fn *fn, void *arg);
/* After JWT_UNKNOWN_KID or JWT_KEYS_MISSING. ERR_OK: the key sets have changed or were looked at
 * again: verify once more, and if the kid is still unknown that is ERR_INVALID_TOKEN.
 * ERR_INVALID_TOKEN: the last fetch for the issuer succeeded within the cool-down (30 s): no fetch.
 * ERR_KEYS_UNAVAILABLE: the fetch failed, or never succeeded and is in back-off. ERR_OVERLOADED:
 * too many wait already. */
void keeper_wait_kid(struct keeper_view *v, struct keeper_wait *w, size_t issuer, struct str kid,
                     int64_t deadline_ms, keeper_wait_fn *fn, void *arg);
/* After JWT_SIGNATURE or JWT_KEY_ALG: the vendor may have put another key under a kid that we hold.
 * False, and nothing waits: the last fetch for the issuer succeeded within the cool-down, or failed
 * and the back-off runs, or too many wait already: the token is refused as it stands. True:
 * on_ready runs with ERR_OK, whatever came of the fetch: verify once more. */
NODISCARD bool keeper_wait_new_keys(struct keeper_view *v, struct keeper_wait *w, size_t issuer,
                                    int64_t deadline_ms, keeper_wait_fn *fn, void *arg);
void keeper_wait_cancel(struct keeper_wait *w); /* idempotent */

/* The vendor answered 401 to the token of this generation: dropped only if it is still the cached
 * one; one renewal follows. After several young tokens were refused in a row the last one stays in
 * use for a pause, under a new generation. background: do not drop, only renew, at most once in the
 * pause (a bare 401 on authenticate). */
void keeper_token_refused(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                          bool background);

/* The vendor answered 403 to the token of this generation, or 401 although it had been renewed for
 * the very call: counted, and an error is logged, at most once in a pause. After a 403 the token is
 * renewed once, no sooner than a pause later: a right that was granted meanwhile reaches new tokens
 * alone. However often an app provokes it, it costs no more. */
void keeper_token_alarm(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                        int status);

/* ---- status, any thread */
struct keeper_status {
    bool token_ok[KEEPER_TOKEN_COUNT];   /* a token is valid now */
    bool token_ever[KEEPER_TOKEN_COUNT]; /* one was fetched since start */
    bool token_wanted[KEEPER_TOKEN_COUNT];
    bool keys_ever;       /* every issuer's keys were loaded once */
    bool keys_ok;         /* no issuer's set is older than the stale limit */
    char last_error[160]; /* no secrets; "" when all is well */
};
void keeper_status(struct keeper *k, struct keeper_status *ret);
