/* SPDX-License-Identifier: Apache-2.0
 * Probes, metrics, version and the API description. Machines read the status code, people the body.
 * Liveness never looks at the vendor: a restart would not bring it back. */
#include "api/ops.h"

#include "api/app.h"
#include "api/openapi.h"
#include "base/crypto.h"
#include "base/json.h"
#include "observe/metrics.h"

enum { REPORT_BYTES_MAX = 4096, METRICS_BYTES_MAX = 8 * 1024 * 1024 };

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_YAML "application/yaml"

enum check { CHECK_PROCESS, CHECK_LISTENING, CHECK_TOKEN, CHECK_KEYS, CHECK_DRAINING, CHECK_COUNT };

static const char *const CHECK_NAMES[CHECK_COUNT] = {
    [CHECK_PROCESS] = "process", [CHECK_LISTENING] = "listening", [CHECK_TOKEN] = "token",
    [CHECK_KEYS] = "keys",       [CHECK_DRAINING] = "draining",
};

/* One probe's answer. A check is "ok", or "stale" (it was, and serving goes on), or fails. */
struct report {
    const char *name; /* of the probe */
    const char *status;
    bool good;
    const char *checks[CHECK_COUNT]; /* NULL: not part of this probe */
    bool failed[CHECK_COUNT];
    char last_error[160];
};

static const char *ever_state(bool ever, bool now)
{
    if (!ever)
        return "waiting";
    return now ? "ok" : "stale";
}

static void report_fill(struct report *r, struct health *h)
{
    struct keeper_status status = {0};

    keeper_status(h->keeper, &status);
    const bool listening = atomic_load(&h->listening);
    const bool draining = atomic_load(&h->draining);
    const bool token_ever = status.token_ever[KEEPER_CLIENT_TOKEN];

    r->checks[CHECK_LISTENING] = listening ? "ok" : "waiting";
    r->failed[CHECK_LISTENING] = !listening;
    r->checks[CHECK_TOKEN] = ever_state(token_ever, status.token_ok[KEEPER_CLIENT_TOKEN]);
    r->failed[CHECK_TOKEN] = !token_ever;
    r->checks[CHECK_KEYS] = ever_state(status.keys_ever, status.keys_ok);
    r->failed[CHECK_KEYS] = !status.keys_ever;
    r->checks[CHECK_DRAINING] = draining ? "draining" : "ok";
    r->failed[CHECK_DRAINING] = draining;
    memcpy(r->last_error, status.last_error, sizeof(r->last_error));
    r->last_error[sizeof(r->last_error) - 1] = '\0';
}

bool health_is_ready(struct health *h)
{
    if (atomic_load(&h->draining) || !atomic_load(&h->listening))
        return false;
    if (atomic_load(&h->ever_ready))
        return true;

    struct keeper_status status = {0};
    keeper_status(h->keeper, &status);
    if (!status.token_ever[KEEPER_CLIENT_TOKEN] || !status.keys_ever)
        return false;
    atomic_store(&h->ever_ready, true);
    return true;
}

static void write_text(struct buf *out, const struct report *r)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        if (r->checks[i])
            buf_printf(out, "[%c]%s %s\n", r->failed[i] ? '-' : '+', CHECK_NAMES[i], r->checks[i]);
    }
    if (r->last_error[0] != '\0')
        buf_printf(out, "last error: %s\n", r->last_error);
    buf_printf(out, "%s check %s\n", r->name, r->good ? "passed" : "failed");
}

static void write_json(struct buf *out, const struct report *r)
{
    struct json_writer w;

    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "status", str_of(r->status));
    jw_key(&w, "checks");
    jw_object_begin(&w);
    for (size_t i = 0; i < CHECK_COUNT; i++)
        jw_member_opt(&w, CHECK_NAMES[i], str_of(r->checks[i]));
    jw_object_end(&w);
    if (r->last_error[0] != '\0')
        jw_member(&w, "last_error", str_of(r->last_error));
    jw_object_end(&w);
}

static void reply_buffer(struct request *req, int status, const char *type, struct buf *body)
{
    if (buf_ok(body)) {
        request_reply(req, status, type, body);
        return;
    }
    const struct failure f = failure_of(ERR_NO_MEMORY);
    request_fail(req, &f);
}

static void reply_report(struct request *req, const struct report *r)
{
    const bool verbose = str_starts_with(request_query(req), STR("verbose"));
    AUTO_BUF struct buf body;

    buf_init(&body, REPORT_BYTES_MAX);
    if (verbose)
        write_text(&body, r);
    else
        write_json(&body, r);
    reply_buffer(req, r->good ? 200 : 503, verbose ? TYPE_TEXT : TYPE_JSON, &body);
}

static void livez_start(struct request *req)
{
    struct report r = {.name = "livez", .status = "ok", .good = true};

    r.checks[CHECK_PROCESS] = "ok";
    reply_report(req, &r);
}

static void readyz_start(struct request *req)
{
    struct health *h = request_user(req);
    struct report r = {.name = "readyz", .good = health_is_ready(h)};

    r.status = r.good ? "ready" : "not_ready";
    report_fill(&r, h);
    reply_report(req, &r);
}

static void startupz_start(struct request *req)
{
    struct health *h = request_user(req);
    struct report r = {.name = "startupz",
                       .good = health_is_ready(h) || atomic_load(&h->ever_ready)};

    r.status = r.good ? "started" : "starting";
    report_fill(&r, h);
    reply_report(req, &r);
}

static void metrics_start_request(struct request *req)
{
    AUTO_BUF struct buf body;

    buf_init(&body, METRICS_BYTES_MAX);
    metrics_write(&body);
    reply_buffer(req, 200, TYPE_METRICS, &body);
}

static void version_start(struct request *req)
{
    AUTO_BUF struct buf body;
    struct json_writer w;

    buf_init(&body, REPORT_BYTES_MAX);
    jw_init(&w, &body);
    jw_object_begin(&w);
    jw_member(&w, "name", STR("biometrics-bff"));
    jw_member(&w, "version", STR(BFF_VERSION));
    jw_key(&w, "libraries");
    jw_object_begin(&w);
    jw_member(&w, "libmicrohttpd", str_of(http_server_library_version()));
    jw_member(&w, "libcurl", str_of(http_client_library_version()));
    jw_member(&w, "openssl", str_of(crypto_library_version()));
    jw_object_end(&w);
    jw_object_end(&w);
    reply_buffer(req, 200, TYPE_JSON, &body);
}

void healthz_start(struct request *req)
{
    const struct app *app = request_user(req);

    request_reply_static(req, health_is_ready(app->health) ? 200 : 503, TYPE_TEXT,
                         (struct str){"", 0});
}

void openapi_start(struct request *req)
{
    request_reply_static(req, 200, TYPE_YAML,
                         (struct str){(const char *)OPENAPI_YAML, OPENAPI_YAML_BYTES});
}

const struct route MANAGEMENT_ROUTES[] = {
    {HTTP_GET, "/livez", BODY_NONE, livez_start, false},
    {HTTP_GET, "/readyz", BODY_NONE, readyz_start, false},
    {HTTP_GET, "/startupz", BODY_NONE, startupz_start, false},
    {HTTP_GET, "/metrics", BODY_NONE, metrics_start_request, false},
    {HTTP_GET, "/version", BODY_NONE, version_start, false},
};
const size_t MANAGEMENT_ROUTE_COUNT = ARRAY_LEN(MANAGEMENT_ROUTES);
