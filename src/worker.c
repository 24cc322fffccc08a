/* SPDX-License-Identifier: Apache-2.0
 * Builds, runs and takes down one worker. All of it but the loop itself is made and freed on the
 * worker's own thread, so that nothing in it needs a lock. */
#include "worker.h"

#include <assert.h>
#include <limits.h>

#include "loop_thread.h"
#include "net/loop_call.h"
#include "worker_era.h"

/* How often a draining worker looks whether it is done. */
enum { DRAIN_TICK_MS = 20 };

struct worker {
    struct worker_options options;
    struct loop_thread thread;
    struct app app;
    struct era *era; /* the present one: the last of eras */
    struct http_server *public_server;
    struct http_server *operator_server; /* NULL without the operator listener */
    _Atomic unsigned operator_connections;
    struct timer drain_timer;
    _Atomic unsigned busy;

    /* the main thread alone */
    struct era *eras;     /* owned, oldest first: those that are not given back yet */
    struct era *prepared; /* owned; NULL: none */
};

/* ---- on the worker's thread */

static enum err build_client(const struct worker *w, struct era *era, struct err_text *reterr)
{
    const struct config *config = era->settings->config;
    const struct http_client_options options = {
        .trust = era->settings->resources.trust,
        .identity = client_identity_shown(era->settings->resources.identity),
        .resolver = w->options.resolver,
        .allow_http = config->allow_insecure_upstream,
        .http2 = config->upstream_http2,
        .connect_timeout_ms = config->upstream_connect_timeout_ms,
        .connections_max = w->options.upstream_connections_max,
        /* Whoever was let in may wait: it is BFF_MAX_IN_FLIGHT that refuses. */
        .waiting_max = (unsigned)config->max_in_flight,
        .user_agent = "biometrics-bff/" BFF_VERSION,
    };
    return http_client_create(w->thread.loop, &options, &era->client, reterr);
}

/* What the app takes from its era. */
static void enter_era(struct worker *w, struct era *era)
{
    w->app.config = era->settings->config;
    w->app.seal = era->settings->resources.seal;
    w->app.operator_keys = era->settings->resources.operator_keys;
    w->app.hold = &era->hold;
    if (era->client)
        w->app.client = era->client;
    era->client = NULL;
    era->loop = w->thread.loop;
    w->era = era;
}

static enum err build_app(struct worker *w, struct err_text *reterr)
{
    w->app.loop = w->thread.loop;
    w->app.store = w->options.store;
    w->app.outbound = w->options.outbound;
    w->app.decoy = w->options.decoy;
    w->app.health = w->options.health;
    w->app.token_memory_max = w->options.token_memory_max;
    w->app.keeper = keeper_view_create(w->options.keeper, w->thread.loop);
    if (!w->app.keeper)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    return app_init(&w->app);
}

static struct http_server_options server_options(struct worker *w, int fd)
{
    const struct config *config = w->era->settings->config;

    return (struct http_server_options){
        .listen_fd = fd,
        .user = &w->app,
        .trusted_proxies = &w->era->settings->resources.trusted_proxies,
        .header_timeout_ms = config->header_timeout_ms,
        .body_timeout_ms = config->body_timeout_ms,
        .idle_timeout_ms = config->idle_timeout_s * 1000,
        .request_timeout_ms = config->request_timeout_ms,
        .body_max_bytes = (size_t)config->max_body_bytes,
        .header_max_bytes = (size_t)config->max_header_bytes,
        .uri_max_bytes = (size_t)config->max_uri_bytes,
        .connections_max = w->options.connections_max,
        /* Crowds at the public door must not lock the operators out. */
        .connections =
            fd == w->options.operator_fd ? &w->operator_connections : w->options.connections,
        .share = fd == w->options.operator_fd ? NULL : w->options.share,
        .in_flight_max = (unsigned)config->max_in_flight,
        .in_flight = w->options.in_flight,
        .draining = &w->options.health->draining,
        .refusing = &w->options.health->refusing,
        .hold = &w->era->hold,
    };
}

static enum err build_public(struct worker *w, struct err_text *reterr)
{
    struct http_server_options options = server_options(w, w->options.public_fd);

    options.name = "public";
    options.routes = PUBLIC_ROUTES;
    options.route_count = PUBLIC_ROUTE_COUNT;
    return http_server_create(w->thread.loop, &options, &w->public_server, reterr);
}

static enum err build_operator(struct worker *w, struct err_text *reterr)
{
    struct http_server_options options = server_options(w, w->options.operator_fd);

    options.name = "operator";
    options.routes = OPERATOR_ROUTES;
    options.route_count = OPERATOR_ROUTE_COUNT;
    return http_server_create(w->thread.loop, &options, &w->operator_server, reterr);
}

static enum err build(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;
    enum err e = build_client(w, w->eras, reterr);

    enter_era(w, w->eras);
    if (e == ERR_OK)
        e = build_app(w, reterr);
    if (e == ERR_OK)
        e = build_public(w, reterr);
    if (e == ERR_OK && w->options.operator_fd >= 0)
        e = build_operator(w, reterr);
    return e;
}

/* Servers first: they fail what is open, and handlers then still find everything below them. */
static void tear_down(void *arg)
{
    struct worker *w = arg;

    timer_stop(w->thread.loop, &w->drain_timer);
    http_server_destroy(w->operator_server);
    http_server_destroy(w->public_server);
    app_finish(&w->app);
    /* The main thread waits for this one: its lists may be read. */
    for (struct era *e = w->eras; e; e = e->next)
        http_client_destroy(e->last);
    http_client_destroy(w->app.client);
    keeper_view_destroy(w->app.keeper);
}

/* ---- other settings, on the worker's thread */

static enum err on_prepare(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;

    return build_client(w, w->prepared, reterr);
}

static enum err on_discard(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;
    (void)reterr;

    http_client_destroy(w->prepared->client);
    return ERR_OK;
}

static enum err on_commit(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;
    struct era *from = w->era, *to = w->prepared;
    (void)reterr;

    if (to->client)
        from->last = w->app.client;
    enter_era(w, to);
    app_reconfigure(&w->app);
    struct http_server_options options = server_options(w, w->options.public_fd);
    http_server_configure(w->public_server, &options);
    if (w->operator_server)
        http_server_configure(w->operator_server, &options);
    era_follow(from, to);
    return ERR_OK;
}

static unsigned count_busy(const struct worker *w)
{
    unsigned busy = http_server_busy(w->public_server) + app_detached_calls(&w->app);

    if (w->operator_server)
        busy += http_server_busy(w->operator_server);
    return busy;
}

static void on_drain_tick(struct timer *t)
{
    struct worker *w = t->arg;

    atomic_store(&w->busy, count_busy(w));
    timer_start(w->thread.loop, t, loop_now_ms(w->thread.loop) + DRAIN_TICK_MS, on_drain_tick, w);
}

static enum err on_quiesce(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;
    (void)reterr;

    http_server_quiesce(w->public_server, !w->options.public_inherited);
    if (w->operator_server)
        http_server_quiesce(w->operator_server, !w->options.operator_inherited);
    timer_start(w->thread.loop, &w->drain_timer, loop_now_ms(w->thread.loop), on_drain_tick, w);
    return ERR_OK;
}

/* ---- the main thread */

/* A pool keeps connections that were made under its options. */
static bool needs_other_client(const struct settings *from, const struct settings *to)
{
    return from->resources.trust != to->resources.trust ||
           client_identity_shown(from->resources.identity) !=
               client_identity_shown(to->resources.identity) ||
           from->config->upstream_connect_timeout_ms != to->config->upstream_connect_timeout_ms ||
           from->config->max_in_flight != to->config->max_in_flight;
}

static struct era *last_of(struct era *e)
{
    while (e->next)
        e = e->next;
    return e;
}

enum err worker_prepare(struct worker *w, struct settings *settings, struct err_text *reterr)
{
    assert(!w->prepared);
    w->prepared = era_create(settings);
    if (!w->prepared)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    if (!needs_other_client(last_of(w->eras)->settings, settings))
        return ERR_OK;
    const enum err e = loop_call(w->thread.loop, on_prepare, w, reterr);
    if (e != ERR_OK) {
        era_destroy(w->prepared);
        w->prepared = NULL;
    }
    return e;
}

void worker_commit(struct worker *w)
{
    last_of(w->eras)->next = w->prepared;
    (void)!loop_call(w->thread.loop, on_commit, w, NULL);
    w->prepared = NULL;
}

void worker_discard(struct worker *w)
{
    if (!w->prepared)
        return;
    (void)!loop_call(w->thread.loop, on_discard, w, NULL);
    era_destroy(w->prepared);
    w->prepared = NULL;
}

bool worker_sweep(struct worker *w)
{
    while (w->eras->next && atomic_load(&w->eras->over)) {
        struct era *over = w->eras;
        w->eras = over->next;
        era_destroy(over);
    }
    return w->eras->next != NULL;
}

void worker_quiesce(struct worker *w)
{
    (void)!loop_call(w->thread.loop, on_quiesce, w, NULL);
}

bool worker_turns(const struct worker *w, int64_t now_ms, int64_t within_ms)
{
    return loop_thread_turns(&w->thread, now_ms, within_ms);
}

unsigned worker_busy(const struct worker *w)
{
    return atomic_load(&w->busy);
}

void worker_stop(struct worker *w)
{
    loop_thread_stop(&w->thread);
}

static void free_worker(struct worker *w)
{
    while (w->eras) {
        struct era *e = w->eras;
        w->eras = e->next;
        era_destroy(e);
    }
    free(w);
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    loop_thread_finish(&w->thread);
    free_worker(w);
}

enum err worker_start(const struct worker_options *options, struct worker **ret,
                      struct err_text *reterr)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    w->options = *options;
    w->thread = (struct loop_thread){
        .build = build,
        .tear_down = tear_down,
        .arg = w,
        .label = LOOP_WORKER,
        .name = "worker",
        .pulse_every_ms = options->pulse_every_ms,
    };
    w->eras = era_create(options->settings);
    if (!w->eras) {
        free_worker(w);
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    }
    atomic_store(&w->busy, UINT_MAX / 2);

    const enum err e = loop_thread_start(&w->thread, reterr);
    if (e != ERR_OK) {
        free_worker(w);
        return e;
    }
    *ret = w;
    return ERR_OK;
}
