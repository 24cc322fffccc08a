/* SPDX-License-Identifier: Apache-2.0
 * The keeper goes on with another configuration: all that can fail is done first, then everything
 * is exchanged in one turn of its loop. (fault row FK07) */
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "identity/keeper_internal.h"
#include "net/loop_call.h"

struct reload {
    struct keeper *keeper;
    const struct config *config;
    const struct trust *trust;
    char *client_key; /* owned until it is the keeper's */
    size_t client_key_len;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_credentials(const struct client_credentials *a, const struct client_credentials *b)
{
    const bool same_key =
        a->key_pem_len == b->key_pem_len &&
        (a->key_pem_len == 0 || memcmp(a->key_pem, b->key_pem, a->key_pem_len) == 0);

    return same_key && a->method == b->method && same_text(a->client_id, b->client_id) &&
           same_text(a->client_secret, b->client_secret) && same_text(a->key_id, b->key_id) &&
           same_text(a->audience, b->audience);
}

/* The token of the old credentials stays: what the vendor thinks of it shows when it is used. */
static void reload_token(struct token_slot *t, const struct client_credentials *credentials)
{
    struct keeper *k = t->keeper;
    const bool same = same_credentials(&t->credentials, credentials);

    (void)pthread_mutex_lock(&k->lock); /* keeper_status() reads it */
    t->wanted = credentials->client_id != NULL;
    (void)pthread_mutex_unlock(&k->lock);
    t->credentials = *credentials;
    if (!t->wanted) {
        token_slot_retire(t);
        return;
    }
    if (same)
        return;
    token_slot_abandon(t);
    /* The pauses and the refusals were about the others. */
    t->state = (struct fetch_state){.ever_ok = t->state.ever_ok, .last_ok_ms = t->state.last_ok_ms};
    t->refused_in_row = 0;
    LOG(LOG_INFO, "token.credentials_changed", "A token is fetched with new credentials",
        LOG_S("token.client", t->name));
    token_slot_fetch(t);
}

/* Calls under way on the old client would wait for a pool that trusts what is trusted no longer. */
static void exchange_client(struct keeper *k, struct http_client *client)
{
    bool token[KEEPER_TOKEN_COUNT];

    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        token[i] = k->tokens[i].call != NULL;
        token_slot_abandon(&k->tokens[i]);
    }
    struct http_client *old = k->client;
    k->client = client;
    for (size_t i = 0; i < k->issuer_count; i++) {
        if (!k->keys[i].call)
            continue;
        keys_slot_abandon(&k->keys[i]);
        keys_slot_fetch(&k->keys[i]);
    }
    http_client_destroy(old);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        if (token[i])
            token_slot_fetch(&k->tokens[i]);
    }
}

static bool needs_other_client(const struct keeper *k, const struct reload *r)
{
    return k->trust != r->trust ||
           k->config->upstream_connect_timeout_ms != r->config->upstream_connect_timeout_ms;
}

static enum err on_reload(void *arg, struct err_text *reterr)
{
    struct reload *r = arg;
    struct keeper *k = r->keeper;
    struct http_client *client = NULL;

    if (needs_other_client(k, r)) {
        const enum err e =
            keeper_make_client(k->loop, r->config, r->trust, k->resolver, &client, reterr);
        if (e != ERR_OK)
            return e;
    }
    char *old_key = k->client_key;
    const size_t old_key_len = k->client_key_len;
    k->config = r->config;
    k->trust = r->trust;
    k->client_key = r->client_key;
    k->client_key_len = r->client_key_len;
    keeper_set_waiters(k);
    keeper_show_waiters(k);
    for (size_t i = 0; i < KEEPER_TOKEN_COUNT; i++) {
        const struct client_credentials credentials =
            keeper_credentials((enum keeper_token)i, k->config, k->client_key, k->client_key_len);
        reload_token(&k->tokens[i], &credentials);
    }
    if (client)
        exchange_client(k, client);
    r->client_key = old_key;
    r->client_key_len = old_key_len;
    keeper_publish(k);
    return ERR_OK;
}

enum err keeper_reload(struct keeper *k, const struct config *config, const struct trust *trust,
                       struct err_text *reterr)
{
    struct reload r = {.keeper = k, .config = config, .trust = trust};

    if (config->client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT) {
        const enum err e =
            client_key_load(config->client_key_file, &r.client_key, &r.client_key_len, reterr);
        if (e != ERR_OK)
            return e;
    }
    const enum err e = loop_call(k->loop, on_reload, &r, reterr);
    secret_free(r.client_key);
    return e;
}
