/* SPDX-License-Identifier: Apache-2.0
 * The access line and the metrics of the HTTP server. Labels come from closed lists: the route
 * templates, the error table, and the statuses that this service can send. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_server_int.h"
#include "observe/metrics.h"

/* The last of each list catches what is not on it. */
static const char *const LISTENERS[] = {"public", "management", "operator", "_OTHER"};
static const char *const SHED_REASONS[] = {
    [SHED_CONNECTIONS] = "connections",
    [SHED_IN_FLIGHT] = "in_flight",
    [SHED_DRAINING] = "draining",
    [SHED_DESCRIPTORS] = "descriptors",
    [SHED_HEADER_TIMEOUT] = "header_timeout",
    [SHED_BODY_TIMEOUT] = "body_timeout",
    [SHED_SLOW_READER] = "slow_reader",
};
static const int STATUSES[] = {200, 201, 204, 400, 401, 403, 404, 405, 408, 409, 413,
                               414, 415, 417, 422, 429, 431, 499, 500, 502, 503, 504};
static const char *const STATUS_TEXTS[] = {
    "200", "201", "204", "400", "401", "403", "404", "405", "408", "409", "413",    "414",
    "415", "417", "422", "429", "431", "499", "500", "502", "503", "504", "_OTHER",
};
enum {
    ROUTE_LABELS_MAX = 3 * HTTP_ROUTES_MAX,
    ERROR_LABELS_MAX = ERR_COUNT + 1,
    WORKER_LABELS = 64,
    WORKER_LABEL_BYTES = 4,
    FIELDS_OF_ALL = 12,
    USER_AGENT_BYTES_MAX = 256,
};

/* Filled once at start, before any thread. */
static const char *route_labels[ROUTE_LABELS_MAX + 1];
static size_t route_label_count;
static const char *error_labels[ERROR_LABELS_MAX];
static const char *method_labels[HTTP_METHOD_OTHER + 1];

static unsigned index_of(const char *const *list, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], value) == 0)
            return (unsigned)i;
    }
    return (unsigned)count;
}

unsigned listener_label(const char *name)
{
    return index_of(LISTENERS, ARRAY_LEN(LISTENERS) - 1, name);
}

unsigned route_label(const char *path)
{
    return index_of(route_labels, route_label_count, path);
}

static unsigned status_label(int status)
{
    unsigned i = 0;
    while (i < ARRAY_LEN(STATUSES) && STATUSES[i] != status)
        i++;
    return i;
}

static void add_routes(const struct route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (route_label(routes[i].path) == route_label_count &&
            route_label_count < ROUTE_LABELS_MAX)
            route_labels[route_label_count++] = routes[i].path;
    }
}

/* "0", "1", ...; the workers beyond count together. */
static void register_workers(void)
{
    static char texts[WORKER_LABELS][WORKER_LABEL_BYTES];
    static const char *labels[WORKER_LABELS + 1];

    for (unsigned i = 0; i < WORKER_LABELS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%u", i);
        labels[i] = texts[i];
    }
    labels[WORKER_LABELS] = "_OTHER";
    metric_label_values(M_WORKER_CONNECTIONS, "worker", labels, ARRAY_LEN(labels));
}

void http_server_register_metrics(const struct route_table *tables, size_t count)
{
    route_label_count = 0;
    for (size_t i = 0; i < count; i++)
        add_routes(tables[i].routes, tables[i].count);
    route_labels[route_label_count] = "_OTHER";

    for (unsigned m = HTTP_GET; m <= HTTP_METHOD_OTHER; m++)
        method_labels[m] = http_method_name((enum http_method)m);
    /* Indexed by enum err: "" where there is no error. */
    error_labels[ERR_OK] = "";
    error_labels[ERR_PENDING] = "client_left";
    error_labels[ERR_NO_MEMORY] = "overloaded";
    for (size_t i = 0; error_row_at(i); i++)
        error_labels[error_row_at(i)->id] = error_row_at(i)->code;
    error_labels[ERR_COUNT] = "_OTHER";

    metric_label_values(M_HTTP_SERVER_DURATION, "http_request_method", method_labels,
                        ARRAY_LEN(method_labels));
    metric_label_values(M_HTTP_SERVER_DURATION, "http_route", route_labels, route_label_count + 1);
    metric_label_values(M_HTTP_SERVER_DURATION, "http_response_status_code", STATUS_TEXTS,
                        ARRAY_LEN(STATUS_TEXTS));
    metric_label_values(M_HTTP_SERVER_DURATION, "error_type", error_labels, ERR_COUNT + 1);
    metric_label_values(M_HTTP_SERVER_ACTIVE, "http_request_method", method_labels,
                        ARRAY_LEN(method_labels));
    register_workers();
    metric_label_values(M_HTTP_CONNECTIONS, "listener", LISTENERS, ARRAY_LEN(LISTENERS));
    metric_label_values(M_SHED, "reason", SHED_REASONS, ARRAY_LEN(SHED_REASONS));
}

void count_shed(enum shed_reason reason)
{
    metric_add(M_SHED, reason, 0, 1);
}

static unsigned route_label_of(const struct request *req)
{
    const struct http_server *s = req->server;
    if (!req->match.route)
        return (unsigned)route_label_count;
    return s->route_labels[req->match.route - s->options.routes];
}

/* Probes and documents are noise when all is well; what an app asks is always logged. */
static enum log_level level_of(const struct request *req, int status)
{
    if (status >= 500)
        return LOG_WARN;
    const bool quiet = req->match.route && !req->match.route->counted_in_flight && status < 400;
    return quiet ? LOG_DEBUG : LOG_INFO;
}

/* As much of it as tells one client from another. */
static struct str user_agent_of(const struct request *req)
{
    struct str text = request_header(req, "User-Agent");
    if (text.len > USER_AGENT_BYTES_MAX)
        text.len = USER_AGENT_BYTES_MAX;
    return text;
}

static void write_line(const struct request *req, enum log_level level, const struct outcome *o,
                       int64_t duration_us)
{
    char client[IP_TEXT_BYTES];
    ip_format(&req->client, client);
    struct log_field fields[FIELDS_OF_ALL + NOTES_MAX] = {
        LOG_S("http.request.method", http_method_name(req->method)),
        LOG_S("url.path", req->match.route ? req->match.route->path : NULL),
        LOG_I("http.response.status_code", o->status),
        LOG_I("event.duration", duration_us * 1000),
        LOG_S("http.request.id", req->id),
        LOG_S("client.ip", client),
        LOG_STR("user_agent.original", user_agent_of(req)),
        LOG_STR("trace.id", traceparent_trace_id(req->traceparent)),
        LOG_STR("span.id", traceparent_span_id(req->traceparent)),
        LOG_S("listener", req->server->options.name),
        LOG_S("error.code", o->code == ERR_OK ? NULL : error_labels[o->code]),
        LOG_S("error.reason", o->reason),
    };
    size_t count = FIELDS_OF_ALL;
    for (size_t i = 0; i < req->note_count; i++)
        fields[count++] = (struct log_field)LOG_STR(req->notes[i].name, req->notes[i].text);
    log_write(level, "http.request", "request served", fields, count);
}

void log_cut(const struct http_conn *conn, const char *request_id, const struct failure *f)
{
    const int status = error_row(f->code)->status;
    const int64_t duration_ms = loop_now_ms(conn->server->loop) - conn->phase_since_ms;
    char client[IP_TEXT_BYTES];
    ip_format(&conn->peer, client);
    metric_observe(
        M_HTTP_SERVER_DURATION,
        METRIC_AT(HTTP_METHOD_OTHER, (unsigned)route_label_count, status_label(status), f->code),
        (double)duration_ms / 1e3);
    LOG(status >= 500 ? LOG_WARN : LOG_INFO, "http.request", "request cut off",
        LOG_S("http.request.method", http_method_name(HTTP_METHOD_OTHER)),
        LOG_I("http.response.status_code", status),
        LOG_I("event.duration", duration_ms * 1000 * 1000), LOG_S("http.request.id", request_id),
        LOG_S("client.ip", client), LOG_S("listener", conn->server->options.name),
        LOG_S("error.code", error_row(f->code)->code), LOG_S("error.reason", f->reason));
}

void log_request(const struct request *req, const struct outcome *outcome)
{
    const int64_t duration_us = clock_mono_us() - req->started_us;
    const enum log_level level = level_of(req, outcome->status);
    metric_observe(
        M_HTTP_SERVER_DURATION,
        METRIC_AT(req->method, route_label_of(req), status_label(outcome->status), outcome->code),
        (double)duration_us / 1e6);
    if (log_enabled(level))
        write_line(req, level, outcome, duration_us);
}
