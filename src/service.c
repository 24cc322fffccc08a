/* SPDX-License-Identifier: Apache-2.0
 * Builds the service bottom-up and takes it down in the reverse order. Runs on the main thread. */
#include "service.h"

#include <stdatomic.h>
#include <unistd.h>

#include "api/app.h"
#include "api/decoy.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/log.h"
#include "limit_metrics.h"
#include "net/resolver.h"
#include "observe/metrics.h"
#include "ops_thread.h"
#include "process.h"
#include "worker.h"

enum {
    DESCRIPTORS_RESERVE = 64,        /* log, listeners, key files, resolver */
    DESCRIPTORS_PER_WORKER = 8 + 64, /* epoll instances and event descriptors; lingering sockets */
    CONNECTIONS_MIN = 16,
    WORKERS_MAX = 256,
};

struct service {
    struct settings *settings; /* those of now; a reference */
    FILE *errors;              /* while it starts */
    struct listeners listeners;
    int64_t pulse_every_ms;
    unsigned connections_max;
    struct store *store;
    struct outbound *outbound;
    struct decoy_shape *decoy;
    struct resolver *resolver;
    struct keeper *keeper;
    struct health health;
    _Atomic unsigned connections;
    struct conn_share *share;
    _Atomic unsigned in_flight;
    struct ops_thread *ops;
    struct worker *workers[WORKERS_MAX];
    unsigned worker_count;
};

static bool fail(struct service *s, const char *what, const struct err_text *problem)
{
    (void)fprintf(s->errors, "%s: %s\n", what, problem->text);
    return false;
}

/* ---- limits */

/* The descriptor limit wins over BFF_MAX_CONNECTIONS: accept() that fails for want of descriptors
 * would leave clients hanging instead of refusing them. */
static bool fit_descriptors(struct service *s)
{
    const uint64_t limit = process_raise_descriptors();
    const uint64_t workers = (uint64_t)s->settings->config->workers;
    const uint64_t others = (uint64_t)s->settings->config->upstream_max_connections +
                            DESCRIPTORS_RESERVE + workers * (DESCRIPTORS_PER_WORKER + 1);
    const uint64_t wanted = (uint64_t)s->settings->config->max_connections;
    char text[256];

    s->connections_max = (unsigned)wanted;
    if (wanted + others <= limit)
        return true;
    if (limit < others + CONNECTIONS_MIN) {
        (void)snprintf(text, sizeof(text),
                       "the limit of %llu open descriptors leaves none for it: raise the limit to "
                       "%llu",
                       (unsigned long long)limit, (unsigned long long)(wanted + others));
        config_complain(s->settings->loaded, "BFF_MAX_CONNECTIONS", s->errors, text);
        return false;
    }
    s->connections_max = (unsigned)(limit - others);
    LOG(LOG_WARN, "service.connections_lowered",
        "The descriptor limit is too low for BFF_MAX_CONNECTIONS, which is lowered",
        LOG_I("bff.max_connections.configured", (int64_t)wanted),
        LOG_I("bff.max_connections.effective", (int64_t)s->connections_max),
        LOG_I("process.descriptors.limit", (int64_t)limit),
        LOG_I("process.descriptors.needed", (int64_t)(wanted + others)));
    return true;
}

static unsigned share(int64_t total, int64_t parts)
{
    return (unsigned)((total + parts - 1) / parts);
}

/* ---- building */

static bool build_shared(struct service *s)
{
    struct err_text problem = {0};

    /* First, for the first call of all waits for it. */
    if (resolver_start(s->settings->config, &s->resolver, &problem) != ERR_OK)
        return fail(s, "cannot start the resolver of host names", &problem);
    if (store_create(s->settings->config, &s->store, &problem) != ERR_OK)
        return fail(s, "cannot make the shared tables", &problem);
    store_metrics_watch(s->store);
    s->outbound = outbound_create(s->settings->config);
    s->decoy = decoy_shape_create();
    s->share = conn_share_create((unsigned)s->settings->config->workers);
    if (!s->outbound || !s->decoy || !s->share)
        return fail(s, "cannot start", &(struct err_text){"out of memory"});
    outbound_metrics_watch(s->outbound);
    if (keeper_start(s->settings->config, s->settings->resources.trust,
                     s->settings->resources.identity, s->resolver, &s->keeper, &problem) != ERR_OK)
        return fail(s, "cannot start the keeper of tokens and keys", &problem);
    keeper_metrics_watch(s->keeper);
    s->health.keeper = s->keeper;
    s->health.started_wall_ms = clock_wall_ms();
    return true;
}

static bool start_workers(struct service *s)
{
    struct worker_options options = {
        .settings = s->settings,
        .pulse_every_ms = s->pulse_every_ms,
        .resolver = s->resolver,
        .keeper = s->keeper,
        .store = s->store,
        .outbound = s->outbound,
        .decoy = s->decoy,
        .health = &s->health,
        .public_fd = s->listeners.fds[LISTENER_PUBLIC],
        .operator_fd = s->listeners.fds[LISTENER_OPERATOR],
        .public_inherited = s->listeners.inherited[LISTENER_PUBLIC],
        .operator_inherited = s->listeners.inherited[LISTENER_OPERATOR],
        .in_flight = &s->in_flight,
        .connections = &s->connections,
        .share = s->share,
        .connections_max = s->connections_max,
        .upstream_connections_max =
            share(s->settings->config->upstream_max_connections, s->settings->config->workers),
        .token_memory_max =
            share(s->settings->config->token_memory_max, s->settings->config->workers),
    };
    struct err_text problem = {0};

    while (s->worker_count < (unsigned)s->settings->config->workers) {
        options.number = s->worker_count;
        if (worker_start(&options, &s->workers[s->worker_count], &problem) != ERR_OK)
            return fail(s, "cannot start a worker", &problem);
        s->worker_count++;
        options.operator_fd = -1;
    }
    return true;
}

static bool start_ops(struct service *s)
{
    struct err_text problem = {0};

    if (ops_thread_start(&s->health, s->listeners.fds[LISTENER_MANAGEMENT], s->pulse_every_ms,
                         &s->ops, &problem) != ERR_OK)
        return fail(s, "cannot start the management listener", &problem);
    return true;
}

/* What the metrics say of them. */
static void show_settings(const struct service *s, const struct settings *settings)
{
    const struct client_identity *identity = settings->resources.identity;

    limit_metrics_set(settings->config, s->connections_max);
    metric_set(M_CLIENT_CERT_EXPIRY, 0, identity ? client_identity_expires_s(identity) : 0);
}

struct service *service_start(struct settings *settings, const struct listeners *listeners,
                              int64_t pulse_every_ms, FILE *errors)
{
    struct service *s = calloc(1, sizeof(*s));
    if (!s) {
        (void)fputs("cannot start: out of memory\n", errors);
        return NULL;
    }
    s->settings = settings_ref(settings);
    s->errors = errors;
    s->listeners = *listeners;
    s->pulse_every_ms = pulse_every_ms;

    if (!fit_descriptors(s) || !listeners_open(&s->listeners, settings, errors) ||
        !build_shared(s) || !start_ops(s) || !start_workers(s)) {
        service_destroy(s);
        return NULL;
    }
    show_settings(s, settings);
    listeners_announce(&s->listeners);
    atomic_store(&s->health.listening, true);
    return s;
}

/* ---- other settings */

struct settings *service_settings(const struct service *s)
{
    return s->settings;
}

static enum err prepare_workers(struct service *s, struct settings *settings,
                                struct err_text *reterr)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < s->worker_count && e == ERR_OK; i++)
        e = worker_prepare(s->workers[i], settings, reterr);
    return e;
}

enum err service_reload(struct service *s, struct settings *settings, struct err_text *reterr)
{
    enum err e = prepare_workers(s, settings, reterr);

    if (e == ERR_OK)
        e = keeper_reload(s->keeper, settings->config, settings->resources.trust,
                          settings->resources.identity, reterr);
    if (e != ERR_OK) {
        for (unsigned i = 0; i < s->worker_count; i++)
            worker_discard(s->workers[i]);
        return e;
    }
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_commit(s->workers[i]);
    store_configure(s->store, settings->config);
    outbound_configure(s->outbound, settings->config);
    settings_unref(s->settings);
    s->settings = settings_ref(settings);
    show_settings(s, settings);
    return ERR_OK;
}

bool service_sweep(struct service *s)
{
    bool left = false;

    for (unsigned i = 0; i < s->worker_count; i++)
        left = worker_sweep(s->workers[i]) || left;
    return left;
}

bool service_is_ready(struct service *s)
{
    return health_is_ready(&s->health);
}

bool service_turns(const struct service *s, int64_t now_ms, int64_t within_ms)
{
    for (unsigned i = 0; i < s->worker_count; i++) {
        if (!worker_turns(s->workers[i], now_ms, within_ms))
            return false;
    }
    return ops_thread_turns(s->ops, now_ms, within_ms);
}

static const char *state_of(bool ever, bool now)
{
    if (now)
        return "ok";
    return ever ? "stale" : "waiting";
}

void service_log_state(struct service *s)
{
    struct keeper_status status = {0};
    const int64_t up_ms = clock_wall_ms() - s->health.started_wall_ms;

    keeper_status(s->keeper, &status);
    LOG_ANYWAY(LOG_INFO, "service.state", "The state of the service, as SIGUSR1 asked",
               LOG_I("process.pid", (int64_t)getpid()), LOG_I("process.uptime", up_ms / 1000),
               LOG_B("bff.ready", health_is_ready(&s->health)),
               LOG_B("bff.draining", atomic_load(&s->health.draining)),
               LOG_S("bff.token", state_of(status.token_ever[KEEPER_CLIENT_TOKEN],
                                           status.token_ok[KEEPER_CLIENT_TOKEN])),
               LOG_S("bff.keys", state_of(status.keys_ever, status.keys_ok)),
               LOG_S("bff.breaker", outbound_is_open(s->outbound) ? "open" : "closed"),
               LOG_I("bff.connections", atomic_load(&s->connections)),
               LOG_I("bff.in_flight", atomic_load(&s->in_flight)),
               LOG_I("bff.upstream_limit.now", (int64_t)outbound_limit_per_second(s->outbound)),
               LOG_I("bff.log_dropped", (int64_t)log_dropped()),
               LOG_S("bff.level.now", log_level_name(log_level())),
               LOG_S("error.message", status.last_error[0] ? status.last_error : NULL));
}

/* ---- ending */

void service_begin_drain(struct service *s)
{
    atomic_store(&s->health.draining, true);
}

static void quiesce(struct service *s)
{
    if (s->listeners.fds[LISTENER_PUBLIC] < 0)
        return;
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_quiesce(s->workers[i]);
    listeners_close_for_apps(&s->listeners);
}

/* Sockets that were handed over are left to the next process at once, unless one of ours beside
 * them wants its time. */
void service_shut_door(struct service *s)
{
    if (listeners_are_anothers(&s->listeners))
        quiesce(s);
    else
        listeners_shut_door(&s->listeners);
}

void service_refuse(struct service *s)
{
    quiesce(s);
    atomic_store(&s->health.refusing, true);
}

bool service_is_busy(const struct service *s)
{
    for (unsigned i = 0; i < s->worker_count; i++) {
        if (worker_busy(s->workers[i]) > 0)
            return true;
    }
    return false;
}

/* All workers end before the first loop is freed: a worker may still wake another one's requests
 * while it fails its own. */
void service_destroy(struct service *s)
{
    if (!s)
        return;
    atomic_store(&s->health.draining, true);
    atomic_store(&s->health.refusing, true);
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_stop(s->workers[i]);
    ops_thread_stop(s->ops);
    keeper_stop(s->keeper);
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_destroy(s->workers[i]);
    resolver_destroy(s->resolver);
    conn_share_destroy(s->share);
    outbound_destroy(s->outbound);
    store_destroy(s->store);
    decoy_shape_destroy(s->decoy);
    listeners_close(&s->listeners);
    settings_unref(s->settings);
    free(s);
}
