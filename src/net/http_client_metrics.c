/* SPDX-License-Identifier: Apache-2.0
 * Calls to the vendor as OpenTelemetry names them. Labels come from closed lists: the operations,
 * the servers of the configuration, and the statuses that are worth a series. */
#include <stdio.h>

#include "base/clock.h"
#include "config/url.h"
#include "net/http_client_internal.h"
#include "net/http_route.h"
#include "observe/metrics.h"

static const int STATUSES[] = {200, 201, 202, 204, 301, 302, 304, 400, 401, 403,
                               404, 405, 406, 408, 409, 410, 413, 415, 422, 423,
                               429, 500, 501, 502, 503, 504, 520, 522};
/* "" where none came. */
enum { STATUS_NONE, STATUS_FIRST, STATUS_OTHER = STATUS_FIRST + ARRAY_LEN(STATUSES), STATUS_COUNT };

/* What ended a call that no error status ended; those are error_type by themselves. */
#define CALL_ERROR_TABLE(X)                                                                        \
    X(CALL_ERROR_NOT_SENT, "not_sent")                                                             \
    X(CALL_ERROR_BROKEN, "broken")                                                                 \
    X(CALL_ERROR_TIMEOUT, "timeout")                                                               \
    X(CALL_ERROR_BAD_ANSWER, "bad_answer")                                                         \
    X(CALL_ERROR_CANCELLED, "cancelled")                                                           \
    X(CALL_ERROR_OTHER, "_OTHER")
enum call_error {
    CALL_ERROR_BEFORE = STATUS_OTHER, /* the statuses' indexes stand before these */
#define X(id, label) id,
    CALL_ERROR_TABLE(X)
#undef X
        CALL_ERROR_COUNT
};

struct origin {
    char host[NAME_HOST_BYTES];
    char port[sizeof("65535")];
    size_t prefix_len;
    char prefix[NAME_HOST_BYTES + sizeof("https://[]:65535")]; /* what its URLs begin with */
};

/* Part of the metric registry: written once before any thread exists. */
static const char *const *operation_labels;
static size_t operation_count;
static struct origin origins[HTTP_CLIENT_ORIGINS_MAX];
static size_t origin_count;
static const char *host_labels[HTTP_CLIENT_ORIGINS_MAX + 1];
static const char *port_labels[HTTP_CLIENT_ORIGINS_MAX + 1];
static char status_texts[ARRAY_LEN(STATUSES)][sizeof("200")];
static const char *status_labels[STATUS_COUNT];
static const char *error_labels[CALL_ERROR_COUNT];
static const char *method_labels[HTTP_METHOD_OTHER + 1];

static unsigned origin_index(const char *url)
{
    size_t i = 0;
    while (i < origin_count && strncmp(url, origins[i].prefix, origins[i].prefix_len) != 0)
        i++;
    return (unsigned)i;
}

void http_client_register_origin(const char *url)
{
    struct url parts;
    struct origin o = {0};
    const char *problem = NULL;

    if (!url || !url_split(str_of(url), &parts, &problem) || parts.host.len >= sizeof(o.host) ||
        origin_count == HTTP_CLIENT_ORIGINS_MAX)
        return;
    (void)snprintf(o.host, sizeof(o.host), "%.*s", (int)parts.host.len, parts.host.ptr);
    (void)snprintf(o.port, sizeof(o.port), "%d", parts.port);
    /* All before the path, and a slash, so that no longer name begins with it. */
    const size_t scheme_len = parts.https ? strlen("https://") : strlen("http://");
    const size_t len = scheme_len + strcspn(url + scheme_len, "/?#");
    (void)snprintf(o.prefix, sizeof(o.prefix), "%.*s/", (int)len, url);
    o.prefix_len = strlen(o.prefix);
    if (origin_index(o.prefix) == origin_count)
        origins[origin_count++] = o;
}

static void fill_labels(void)
{
    for (size_t i = 0; i < origin_count; i++) {
        host_labels[i] = origins[i].host;
        port_labels[i] = origins[i].port;
    }
    host_labels[origin_count] = port_labels[origin_count] = "_OTHER";
    for (unsigned m = HTTP_GET; m <= HTTP_METHOD_OTHER; m++)
        method_labels[m] = http_method_name((enum http_method)m);

    status_labels[STATUS_NONE] = "";
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        (void)snprintf(status_texts[i], sizeof(status_texts[i]), "%d", STATUSES[i]);
        status_labels[STATUS_FIRST + i] = status_texts[i];
    }
    status_labels[STATUS_OTHER] = "_OTHER";
    memcpy(error_labels, status_labels, sizeof(status_labels));
#define X(id, label) error_labels[id] = label;
    CALL_ERROR_TABLE(X)
#undef X
}

void http_client_register_metrics(const char *const *operations, size_t count)
{
    operation_labels = operations;
    operation_count = count;
    fill_labels();
    metric_label_values(M_HTTP_CLIENT_DURATION, "http_request_method", method_labels,
                        ARRAY_LEN(method_labels));
    metric_label_values(M_HTTP_CLIENT_DURATION, "server_address", host_labels, origin_count + 1);
    metric_label_values(M_HTTP_CLIENT_DURATION, "server_port", port_labels, origin_count + 1);
    metric_label_values(M_HTTP_CLIENT_DURATION, "operation", operations, count);
    metric_label_values(M_HTTP_CLIENT_DURATION, "http_response_status_code", status_labels,
                        ARRAY_LEN(status_labels));
    metric_label_values(M_HTTP_CLIENT_DURATION, "error_type", error_labels,
                        ARRAY_LEN(error_labels));
    metric_label_values(M_HTTP_CLIENT_ACTIVE, "server_address", host_labels, origin_count + 1);
    metric_label_values(M_HTTP_CLIENT_ACTIVE, "server_port", port_labels, origin_count + 1);
}

static unsigned operation_index(const char *label)
{
    for (size_t i = 0; label && i < operation_count; i++) {
        if (strcmp(operation_labels[i], label) == 0)
            return (unsigned)i;
    }
    return operation_count > 0 ? (unsigned)operation_count - 1 : 0;
}

static unsigned status_index(const struct call_answer *answer)
{
    if (!answer || answer->status == 0)
        return STATUS_NONE;
    unsigned i = 0;
    while (i < ARRAY_LEN(STATUSES) && STATUSES[i] != answer->status)
        i++;
    return STATUS_FIRST + i;
}

/* 0: there was none. */
static unsigned error_index(const struct call_answer *answer, unsigned status)
{
    if (!answer)
        return CALL_ERROR_CANCELLED;
    switch (answer->result) {
    case CALL_ANSWERED:
        return answer->status >= 400 ? status : 0;
    case CALL_NOT_SENT:
        return CALL_ERROR_NOT_SENT;
    case CALL_BROKEN:
        return CALL_ERROR_BROKEN;
    case CALL_TIMED_OUT:
        return CALL_ERROR_TIMEOUT;
    case CALL_BAD_ANSWER:
        return CALL_ERROR_BAD_ANSWER;
    }
    return CALL_ERROR_OTHER;
}

void client_count_begin(struct call *call)
{
    call->origin = origin_index(call->request.url);
    metric_gauge_add(M_HTTP_CLIENT_ACTIVE, call->origin, call->origin, 1);
}

void client_count_end(const struct call *call, const struct call_answer *answer)
{
    const double seconds = (double)(clock_mono_us() - call->started_us) / 1e6;
    const unsigned status = status_index(answer);

    metric_gauge_add(M_HTTP_CLIENT_ACTIVE, call->origin, call->origin, -1);
    metric_observe(M_HTTP_CLIENT_DURATION,
                   METRIC_AT(call->request.method, call->origin, call->origin,
                             operation_index(call->request.label), status,
                             error_index(answer, status)),
                   seconds);
}
