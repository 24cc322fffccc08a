/* SPDX-License-Identifier: Apache-2.0
 * The keeper goes on with another configuration: all that can fail is done first, then everything
 * is exchanged in one turn of its loop. (fault row FK07) */
#include "identity/keeper_internal.h"
#include "net/loop_call.h"

struct reload {
    struct keeper *keeper;
    const struct config *config;
    const struct trust *trust;
    struct client_identity *identity;
    struct client_credentials
        *credentials[KEEPER_TOKEN_COUNT]; /* owned until the keeper has them */
};

static void reload_token(struct token_slot *t, struct client_credentials *credentials)
{
    struct keeper *k = t->keeper;

    (void)pthread_mutex_lock(&k->lock); /* keeper_status() reads it */
    t->wanted = credentials != NULL;
    (void)pthread_mutex_unlock(&k->lock);
    if (t->wanted)
        token_slot_try(t, credentials);
    else
        token_slot_retire(t);
}

/* What failed on the old client may have failed for what the new one mends: the pause is over. */
static bool pause_ends(struct fetch_state *s)
{
    const bool failed = s->last_error != ERR_OK;

    s->failures = 0;
    return failed;
}

static void exchange_keys_calls(struct keeper *k)
{
    for (size_t i = 0; i < k->issuer_count; i++) {
        const bool failed = pause_ends(&k->keys[i].state);
        if (!k->keys[i].call && !failed)
            continue;
        keys_slot_abandon(&k->keys[i]);
        keys_slot_fetch(&k->keys[i]);
    }
}

/* Calls under way on the old client would wait for a pool that trusts what is trusted no longer. */
static void exchange_client(struct keeper *k, struct http_client *client)
{
    bool token[KEEPER_TOKEN_COUNT], trial[KEEPER_TOKEN_COUNT];

    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        token[i] = pause_ends(&k->tokens[i].state) || k->tokens[i].call.call;
        token_slot_abandon(&k->tokens[i]);
        trial[i] = k->tokens[i].trial.call.call != NULL;
        token_trial_abandon(&k->tokens[i]);
    }
    struct http_client *old = k->client;
    k->client = client;
    exchange_keys_calls(k);
    http_client_destroy(old);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        if (token[i])
            token_slot_fetch(&k->tokens[i]);
        if (trial[i])
            token_trial_fetch(&k->tokens[i]);
    }
}

static bool needs_other_client(const struct keeper *k, const struct reload *r)
{
    return k->trust != r->trust ||
           client_identity_shown(k->identity) != client_identity_shown(r->identity) ||
           k->config->upstream_connect_timeout_ms != r->config->upstream_connect_timeout_ms;
}

static enum err on_reload(void *arg, struct err_text *reterr)
{
    struct reload *r = arg;
    struct keeper *k = r->keeper;
    struct http_client *client = NULL;

    if (needs_other_client(k, r)) {
        const enum err e = keeper_make_client(k->loop, r->config, r->trust, r->identity,
                                              k->resolver, &client, reterr);
        if (e != ERR_OK)
            return e;
    }
    k->config = r->config;
    k->trust = r->trust;
    k->identity = r->identity;
    keeper_set_waiters(k);
    keeper_show_waiters(k);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        reload_token(&k->tokens[i], r->credentials[i]);
        r->credentials[i] = NULL;
    }
    if (client)
        exchange_client(k, client);
    keeper_publish(k);
    return ERR_OK;
}

enum err keeper_reload(struct keeper *k, const struct config *config, const struct trust *trust,
                       struct client_identity *identity, struct err_text *reterr)
{
    struct reload r = {.keeper = k, .config = config, .trust = trust, .identity = identity};

    enum err e = ERR_OK;

    for (size_t i = 0; i < KEEPER_TOKEN_COUNT && e == ERR_OK; i++)
        e = keeper_credentials((enum keeper_token)i, config, identity, &r.credentials[i]);
    if (e == ERR_OK)
        e = loop_call(k->loop, on_reload, &r, reterr);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++)
        credentials_free(r.credentials[i]);
    return e;
}
