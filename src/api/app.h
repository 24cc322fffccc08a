/* SPDX-License-Identifier: Apache-2.0
 * What a handler can reach: one struct app a worker, given to each request as request_user(). */
#pragma once

#include "config/config.h"
#include "identity/keeper.h"
#include "identity/outbound.h"
#include "identity/seal.h"
#include "identity/store.h"
#include "identity/token_memory.h"
#include "identity/upstream.h"
#include "net/http_client.h"
#include "net/http_server.h"

struct operator_keys; /* name and SHA-256 of each key (api/operator_auth.h) */
struct decoy_shape;   /* length and alphabet of the last genuine challenge (api/decoy.h) */
struct health;        /* readiness of the process (api/ops.h), shared */
struct detached;      /* a call to the vendor that outlives its request (api/detached.h) */

struct app {
    const struct config *config;
    struct loop *loop;
    struct http_client *client; /* this worker's */
    struct keeper_view *keeper; /* this worker's */
    struct seal_ring *seal;     /* shared, immutable */
    struct store *store;        /* shared */
    struct outbound *outbound;  /* shared */
    struct decoy_shape *decoy;  /* shared */
    struct health *health;      /* shared */
    const struct operator_keys
        *operator_keys;      /* shared, immutable; NULL without the operator listener */
    size_t token_memory_max; /* this worker's share; 0: none */
    struct jwt_policy policy;
    struct token_memory *token_memory;    /* owned; NULL: off. For bearer_check() alone. */
    char *vendor_urls[VENDOR_CALL_COUNT]; /* owned: upstream URL + path, built once */
    struct detached *detached;            /* owned, newest first */
    unsigned detached_count;
    struct hold *hold; /* taken by each detached call for its life; NULL: none */
};

/* Registers the label values of the metrics that api/ counts; once, before metrics_start(). */
void api_register_metrics(void);

/* Makes policy, token_memory and vendor_urls from app->config; the other members are set by the
 * caller before. */
NODISCARD enum err app_init(struct app *app);
/* After config, seal or operator_keys were replaced: works out anew what comes of them. */
void app_reconfigure(struct app *app);
/* Gives up the calls that outlived their requests (those who wait for them get `draining`). Call it
 * on the loop's thread after http_server_destroy() and before the client, the keeper's view, the
 * store and the loop go. Accepts a zeroed app. */
void app_finish(struct app *app);
/* Calls to the vendor whose request has ended: a drain waits for these too. */
static inline unsigned app_detached_calls(const struct app *app)
{
    return app->detached_count;
}

/* The whole app API on one screen each: api/routes.c */
extern const struct route PUBLIC_ROUTES[];
extern const size_t PUBLIC_ROUTE_COUNT;
extern const struct route OPERATOR_ROUTES[];
extern const size_t OPERATOR_ROUTE_COUNT;
