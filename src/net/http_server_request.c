/* SPDX-License-Identifier: Apache-2.0
 * The life of a request: gate and route when its header is there, body, start, suspend, answer,
 * end. Each request is suspended at most once and resumed as often; its phase says which of the
 * parser's calls may come next. */
#include <assert.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "net/http_server_int.h"
#include "observe/metrics.h"

enum { FREE_REQUESTS_MAX = 256 };

/* ---- taking and giving back */

static struct request *take(struct http_server *s)
{
    struct request *req = s->free_requests;
    if (req) {
        s->free_requests = req->next_free;
        s->free_request_count--;
        req->next_free = NULL;
        return req;
    }
    req = calloc(1, sizeof(*req));
    if (!req)
        return NULL;
    req->server = s;
    arena_init(&req->arena, REQUEST_ARENA_MAX_BYTES);
    buf_init(&req->body, s->options.body_max_bytes);
    buf_init(&req->answer.body, ANSWER_BODY_MAX_BYTES);
    return req;
}

static void destroy(struct request *req)
{
    arena_finish(&req->arena);
    buf_finish(&req->body);
    buf_finish(&req->answer.body);
    free(req);
}

/* Arena and body buffer are cleansed and kept: the next request of this worker needs them. */
static void give_back(struct request *req)
{
    struct http_server *s = req->server;
    if (s->free_request_count == FREE_REQUESTS_MAX) {
        destroy(req);
        return;
    }
    arena_reset(&req->arena);
    buf_reset(&req->body);
    buf_finish(&req->answer.body);
    const struct arena arena = req->arena;
    const struct buf body = req->body;
    *req = (struct request){.server = s, .arena = arena, .body = body};
    req->next_free = s->free_requests;
    s->free_requests = req;
    s->free_request_count++;
}

void request_pool_finish(struct http_server *s)
{
    while (s->free_requests) {
        struct request *req = s->free_requests;
        s->free_requests = req->next_free;
        destroy(req);
    }
    s->free_request_count = 0;
}

struct request *request_begin(struct http_conn *conn, struct str target)
{
    struct request *req = take(conn->server);
    if (!req)
        return NULL;
    /* Of a target over the limit only the length matters: it is refused. */
    const bool too_long = target.len > conn->server->limits.uri_max_bytes;
    req->target = arena_copy(&req->arena, too_long ? STR("/") : target);
    if (!req->target.ptr) {
        give_back(req);
        return NULL;
    }
    req->target_bytes = target.len;
    req->hold = conn->server->options.hold;
    if (req->hold)
        hold_take(req->hold);
    req->conn = conn;
    conn->req = req;
    if (conn->phase != CONN_HEADER)
        conn_enter(conn, CONN_HEADER);
    return req;
}

/* ---- the answer goes to the parser */

static bool add_field(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_fields(struct MHD_Response *response, const struct request *req)
{
    const struct answer *a = &req->answer;
    bool good = add_field(response, "X-Request-Id", req->id) &&
                add_field(response, "Cache-Control", "no-store") &&
                add_field(response, "X-Content-Type-Options", "nosniff");
    if (a->content_type)
        good = good && add_field(response, "Content-Type", a->content_type);
    for (size_t i = 0; i < a->header_count; i++)
        good = good && add_field(response, a->headers[i].name, a->headers[i].value);
    if (a->close || atomic_load_explicit(req->server->options.draining, memory_order_relaxed))
        good = good && add_field(response, "Connection", "close");
    return good;
}

static bool queue_answer(struct request *req)
{
    const struct answer *a = &req->answer;
    const struct str body = a->static_body.ptr ? a->static_body : buf_str(&a->body);
    /* The bytes stay with the request, which ends after the parser has sent them. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer_static(body.len, body.ptr ? body.ptr : "");
    if (!response)
        return false;
    const bool queued =
        add_fields(response, req) &&
        MHD_queue_response(req->conn->mhd, (unsigned)a->status, response) == MHD_YES;
    MHD_destroy_response(response);
    if (!queued)
        return false;
    req->phase = REQUEST_QUEUED;
    conn_enter(req->conn, CONN_ANSWERING);
    return true;
}

void server_resume(struct request *req)
{
    assert(req->phase == REQUEST_ANSWERED || req->phase == REQUEST_ABANDONED);
    deferred_cancel(req->server->loop, &req->gone_later);
    deferred_cancel(req->server->loop, &req->start_later);
    MHD_resume_connection(req->conn->mhd);
    req->server->run_daemon = true;
}

/* ---- header */

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len)
{
    struct request *req = cls;
    const struct header_field field = {{name, name_len}, {value ? value : "", value_len}};
    (void)kind;
    gate_field(&req->facts, field.name, field.value);
    req->fields[req->field_count++] = field;
    return MHD_YES;
}

static bool collect_fields(struct request *req)
{
    struct MHD_Connection *mhd = req->conn->mhd;
    const int count = MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, NULL, NULL);
    if (count <= 0)
        return count == 0;
    req->fields = arena_alloc(&req->arena, (size_t)count * sizeof(*req->fields));
    return req->fields && MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, req) == count;
}

static void set_ids(struct request *req)
{
    const struct str id = request_header(req, "X-Request-Id");
    if (request_header_count(req, "X-Request-Id") == 1 && request_id_is_valid(id))
        memcpy(req->id, id.ptr, id.len);
    else
        request_id_make(req->id);
    const bool one = request_header_count(req, "traceparent") == 1;
    traceparent_make(one ? request_header(req, "traceparent") : (struct str){NULL, 0},
                     req->traceparent);
}

/* All X-Forwarded-For fields as one list (RFC 9110 §5.3). Without memory for it: the peer. */
static struct str forwarded_for(struct request *req)
{
    struct str joined = {NULL, 0};
    for (size_t i = 0; i < req->field_count; i++) {
        const struct str value = req->fields[i].value;
        if (!str_eq_nocase(req->fields[i].name, STR("X-Forwarded-For")))
            continue;
        if (!joined.ptr) {
            joined = value;
            continue;
        }
        joined = str_of(arena_printf(&req->arena, "%.*s,%.*s", (int)joined.len, joined.ptr,
                                     (int)value.len, value.ptr));
        if (!joined.ptr)
            return joined;
    }
    return joined;
}

static struct ip client_of(struct request *req)
{
    const struct cidr_list *trusted = req->server->options.trusted_proxies;
    if (!trusted || trusted->count == 0)
        return req->conn->peer;
    return client_address(trusted, req->conn->peer, forwarded_for(req));
}

static bool takes_query(const struct request *req)
{
    return !str_starts_with(req->path, STR("/v1/"));
}

static struct gate_verdict check_route(struct request *req)
{
    const struct http_server_options *o = &req->server->options;
    gate_split_target(req->target, &req->path, &req->query);
    req->match = route_find(o->routes, o->route_count, req->method, req->path);
    if (req->match.route)
        return (struct gate_verdict){0};
    if (req->match.allowed == 0)
        return (struct gate_verdict){.code = ERR_NOT_FOUND, .reason = "no route"};

    AUTO_BUF struct buf allow = {0};
    buf_init(&allow, 128);
    route_write_allow(&allow, req->match.allowed);
    request_add_header(req, "Allow", buf_ok(&allow) ? allow.ptr : "");
    return (struct gate_verdict){.code = ERR_METHOD_NOT_ALLOWED, .reason = "no such method"};
}

static struct gate_verdict check_header(struct request *req)
{
    const struct gate_facts *facts = &req->facts;
    const struct gate_limits *limits = &req->server->limits;
    struct gate_verdict v = gate_check_message(facts, limits);
    if (v.code == ERR_OK)
        v = check_route(req);
    if (v.code == ERR_OK)
        v = gate_check_fields(facts, takes_query(req));
    if (v.code == ERR_OK)
        v = gate_check_body_size(facts, limits);
    if (v.code != ERR_OK)
        return v;
    return req->match.route->body == BODY_NONE ? gate_check_no_body(facts)
                                               : gate_check_json_body(facts);
}

/* The parser ends a connection whose answer comes before the end of the request. So a refusal waits
 * for the body where that is short and surely on its way, and the connection stays usable; any
 * other body is not waited for. */
static bool refuse(struct request *req, const struct gate_verdict *v)
{
    struct failure f = failure_of(v->code);
    uint64_t bytes;
    const enum gate_body body = gate_body(&req->facts, &bytes);
    const bool soon_complete =
        body == GATE_BODY_ABSENT || (body == GATE_BODY_SIZED && req->facts.expects == 0 &&
                                     bytes <= req->server->limits.body_max_bytes);
    f.reason = v->reason;
    f.close_connection = v->close || !soon_complete;
    answer_problem(req, &f);
    if (!f.close_connection) {
        conn_enter(req->conn, CONN_BODY);
        return true;
    }
    req->conn->linger = true;
    req->phase = REQUEST_ANSWERED;
    return queue_answer(req);
}

static bool on_header(struct request *req, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    req->header_seen = true;
    req->started_us = clock_mono_us();
    req->started_wall_ms = clock_wall_ms();
    req->client = req->conn->peer;
    req->method = http_method_parse(str_of(method));
    metric_gauge_add(M_HTTP_SERVER_ACTIVE, req->method, 0, 1);

    const bool collected = collect_fields(req);
    set_ids(req);
    req->client = client_of(req);
    req->facts.method = str_of(method);
    req->facts.target = (struct str){req->target.ptr, req->target.len};
    req->facts.target_bytes = req->target_bytes;
    req->facts.http_1_0 = str_is(str_of(version), MHD_HTTP_VERSION_1_0);
    req->facts.header_bytes = info ? info->header_size : SIZE_MAX;

    const struct gate_verdict full = {ERR_HEADERS_TOO_LARGE, "too many fields", true};
    const struct gate_verdict v = collected ? check_header(req) : full;
    if (v.code != ERR_OK)
        return refuse(req, &v);
    req->body.max = req->server->limits.body_max_bytes; /* as of now, whatever comes meanwhile */
    conn_enter(req->conn, CONN_BODY);
    return true;
}

/* ---- body */

static bool on_body(struct request *req, const char *data, size_t *data_bytes)
{
    const size_t bytes = *data_bytes;
    *data_bytes = 0;
    if (req->conn->input_ended)
        conn_wake_parser(req->conn);
    if (req->answer.status != 0)
        return true; /* refused: read to its end and dropped */
    enum err e = ERR_PAYLOAD_TOO_LARGE;
    if (bytes <= req->body.max - req->body.len) {
        buf_append(&req->body, (struct str){data, bytes});
        if (buf_ok(&req->body))
            return true;
        e = ERR_NO_MEMORY;
    }
    /* In the middle of a body the parser takes no answer. */
    struct failure f = failure_of(e);
    f.reason = "chunked body over the limit";
    conn_cut(req->conn, &f);
    return false;
}

/* ---- start */

static enum err admit(struct request *req, enum shed_reason *ret_reason)
{
    const struct http_server_options *o = &req->server->options;
    const bool counted = req->match.route->counted_in_flight;
    *ret_reason = SHED_DRAINING;
    if (req->server->stopping)
        return ERR_DRAINING;
    if (!counted)
        return ERR_OK;
    if (atomic_load_explicit(o->refusing, memory_order_relaxed))
        return ERR_DRAINING;
    *ret_reason = SHED_IN_FLIGHT;
    if (atomic_fetch_add_explicit(o->in_flight, 1, memory_order_relaxed) >= o->in_flight_max) {
        (void)atomic_fetch_sub_explicit(o->in_flight, 1, memory_order_relaxed);
        return ERR_OVERLOADED;
    }
    req->in_flight = true;
    return ERR_OK;
}

static void start(struct request *req)
{
    enum shed_reason reason;
    req->phase = REQUEST_STARTING;
    if (req->match.route->body == BODY_JSON && req->body.len == 0) {
        struct failure f = failure_of(ERR_INVALID_JSON);
        f.reason = "empty chunked body";
        request_fail(req, &f);
        return;
    }
    const enum err e = admit(req, &reason);
    if (e != ERR_OK) {
        const struct failure f = failure_of(e);
        count_shed(reason);
        request_fail(req, &f);
        return;
    }
    req->match.route->start(req);
}

/* False: the turn has started so many that the others wait for the next, in their order. */
static bool may_start(struct http_server *s)
{
    const uint64_t turn = loop_turn(s->loop);

    if (s->starts_turn != turn) {
        s->starts_turn = turn;
        s->starts = 0;
    }
    /* At the end there is no next turn, and all are refused. */
    return s->starts++ < SERVER_STARTS_PER_TURN || s->stopping;
}

static void on_start_later(struct deferred *d)
{
    struct request *req = d->arg;

    if (!may_start(req->server)) {
        loop_defer(req->server->loop, &req->start_later, on_start_later, req);
        return;
    }
    start(req);
    if (req->phase == REQUEST_STARTING)
        req->phase = REQUEST_SUSPENDED;
    else
        server_resume(req);
}

static bool on_complete(struct request *req)
{
    conn_enter(req->conn, CONN_HANDLING);
    if (req->answer.status != 0) {
        req->phase = REQUEST_ANSWERED;
        return queue_answer(req);
    }
    req->deadline_ms = loop_now_ms(req->server->loop) + req->server->options.request_timeout_ms;
    if (may_start(req->server))
        start(req);
    else
        loop_defer(req->server->loop, &req->start_later, on_start_later, req);
    if (req->phase == REQUEST_ANSWERED)
        return queue_answer(req);
    if (req->phase == REQUEST_ABANDONED)
        return false;
    req->phase = REQUEST_SUSPENDED;
    MHD_suspend_connection(req->conn->mhd);
    return true;
}

bool request_step(struct request *req, const char *method, const char *version, const char *data,
                  size_t *data_bytes)
{
    if (req->conn->phase == CONN_CUT)
        return false;
    switch (req->phase) {
    case REQUEST_ARRIVING:
        if (!req->header_seen)
            return on_header(req, method, version);
        return *data_bytes > 0 ? on_body(req, data, data_bytes) : on_complete(req);
    case REQUEST_ANSWERED:
        return queue_answer(req);
    case REQUEST_ABANDONED:
        return false;
    case REQUEST_STARTING:
    case REQUEST_SUSPENDED:
    case REQUEST_QUEUED:
        break;
    }
    assert(false && "the parser called out of turn");
    return false;
}

/* ---- end */

static struct outcome outcome_of(const struct request *req, bool client_left)
{
    const bool sent = req->answer.status != 0 && req->phase != REQUEST_ABANDONED;
    if (sent && (!client_left || req->phase != REQUEST_QUEUED))
        return (struct outcome){req->answer.status, req->answer.code, req->answer.reason};
    if (client_left || req->phase == REQUEST_ABANDONED)
        return (struct outcome){STATUS_CLIENT_LEFT, ERR_PENDING, "the client left"};
    return (struct outcome){400, ERR_INVALID_REQUEST, "refused by the HTTP parser"};
}

void request_end(struct request *req, bool client_left)
{
    struct http_server *s = req->server;
    deferred_cancel(s->loop, &req->gone_later);
    deferred_cancel(s->loop, &req->start_later);
    if (req->on_end)
        req->on_end(req->on_end_arg);
    if (req->header_seen) {
        const struct outcome o = outcome_of(req, client_left);
        log_request(req, &o);
        metric_gauge_add(M_HTTP_SERVER_ACTIVE, req->method, 0, -1);
    }
    if (req->in_flight)
        (void)atomic_fetch_sub_explicit(s->options.in_flight, 1, memory_order_relaxed);
    req->conn->req = NULL;
    if (req->conn->phase != CONN_CUT)
        conn_enter(req->conn, CONN_IDLE);
    struct hold *hold = req->hold;
    give_back(req);
    if (hold)
        hold_put(hold);
}
