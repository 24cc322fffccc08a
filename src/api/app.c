/* SPDX-License-Identifier: Apache-2.0
 * A worker's share of the application: what is worked out of the configuration once. */
#include "api/app.h"

#include <stdio.h>

#include "api/detached.h"
#include "api/flow.h"
#include "observe/metrics.h"

void api_register_metrics(void)
{
    flow_register_metrics();
    token_memory_register_metrics();
    metric_label_values(M_JWT_VERIFY, "result", JWT_REASON_LABELS, JWT_REASON_COUNT);
}

enum err app_init(struct app *app)
{
    app->policy = jwt_policy_of(app->config);
    for (size_t i = 0; i < VENDOR_CALL_COUNT; i++) {
        const char *path = vendor_call_row((enum vendor_call)i)->path;
        if (asprintf(&app->vendor_urls[i], "%s%s", app->config->upstream_url, path) < 0) {
            app->vendor_urls[i] = NULL;
            return ERR_NO_MEMORY;
        }
    }
    if (app->token_memory_max == 0)
        return ERR_OK;
    app->token_memory = token_memory_create(app->token_memory_max, app->config->issuer_count);
    return app->token_memory ? ERR_OK : ERR_NO_MEMORY;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const struct str_list *a, const struct str_list *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = same_text(a->items[i], b->items[i]);
    return same;
}

static bool same_policy(const struct jwt_policy *a, const struct jwt_policy *b)
{
    return memcmp(a->algorithms, b->algorithms, JWS_ALG_COUNT * sizeof(bool)) == 0 &&
           a->leeway_s == b->leeway_s && a->max_lifetime_s == b->max_lifetime_s &&
           a->max_bytes == b->max_bytes && same_text(a->tenant_id, b->tenant_id) &&
           a->tenant_claim_required == b->tenant_claim_required &&
           same_text(a->client_id, b->client_id) && same_list(a->audiences, b->audiences);
}

void app_reconfigure(struct app *app)
{
    const struct jwt_policy policy = jwt_policy_of(app->config);

    if (app->token_memory && !same_policy(&policy, &app->policy))
        token_memory_forget(app->token_memory);
    app->policy = policy;
}

void app_finish(struct app *app)
{
    detached_give_up_all(app);
    token_memory_destroy(app->token_memory);
    app->token_memory = NULL;
    for (size_t i = 0; i < VENDOR_CALL_COUNT; i++) {
        free(app->vendor_urls[i]);
        app->vendor_urls[i] = NULL;
    }
}
