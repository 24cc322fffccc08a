/* SPDX-License-Identifier: Apache-2.0
 * What the files of the keeper share; nobody else includes it (but its test, for shorter times).
 *   keeper.c        the thread's life, publishing, the asks of the views, status
 *   keeper_token.c  one token: fetched, renewed, refused         (keeper's thread)
 *   keeper_trial.c  new credentials, tried before they count     (keeper's thread)
 *   keeper_credentials.c  what we prove ourselves with           (any thread)
 *   keeper_keys.c   one issuer's key set: fetched, refreshed     (keeper's thread)
 *   keeper_view.c   a worker's view: reading, asking, waiting    (that worker's thread)
 *   keeper_reload.c another configuration                        (keeper's thread)
 *   keeper_policy.c when to fetch                                (pure) */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "identity/keeper.h"
#include "identity/keeper_policy.h"
#include "identity/token_endpoint.h"

enum { KEEPER_ERROR_BYTES = 160 };

/* What requests wait for. Each kind may take one in so many of the requests in flight that the
 * process allows (but always a few): requests that need nothing from the vendor's slow endpoint are
 * served meanwhile. Whoever waits for keys has proved nothing yet, so those get less, and who has
 * a bad signature gets least.
 * X(enum, "metric label", part) */
#define KEEPER_WAITERS_TABLE(X)                                                                    \
    X(WAITERS_FOR_TOKEN, "token", 2)                                                               \
    X(WAITERS_FOR_KID, "kid", 4)                                                                   \
    X(WAITERS_FOR_NEW_KEYS, "new_keys", 16)
enum keeper_waiters {
#define X(id, label, part) id,
    KEEPER_WAITERS_TABLE(X)
#undef X
        KEEPER_WAITERS_COUNT
};
enum { KEEPER_WAITERS_LEAST = 8 };

enum token_alarm { TOKEN_ALARM_401, TOKEN_ALARM_403, TOKEN_ALARM_COUNT };

/* ---- snapshots: immutable, shared by all threads, freed with the last reference */

struct token_snapshot {
    struct fetch_state state;
    char *authorization; /* owned, cleansed; NULL: none */
    size_t authorization_len;
    uint64_t generation;
    int64_t fetched_ms, expires_ms;
    int64_t expiry_wall_s, renewal_wall_s; /* for the metrics */
};

struct keeper_snapshot {
    atomic_uint references;
    struct token_snapshot tokens[KEEPER_TOKEN_COUNT];
    size_t issuer_count;
    struct fetch_state *key_states; /* [issuer_count], owned */
    struct keyset **sets;           /* [issuer_count], owned with a reference each; NULL: none */
};

struct keeper_snapshot *snapshot_ref(struct keeper_snapshot *s);
void snapshot_unref(struct keeper_snapshot *s); /* accepts NULL */

/* ---- the keeper */

/* One call to the token endpoint. */
struct token_call {
    struct call *call; /* while it runs */
    struct buf body, basic;
    int64_t started_ms;
};

/* Credentials that a reload brought: they count once a token was fetched with them. */
struct token_trial {
    struct client_credentials *credentials; /* owned; NULL: no trial */
    struct fetch_state state;
    struct timer timer;
    struct token_call call;
    char error[KEEPER_ERROR_BYTES]; /* of the last attempt */
};

struct token_slot {
    struct keeper *keeper;
    enum keeper_token which;
    const char *name; /* "client", "admin" */
    bool wanted;
    struct client_credentials *credentials; /* owned; NULL: not wanted */
    struct token_trial trial;

    struct fetch_state state;
    struct timer timer;
    struct token_call call;

    char *authorization; /* owned; NULL: none */
    uint64_t generation;
    int64_t fetched_ms, expires_ms;
    int64_t expiry_wall_s, renewal_wall_s; /* as planned when it came */
    unsigned refused_in_row;
    int64_t background_ms;               /* of the last renewal in the background */
    uint64_t forbidden;                  /* generation that a 403 had renewed; 0: none */
    int64_t alarm_ms[TOKEN_ALARM_COUNT]; /* of the last line; 0: none */
    char error[KEEPER_ERROR_BYTES];      /* of the last attempt; "" when it was good */
};

struct keys_slot {
    struct keeper *keeper;
    const struct issuer *issuer;
    struct fetch_state state;
    struct timer timer;
    struct call *call;
    struct keyset *set; /* NULL: none, or dropped as stale */
    char error[KEEPER_ERROR_BYTES];
};

struct keeper {
    const struct config *config; /* of now */
    const struct trust *trust;
    struct client_identity *identity; /* NULL: none */
    struct resolver *resolver;
    const struct keeper_limits *limits;
    char *token_url;        /* owned, as the issuers: these two outlive configurations */
    struct issuer *issuers; /* [issuer_count] */
    size_t issuer_count;
    struct loop *loop;
    struct http_client *client;
    pthread_t thread;
    bool thread_started;
    /* the keeper's thread alone */
    struct token_slot tokens[KEEPER_TOKEN_COUNT];
    struct keys_slot *keys; /* [issuer_count] */
    uint64_t last_generation;
    struct timer republish; /* memory was out */

    atomic_uint waiting[KEEPER_WAITERS_COUNT];          /* in all views */
    _Atomic unsigned waiting_max[KEEPER_WAITERS_COUNT]; /* a reload changes them */

    pthread_mutex_t lock;            /* guards what follows, and the mailbox of each view */
    struct keeper_snapshot *current; /* never NULL while the thread runs */
    struct keeper_view *views;       /* closed ones included, until keeper_stop() */
    char last_error[KEEPER_ERROR_BYTES];
};

/* keeper_start() with other times. */
NODISCARD enum err keeper_start_with(const struct config *config, const struct trust *trust,
                                     struct client_identity *identity, struct resolver *resolver,
                                     const struct keeper_limits *limits, struct keeper **ret,
                                     struct err_text *reterr);

/* The client of a keeper that goes by this configuration. */
NODISCARD enum err keeper_make_client(struct loop *l, const struct config *config,
                                      const struct trust *trust,
                                      const struct client_identity *identity,
                                      struct resolver *resolver, struct http_client **ret,
                                      struct err_text *reterr);
/* What the configuration says of a token of ours, a copy in memory for secrets; and a share of the
 * identity (NULL: none). *ret NULL on ERR_OK: that token is not wanted. */
NODISCARD enum err keeper_credentials(enum keeper_token which, const struct config *config,
                                      struct client_identity *identity,
                                      struct client_credentials **ret);
bool credentials_same(const struct client_credentials *a, const struct client_credentials *b);
void credentials_free(struct client_credentials *c); /* overwrites them; accepts NULL */

/* How many may wait, by BFF_MAX_IN_FLIGHT; and, on the keeper's thread, the metric of it. */
void keeper_set_waiters(struct keeper *k);
void keeper_show_waiters(const struct keeper *k);

/* Hands the present state to all views. */
void keeper_publish(struct keeper *k);

/* Starts the call; fn is then called once. On failure nothing was started. */
NODISCARD enum err token_call_start(struct keeper *k, struct token_call *c,
                                    const struct client_credentials *credentials, call_done_fn *fn,
                                    void *arg, struct err_text *reterr);
/* Gives it up if it still runs, and what it was made of. */
void token_call_finish(struct token_call *c);

void token_slot_fetch(struct token_slot *t);
/* A token came by a call that was started then. */
void token_slot_take(struct token_slot *t, struct token_grant *grant, int64_t started_ms);
/* As keeper_token_refused(). */
void token_slot_refused(struct token_slot *t, uint64_t generation, bool background);
/* As keeper_token_alarm(). */
void token_slot_alarm(struct token_slot *t, uint64_t generation, enum token_alarm alarm);
void token_slot_ask(struct token_slot *t);
/* Gives up the fetch that is under way, if there is one, as if it had not begun. */
void token_slot_abandon(struct token_slot *t);
/* Not wanted any more: no fetch, no token. */
void token_slot_retire(struct token_slot *t);
void token_slot_finish(struct token_slot *t);

/* Takes the credentials over. The old ones and their token stay until a token came with these, or
 * go at once if none ever came with them. */
void token_slot_try(struct token_slot *t, struct client_credentials *credentials);
void token_trial_fetch(struct token_slot *t);
/* As token_slot_abandon(). */
void token_trial_abandon(struct token_slot *t);
/* No trial any more. */
void token_trial_end(struct token_slot *t);

void keys_slot_fetch(struct keys_slot *s);
void keys_slot_ask(struct keys_slot *s);
/* As token_slot_abandon(). */
void keys_slot_abandon(struct keys_slot *s);
void keys_slot_finish(struct keys_slot *s);

/* ---- a view: made by its worker, freed by keeper_stop(), because posts may still be on their way
 * to either loop when the worker is done with it */

/* What a view wants from the keeper since it was last heard. */
struct view_asks {
    bool token[KEEPER_TOKEN_COUNT];
    uint64_t refused[KEEPER_TOKEN_COUNT];                  /* generation; 0: none */
    uint64_t refused_background[KEEPER_TOKEN_COUNT];       /* likewise */
    uint64_t alarm[KEEPER_TOKEN_COUNT][TOKEN_ALARM_COUNT]; /* likewise */
    bool *keys;                                            /* [issuer_count], owned */
};

struct keeper_view {
    struct keeper *keeper;
    struct keeper_view *next;
    struct loop *loop;

    /* the worker's thread alone */
    struct keeper_snapshot *snapshot;
    uint64_t refused[KEEPER_TOKEN_COUNT];      /* generation not to use again */
    int64_t background_ms[KEEPER_TOKEN_COUNT]; /* of the last wish for a renewal */
    /* of the last alarm that was passed on */
    int64_t alarm_ms[KEEPER_TOKEN_COUNT][TOKEN_ALARM_COUNT];
    uint64_t asked;                    /* the last ask */
    uint64_t answered;                 /* the last ask that the snapshot takes account of */
    struct keeper_wait waiting, ready; /* list heads */
    unsigned ready_count;
    struct deferred deliver;

    /* the keeper's thread alone */
    uint64_t obeyed; /* the last ask that it has acted on */

    /* the mailbox, guarded by keeper->lock */
    bool closed;
    struct view_asks asks;
    uint64_t asks_number; /* the last ask inside */
    bool *spare_keys;     /* owned: the zeroed other half of asks.keys */
    bool asks_posted;
    struct post asks_post; /* on the keeper's loop */
    struct keeper_snapshot *pending;
    uint64_t pending_answered; /* goes with pending */
    bool pending_posted;
    struct post pending_post; /* on the view's loop */
};

/* Under keeper->lock: gives the current snapshot to the view. */
void view_deliver_locked(struct keeper_view *v);
/* Frees what keeper_view_destroy() left. */
void view_free(struct keeper_view *v);
/* On the keeper's thread: a view asks. */
void keeper_on_asks(struct post *p);
