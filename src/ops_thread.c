/* SPDX-License-Identifier: Apache-2.0
 * The management thread; see ops_thread.h. */
#include "ops_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop_thread.h"

enum {
    READY_TICK_MS = 25,
    OPS_CONNECTIONS_MAX = 64,
    OPS_IN_FLIGHT_MAX = 64,
    OPS_HEADER_TIMEOUT_MS = 5000,
    OPS_BODY_TIMEOUT_MS = 5000,
    OPS_REQUEST_TIMEOUT_MS = 10000,
    OPS_IDLE_TIMEOUT_MS = 75000,
    OPS_BODY_BYTES_MAX = 1024,
    OPS_HEADER_BYTES_MAX = 8192,
    OPS_URI_BYTES_MAX = 1024,
};

struct ops_thread {
    struct health *health; /* borrowed */
    int management_fd;     /* borrowed */
    struct loop_thread thread;
    struct http_server *server;
    struct timer ready_timer;
    _Atomic unsigned connections;
    _Atomic unsigned in_flight;
    struct cidr_list no_proxies;
};

static void on_ready_tick(struct timer *t)
{
    struct ops_thread *o = t->arg;

    if (health_is_ready(o->health)) {
        const int64_t took_ms = clock_wall_ms() - o->health->started_wall_ms;
        LOG_ANYWAY(LOG_INFO, "service.ready", "The service is ready",
                   LOG_I("event.duration", took_ms * 1000000));
        return;
    }
    if (!atomic_load(&o->health->draining))
        timer_start(o->thread.loop, t, loop_now_ms(o->thread.loop) + READY_TICK_MS, on_ready_tick,
                    o);
}

static enum err build(void *arg, struct err_text *reterr)
{
    struct ops_thread *o = arg;
    const struct http_server_options options = {
        .name = "management",
        .routes = MANAGEMENT_ROUTES,
        .route_count = MANAGEMENT_ROUTE_COUNT,
        .listen_fd = o->management_fd,
        .user = o->health,
        .trusted_proxies = &o->no_proxies,
        .header_timeout_ms = OPS_HEADER_TIMEOUT_MS,
        .body_timeout_ms = OPS_BODY_TIMEOUT_MS,
        .idle_timeout_ms = OPS_IDLE_TIMEOUT_MS,
        .request_timeout_ms = OPS_REQUEST_TIMEOUT_MS,
        .body_max_bytes = OPS_BODY_BYTES_MAX,
        .header_max_bytes = OPS_HEADER_BYTES_MAX,
        .uri_max_bytes = OPS_URI_BYTES_MAX,
        .connections_max = OPS_CONNECTIONS_MAX,
        .connections = &o->connections,
        .in_flight_max = OPS_IN_FLIGHT_MAX,
        .in_flight = &o->in_flight,
        .draining = &o->health->draining,
        .refusing = &o->health->refusing,
    };

    timer_start(o->thread.loop, &o->ready_timer, 0, on_ready_tick, o);
    return http_server_create(o->thread.loop, &options, &o->server, reterr);
}

static void tear_down(void *arg)
{
    struct ops_thread *o = arg;

    timer_stop(o->thread.loop, &o->ready_timer);
    http_server_destroy(o->server);
}

enum err ops_thread_start(struct health *health, int management_fd, int64_t pulse_every_ms,
                          struct ops_thread **ret, struct err_text *reterr)
{
    struct ops_thread *o = calloc(1, sizeof(*o));
    if (!o)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    o->health = health;
    o->management_fd = management_fd;
    o->thread = (struct loop_thread){
        .build = build,
        .tear_down = tear_down,
        .arg = o,
        .label = LOOP_MANAGEMENT,
        .name = "management",
        .pulse_every_ms = pulse_every_ms,
    };

    const enum err e = loop_thread_start(&o->thread, reterr);
    if (e != ERR_OK) {
        free(o);
        return e;
    }
    *ret = o;
    return ERR_OK;
}

bool ops_thread_turns(const struct ops_thread *o, int64_t now_ms, int64_t within_ms)
{
    return loop_thread_turns(&o->thread, now_ms, within_ms);
}

void ops_thread_stop(struct ops_thread *o)
{
    if (!o)
        return;
    loop_thread_stop(&o->thread);
    loop_thread_finish(&o->thread);
    free(o);
}
