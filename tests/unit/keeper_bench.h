/* SPDX-License-Identifier: Apache-2.0
 * identity/keeper with a scripted vendor, one view and one loop: what its tests share. */
#pragma once

#include <stdatomic.h>

#include "identity/keeper_internal.h"
#include "script_server.h"

enum { WAITS_MAX = 2100, FAR_MS = 20000 };

/* The test sets what the vendor answers, the server's thread reads it. */
struct vendor {
    atomic_int token_status;
    atomic_int expires_in_s;
    atomic_uint token_calls;
    atomic_bool hold_token;  /* no answer */
    atomic_bool drop_reused; /* closes a connection on which a token was asked for a second time */
    atomic_uint token_repeats; /* token requests with the body of the one before */
    atomic_int jwks_status;
    atomic_uint jwks_calls;
    atomic_bool hold_jwks;
    atomic_uint kid; /* the set holds "k-<kid>" */
    const char *jwks_type;
    _Atomic(const char *) jwks_document; /* NULL: the set with the kid */
};
extern struct vendor vendor;

struct bench {
    struct script_server *server;
    struct config config;
    struct issuer issuer;
    struct client_identity *identity; /* NULL: none */
    struct keeper_limits limits;
    struct keeper *keeper;
    struct keeper_view *view;
    struct loop *loop;
    struct timer guard, poll;
    unsigned open; /* waits that were not told yet; at 0 run() ends */
    struct keeper_wait waits[WAITS_MAX];
    enum err outcomes[WAITS_MAX];
    bool (*until)(void);
};
extern struct bench bench;

/* Once, before and after all tests. False: no crypto. */
bool bench_init(void);
void bench_finish(void);

/* A test: set_up, change vendor, config and limits, start, ..., tear_down. */
void bench_set_up(void);
void bench_start(void);
void bench_tear_down(void);

/* Runs the view's loop until the open waits are told, or until the condition holds. */
void bench_run(void);
void bench_run_until(bool (*condition)(void));

/* For keeper_wait_*(), with the address of an outcome. */
void bench_on_ready(struct keeper_wait *w, enum err outcome);
void wait_kid_start(size_t i, const char *kid);
enum err wait_kid(const char *kid);
bool keys_are_there(void);
bool has_kid(const char *kid);
