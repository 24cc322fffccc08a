/* SPDX-License-Identifier: Apache-2.0
 * Builds, runs and takes down one worker. All of it but the loop itself is made and freed on the
 * worker's own thread, so that nothing in it needs a lock. */
#include "worker.h"

#include <limits.h>
#include <stddef.h>

#include "loop_thread.h"

/* How often a draining worker looks whether it is done. */
enum { DRAIN_TICK_MS = 20 };

struct worker {
    struct worker_options options;
    struct loop_thread thread;
    struct app app;
    struct http_server *public_server;
    struct http_server *operator_server; /* NULL without the operator listener */
    _Atomic unsigned operator_connections;
    struct timer drain_timer;
    _Atomic unsigned busy;
    _Atomic bool quiesce_posted;
    struct post quiesce; /* posted once, so it needs no memory of its own */
};

/* ---- on the worker's thread */

static enum err build_client(struct worker *w, struct err_text *reterr)
{
    const struct config *config = w->options.config;
    const struct http_client_options options = {
        .trust = w->options.trust,
        .allow_http = config->allow_insecure_upstream,
        .http2 = config->upstream_http2,
        .connect_timeout_ms = config->upstream_connect_timeout_ms,
        .connections_max = w->options.upstream_connections_max,
        /* Whoever was let in may wait: it is BFF_MAX_IN_FLIGHT that refuses. */
        .waiting_max = (unsigned)config->max_in_flight,
        .user_agent = "biometrics-bff/" BFF_VERSION,
    };
    return http_client_create(w->thread.loop, &options, &w->app.client, reterr);
}

static enum err build_app(struct worker *w, struct err_text *reterr)
{
    w->app.config = w->options.config;
    w->app.loop = w->thread.loop;
    w->app.seal = w->options.seal;
    w->app.store = w->options.store;
    w->app.decoy = w->options.decoy;
    w->app.health = w->options.health;
    w->app.operator_keys = w->options.operator_keys;
    w->app.token_memory_max = w->options.token_memory_max;
    w->app.keeper = keeper_view_create(w->options.keeper, w->thread.loop);
    if (!w->app.keeper)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    return app_init(&w->app);
}

static enum err build_server(struct worker *w, const char *name, int fd, const struct route *routes,
                             size_t route_count, struct http_server **ret, struct err_text *reterr)
{
    const struct config *config = w->options.config;
    const struct http_server_options options = {
        .name = name,
        .routes = routes,
        .route_count = route_count,
        .listen_fd = fd,
        .user = &w->app,
        .trusted_proxies = w->options.trusted_proxies,
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
    };
    return http_server_create(w->thread.loop, &options, ret, reterr);
}

static enum err build(void *arg, struct err_text *reterr)
{
    struct worker *w = arg;
    enum err e = build_client(w, reterr);

    if (e == ERR_OK)
        e = build_app(w, reterr);
    if (e == ERR_OK)
        e = build_server(w, "public", w->options.public_fd, PUBLIC_ROUTES, PUBLIC_ROUTE_COUNT,
                         &w->public_server, reterr);
    if (e == ERR_OK && w->options.operator_fd >= 0)
        e = build_server(w, "operator", w->options.operator_fd, OPERATOR_ROUTES,
                         OPERATOR_ROUTE_COUNT, &w->operator_server, reterr);
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
    http_client_destroy(w->app.client);
    keeper_view_destroy(w->app.keeper);
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

static void on_quiesce(struct post *p)
{
    struct worker *w = (struct worker *)((char *)p - offsetof(struct worker, quiesce));

    http_server_quiesce(w->public_server);
    if (w->operator_server)
        http_server_quiesce(w->operator_server);
    timer_start(w->thread.loop, &w->drain_timer, loop_now_ms(w->thread.loop), on_drain_tick, w);
}

/* ---- any thread */

void worker_quiesce(struct worker *w)
{
    if (atomic_exchange(&w->quiesce_posted, true))
        return;
    loop_post(w->thread.loop, &w->quiesce, on_quiesce);
}

unsigned worker_busy(const struct worker *w)
{
    return atomic_load(&w->busy);
}

void worker_stop(struct worker *w)
{
    loop_thread_stop(&w->thread);
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    loop_thread_finish(&w->thread);
    free(w);
}

enum err worker_start(const struct worker_options *options, struct worker **ret,
                      struct err_text *reterr)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    w->options = *options;
    w->thread = (struct loop_thread){
        .build = build, .tear_down = tear_down, .arg = w, .label = LOOP_WORKER};
    atomic_store(&w->busy, UINT_MAX / 2);

    const enum err e = loop_thread_start(&w->thread, reterr);
    if (e != ERR_OK) {
        free(w);
        return e;
    }
    *ret = w;
    return ERR_OK;
}
