/* SPDX-License-Identifier: Apache-2.0
 * What the service proves itself with at the token endpoint: taken from a configuration into memory
 * of its own, for it may be in use longer than that configuration. */
#include <string.h>

#include "base/secret.h"
#include "identity/keeper_internal.h"

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* The next piece of the block; NULL for NULL. */
static const char *put(char **at, const char *from, size_t bytes)
{
    char *to = *at;

    if (!from)
        return NULL;
    memcpy(to, from, bytes);
    *at += bytes;
    return to;
}

/* One block: the struct, and behind it what it points to. */
static struct client_credentials *copy(const struct client_credentials *c)
{
    const size_t texts = text_bytes(c->client_id) + text_bytes(c->client_secret) +
                         text_bytes(c->key_id) + text_bytes(c->audience);
    struct client_credentials *to = secret_alloc(sizeof(*to) + texts);

    if (!to)
        return NULL;
    char *at = (char *)(to + 1);
    *to = *c;
    to->client_id = put(&at, c->client_id, text_bytes(c->client_id));
    to->client_secret = put(&at, c->client_secret, text_bytes(c->client_secret));
    to->key_id = put(&at, c->key_id, text_bytes(c->key_id));
    to->audience = put(&at, c->audience, text_bytes(c->audience));
    to->identity = c->identity ? client_identity_share(c->identity) : NULL;
    return to;
}

static struct client_credentials admin_credentials(const struct config *config)
{
    const bool by_secret = config->client_auth == CLIENT_AUTH_SECRET_POST ||
                           config->client_auth == CLIENT_AUTH_SECRET_BASIC;

    return (struct client_credentials){
        .client_id = config->admin_client_id,
        .client_secret = config->admin_client_secret,
        .method = by_secret ? config->client_auth : CLIENT_AUTH_SECRET_POST,
    };
}

static struct client_credentials app_credentials(const struct config *config,
                                                 struct client_identity *identity)
{
    return (struct client_credentials){
        .client_id = config->client_id,
        .client_secret = config->client_secret,
        .method = config->client_auth,
        .identity = identity,
        .assertion_alg = config->client_assertion_alg,
        .key_id = config->client_key_id,
        .audience = config->client_assertion_audience,
    };
}

enum err keeper_credentials(enum keeper_token which, const struct config *config,
                            struct client_identity *identity, struct client_credentials **ret)
{
    const struct client_credentials c =
        which == KEEPER_ADMIN_TOKEN ? admin_credentials(config) : app_credentials(config, identity);

    *ret = c.client_id ? copy(&c) : NULL;
    return !c.client_id || *ret ? ERR_OK : ERR_NO_MEMORY;
}

void credentials_free(struct client_credentials *c)
{
    if (!c)
        return;
    client_identity_free(c->identity);
    secret_free(c);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool credentials_same(const struct client_credentials *a, const struct client_credentials *b)
{
    return client_identity_same(a->identity, b->identity) && a->method == b->method &&
           a->assertion_alg == b->assertion_alg && same_text(a->client_id, b->client_id) &&
           same_text(a->client_secret, b->client_secret) && same_text(a->key_id, b->key_id) &&
           same_text(a->audience, b->audience);
}
