/* SPDX-License-Identifier: Apache-2.0
 * The keeper's thread: its life, what it publishes, and the asks that come from the views. All
 * state but the mailbox is the thread's own. */
#include "identity/keeper.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/wipe.h"
#include "identity/keeper_internal.h"
#include "observe/metrics.h"

enum { CONNECTIONS_MAX = 4, REPUBLISH_MS = 100 };

/* ---- snapshots */

struct keeper_snapshot *snapshot_ref(struct keeper_snapshot *s)
{
    (void)atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct keeper_snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        if (s->tokens[i].authorization)
            crypto_cleanse(s->tokens[i].authorization, s->tokens[i].authorization_len);
        free(s->tokens[i].authorization);
    }
    for (size_t i = 0; s->sets && i < s->issuer_count; i++)
        keyset_unref(s->sets[i]);
    free(s->sets);
    free(s->key_states);
    free(s);
}

static bool copy_token(const struct token_slot *t, struct token_snapshot *ret)
{
    *ret = (struct token_snapshot){
        .state = t->state,
        .authorization = t->authorization ? strdup(t->authorization) : NULL,
        .authorization_len = t->authorization ? strlen(t->authorization) : 0,
        .generation = t->generation,
        .fetched_ms = t->fetched_ms,
        .expires_ms = t->expires_ms,
        .expiry_wall_s = t->expiry_wall_s,
        .renewal_wall_s = t->renewal_wall_s,
    };
    return !t->authorization || ret->authorization;
}

/* NULL: out of memory. */
static struct keeper_snapshot *make_snapshot(const struct keeper *k)
{
    const size_t issuer_count = k->issuer_count;
    struct keeper_snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    atomic_init(&s->references, 1);
    s->issuer_count = issuer_count;
    s->key_states = calloc(issuer_count + 1, sizeof(*s->key_states));
    s->sets = calloc(issuer_count + 1, sizeof(struct keyset *));
    bool whole = s->key_states && s->sets;
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT && whole; i++)
        whole = copy_token(&k->tokens[i], &s->tokens[i]);
    for (size_t i = 0; i < issuer_count && whole; i++) {
        s->key_states[i] = k->keys[i].state;
        s->sets[i] = k->keys[i].set ? keyset_ref(k->keys[i].set) : NULL;
    }
    if (whole)
        return s;
    snapshot_unref(s);
    return NULL;
}

/* ---- publishing */

static const char *first_error(const struct keeper *k)
{
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        if (k->tokens[i].error[0])
            return k->tokens[i].error;
        if (k->tokens[i].trial.error[0])
            return k->tokens[i].trial.error;
    }
    for (size_t i = 0; i < k->issuer_count; i++) {
        if (k->keys[i].error[0])
            return k->keys[i].error;
    }
    return "";
}

static void on_republish(struct timer *timer)
{
    keeper_publish(timer->arg);
}

void keeper_publish(struct keeper *k)
{
    struct keeper_snapshot *s = make_snapshot(k);

    if (!s) {
        timer_start(k->loop, &k->republish, loop_now_ms(k->loop) + REPUBLISH_MS, on_republish, k);
        return;
    }
    (void)pthread_mutex_lock(&k->lock);
    struct keeper_snapshot *old = k->current;
    k->current = s;
    (void)snprintf(k->last_error, sizeof(k->last_error), "%s", first_error(k));
    for (struct keeper_view *v = k->views; v; v = v->next) {
        if (!v->closed)
            view_deliver_locked(v);
    }
    (void)pthread_mutex_unlock(&k->lock);
    snapshot_unref(old);
}

/* ---- asks */

static void obey(struct keeper *k, const struct view_asks *asks)
{
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        if (asks->refused[i])
            token_slot_refused(&k->tokens[i], asks->refused[i], false);
        if (asks->refused_background[i])
            token_slot_refused(&k->tokens[i], asks->refused_background[i], true);
        for (size_t a = 0; a < TOKEN_ALARM_COUNT; a++) {
            if (asks->alarm[i][a])
                token_slot_alarm(&k->tokens[i], asks->alarm[i][a], (enum token_alarm)a);
        }
        if (asks->token[i])
            token_slot_ask(&k->tokens[i]);
    }
    for (size_t i = 0; i < k->issuer_count; i++) {
        if (asks->keys[i])
            keys_slot_ask(&k->keys[i]);
    }
}

void keeper_on_asks(struct post *p)
{
    struct keeper_view *v = (void *)((char *)p - offsetof(struct keeper_view, asks_post));
    struct keeper *k = v->keeper;

    (void)pthread_mutex_lock(&k->lock);
    const struct view_asks asks = v->asks;
    v->asks = (struct view_asks){.keys = v->spare_keys};
    v->spare_keys = asks.keys;
    v->asks_posted = false;
    const uint64_t number = v->asks_number;
    const bool closed = v->closed;
    (void)pthread_mutex_unlock(&k->lock);
    if (closed)
        return;
    obey(k, &asks);
    memset(asks.keys, 0, k->issuer_count * sizeof(bool));
    /* Only what is published from here on answers them: an older snapshot may still be on its way.
     */
    v->obeyed = number;
    /* Also when nothing changed: the view waits for this. */
    keeper_publish(k);
}

/* ---- status */

void keeper_status(struct keeper *k, struct keeper_status *ret)
{
    const int64_t now_ms = clock_mono_ms();

    *ret = (struct keeper_status){.keys_ever = true, .keys_ok = true};
    (void)pthread_mutex_lock(&k->lock);
    const struct keeper_snapshot *s = k->current;
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        ret->token_wanted[i] = k->tokens[i].wanted;
        ret->token_ever[i] = s->tokens[i].state.ever_ok;
        ret->token_ok[i] = s->tokens[i].authorization && now_ms < s->tokens[i].expires_ms;
    }
    for (size_t i = 0; i < s->issuer_count; i++) {
        ret->keys_ever = ret->keys_ever && s->key_states[i].ever_ok;
        ret->keys_ok = ret->keys_ok && s->sets[i];
    }
    (void)snprintf(ret->last_error, sizeof(ret->last_error), "%s", k->last_error);
    (void)pthread_mutex_unlock(&k->lock);
}

/* ---- life */

void keeper_set_waiters(struct keeper *k)
{
    static const int64_t PARTS[] = {
#define X(id, label, part) [id] = (part),
        KEEPER_WAITERS_TABLE(X)
#undef X
    };
    for (unsigned i = 0; i < KEEPER_WAITERS_COUNT; i++) {
        const int64_t share = k->config->max_in_flight / PARTS[i];
        const unsigned max = share < KEEPER_WAITERS_LEAST ? KEEPER_WAITERS_LEAST : (unsigned)share;
        atomic_store_explicit(&k->waiting_max[i], max, memory_order_relaxed);
    }
}

void keeper_show_waiters(const struct keeper *k)
{
    for (unsigned i = 0; i < KEEPER_WAITERS_COUNT; i++)
        metric_set(M_KEEPER_WAITING_MAX, i,
                   atomic_load_explicit(&k->waiting_max[i], memory_order_relaxed));
}

static enum err init_token_slots(struct keeper *k)
{
    static const char *const NAMES[KEEPER_TOKEN_COUNT] = {"client", "admin"};
    enum err e = ERR_OK;

    for (size_t i = 0; i < KEEPER_TOKEN_COUNT && e == ERR_OK; i++) {
        const enum keeper_token which = (enum keeper_token)i;
        k->tokens[i] = (struct token_slot){
            .keeper = k,
            .which = which,
            .name = NAMES[i],
        };
        e = keeper_credentials(which, k->config, k->identity, &k->tokens[i].credentials);
        k->tokens[i].wanted = k->tokens[i].credentials != NULL;
    }
    return e;
}

static bool copy_issuers(struct keeper *k)
{
    const struct config *c = k->config;

    k->issuers = calloc(c->issuer_count + 1, sizeof(*k->issuers));
    k->keys = calloc(c->issuer_count + 1, sizeof(*k->keys));
    if (!k->issuers || !k->keys)
        return false;
    k->issuer_count = c->issuer_count;
    for (size_t i = 0; i < k->issuer_count; i++) {
        const struct issuer *from = &c->issuers[i];
        k->issuers[i].issuer = strdup(from->issuer);
        k->issuers[i].jwks_url = from->jwks_url ? strdup(from->jwks_url) : NULL;
        k->keys[i] = (struct keys_slot){.keeper = k, .issuer = &k->issuers[i]};
        if (!k->issuers[i].issuer || (from->jwks_url && !k->issuers[i].jwks_url))
            return false;
    }
    return true;
}

enum err keeper_make_client(struct loop *l, const struct config *config, const struct trust *trust,
                            const struct client_identity *identity, struct resolver *resolver,
                            struct http_client **ret, struct err_text *reterr)
{
    const struct http_client_options options = {
        .trust = trust,
        .identity = client_identity_shown(identity),
        .resolver = resolver,
        .allow_http = config->allow_insecure_upstream,
        /* For a call every few minutes. A connection of HTTP/2 would keep the client secret in its
         * buffers for as long as it lives. */
        .http2 = false,
        .keeps_no_request = true,
        .connect_timeout_ms = config->upstream_connect_timeout_ms,
        .connections_max = CONNECTIONS_MAX,
    };
    return http_client_create(l, &options, ret, reterr);
}

static enum err init_keeper(struct keeper *k, struct err_text *reterr)
{
    const struct config *c = k->config;

    const enum err e = init_token_slots(k);
    if (e != ERR_OK)
        return e;
    keeper_set_waiters(k);
    k->token_url = c->token_url ? strdup(c->token_url) : NULL;
    k->loop = loop_create();
    if (!copy_issuers(k) || !k->loop || (c->token_url && !k->token_url))
        return ERR_NO_MEMORY;
    k->current = make_snapshot(k);
    if (!k->current)
        return ERR_NO_MEMORY;
    return keeper_make_client(k->loop, c, k->trust, k->identity, k->resolver, &k->client, reterr);
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;

    (void)pthread_setname_np(pthread_self(), "keeper");
    wipe_on_this_thread();
    (void)!metrics_thread_join();
    keeper_show_waiters(k);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++)
        token_slot_fetch(&k->tokens[i]);
    for (size_t i = 0; i < k->issuer_count; i++)
        keys_slot_fetch(&k->keys[i]);
    loop_measure(k->loop, LOOP_KEEPER);
    loop_run(k->loop);
    return NULL;
}

/* Signals belong to the main thread. */
static bool start_thread(struct keeper *k)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    k->thread_started = pthread_create(&k->thread, NULL, keeper_main, k) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return k->thread_started;
}

enum err keeper_start_with(const struct config *config, const struct trust *trust,
                           struct client_identity *identity, struct resolver *resolver,
                           const struct keeper_limits *limits, struct keeper **ret,
                           struct err_text *reterr)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (!k)
        return ERR_NO_MEMORY;
    k->config = config;
    k->trust = trust;
    k->identity = identity;
    k->resolver = resolver;
    k->limits = limits;
    (void)pthread_mutex_init(&k->lock, NULL);
    enum err e = init_keeper(k, reterr);
    if (e == ERR_OK && !start_thread(k))
        e = err_set(reterr, ERR_INTERNAL, "the keeper's thread could not be started");
    if (e != ERR_OK) {
        keeper_stop(k);
        return e;
    }
    *ret = k;
    return ERR_OK;
}

enum err keeper_start(const struct config *config, const struct trust *trust,
                      struct client_identity *identity, struct resolver *resolver,
                      struct keeper **ret, struct err_text *reterr)
{
    return keeper_start_with(config, trust, identity, resolver, &KEEPER_LIMITS, ret, reterr);
}

static void free_keeper(struct keeper *k)
{
    http_client_destroy(k->client);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++)
        token_slot_finish(&k->tokens[i]);
    for (size_t i = 0; k->keys && i < k->issuer_count; i++)
        keys_slot_finish(&k->keys[i]);
    while (k->views) {
        struct keeper_view *v = k->views;
        k->views = v->next;
        view_free(v);
    }
    snapshot_unref(k->current);
    free(k->keys);
    for (size_t i = 0; i < k->issuer_count; i++) {
        free(k->issuers[i].issuer);
        free(k->issuers[i].jwks_url);
    }
    free(k->issuers);
    free(k->token_url);
    loop_destroy(k->loop);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

void keeper_stop(struct keeper *k)
{
    if (!k)
        return;
    if (k->thread_started) {
        loop_stop(k->loop);
        (void)pthread_join(k->thread, NULL);
    }
    free_keeper(k);
}
