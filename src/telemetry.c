/* SPDX-License-Identifier: Apache-2.0
 * Starts log and metrics; see telemetry.h. */
#include "telemetry.h"

#include <unistd.h>

#include "api/app.h"
#include "api/ops.h"
#include "base/crypto.h"
#include "base/log.h"
#include "limit_metrics.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "observe/metrics.h"
#include "observe/process_metrics.h"
#include "reload.h"

enum { LOG_FLUSH_MS = 1000 };

static bool start_log(const struct config *config, const struct seal_ring *seal)
{
    uint8_t hash_key[SHA256_BYTES];
    enum log_format format = config->log_format;

    if (!config->log_format_given)
        format = isatty(STDOUT_FILENO) ? LOG_TEXT : LOG_JSON;
    /* From the sealing key, so that replicas that share it hash a user to the same value. */
    const bool good = seal_ring_derive(seal, STR("log user hash"), hash_key) &&
                      log_start(STDOUT_FILENO, format, config->log_level, hash_key);
    crypto_cleanse(hash_key, sizeof(hash_key));
    return good;
}

static double read_log_dropped(void *arg)
{
    return (double)log_dropped();
}

/* Whom the service may call; other calls count as "_OTHER". */
static void register_origins(const struct config *config)
{
    http_client_register_origin(config->upstream_url);
    http_client_register_origin(config->token_url);
    for (size_t i = 0; i < config->issuer_count; i++)
        http_client_register_origin(config->issuers[i].jwks_url);
}

static void register_build_info(void)
{
    static const char *VERSIONS[4];
    const struct {
        const char *label;
        const char *version;
    } rows[ARRAY_LEN(VERSIONS)] = {
        {"version", BFF_VERSION},
        {"libmicrohttpd", http_server_library_version()},
        {"libcurl", http_client_library_version()},
        {"openssl", crypto_library_version()},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        VERSIONS[i] = rows[i].version;
        metric_label_values(M_BUILD_INFO, rows[i].label, &VERSIONS[i], 1);
    }
}

static void register_metrics(const struct config *config)
{
    /* The vendor's operations, and what the keeper calls. */
    static const char *const OPERATIONS[] = {
#define X(id, label, method, path, once, users, class) label,
        VENDOR_CALL_TABLE(X)
#undef X
            "token",
        "jwks", "_OTHER"};
    const struct route_table tables[] = {
        {PUBLIC_ROUTES, PUBLIC_ROUTE_COUNT},
        {OPERATOR_ROUTES, OPERATOR_ROUTE_COUNT},
        {MANAGEMENT_ROUTES, MANAGEMENT_ROUTE_COUNT},
    };

    loop_register_metrics();
    http_server_register_metrics(tables, ARRAY_LEN(tables));
    register_origins(config);
    http_client_register_metrics(OPERATIONS, ARRAY_LEN(OPERATIONS));
    resolver_register_metrics();
    keeper_register_metrics();
    store_metrics_register();
    outbound_register_metrics();
    api_register_metrics();
    reload_register_metrics();
    limit_metrics_register();
    register_build_info();
}

bool telemetry_start(const struct config *config, const struct seal_ring *seal)
{
    register_metrics(config);
    if (!metrics_start())
        return false;
    if (!start_log(config, seal)) {
        metrics_stop();
        return false;
    }
    metric_set(M_BUILD_INFO, 0, 1);
    metric_on_scrape(M_LOG_DROPPED, 0, read_log_dropped, NULL);
    process_metrics_watch();
    return true;
}

void telemetry_toggle_level(enum log_level configured)
{
    const enum log_level before = log_level();
    const enum log_level now = before == LOG_DEBUG ? configured : LOG_DEBUG;

    log_set_level(now);
    LOG_ANYWAY(LOG_INFO, "log.level", "The level of the log was changed by SIGUSR2",
               LOG_S("bff.level.before", log_level_name(before)),
               LOG_S("bff.level.now", log_level_name(now)));
}

void telemetry_stop(void)
{
    log_stop(LOG_FLUSH_MS);
    metrics_stop();
}
