/* SPDX-License-Identifier: Apache-2.0
 * The loop that runs an endpoint's steps, and the one place where a request is answered, audited
 * and cleaned up. Runs on the worker's thread. */
#include "api/flow.h"

#include "api/bearer.h"
#include "api/path_segment.h"
#include "base/clock.h"
#include "net/http_trace.h"
#include "observe/metrics.h"

/* App requests are flat: claims and approval data are the deepest (api.md section 2). */
static const struct json_limits BODY_LIMITS = {
    .bytes_max = 1024 * 1024, /* BFF_MAX_BODY_BYTES is the real limit and was checked before */
    .depth_max = 8,
    .values_max = 1024,
};

static const struct {
    const char *label;
    const char *action; /* NULL: no audit line */
    const char *message;
} CEREMONIES[CEREMONY_COUNT] = {
#define X(id, label, action, message) [id] = {label, action, message},
    CEREMONY_TABLE(X)
#undef X
};

enum outcome { OUTCOME_OK, OUTCOME_DECOY, OUTCOME_CLIENT_GONE, OUTCOME_FIRST_CODE };
static const char *const OUTCOME_LABELS[] = {
    "ok",
    "decoy",
    "client_gone",
#define X(id, status, code, title, retry, after, when) code,
    ERROR_TABLE(X)
#undef X
        "_OTHER",
};

void flow_register_metrics(void)
{
    static const char *steps[CEREMONY_COUNT];
    for (size_t i = 0; i < CEREMONY_COUNT; i++)
        steps[i] = CEREMONIES[i].label;
    metric_label_values(M_CEREMONY, "step", steps, CEREMONY_COUNT);
    metric_label_values(M_CEREMONY, "outcome", OUTCOME_LABELS, ARRAY_LEN(OUTCOME_LABELS));
}

int64_t flow_now_s(void)
{
    return clock_wall_s();
}

/* ---- the end: audit, answer, clean-up */

/* NULL: there is no such text. */
static const char *hash_of(struct str text, char out[LOG_HASH_BYTES])
{
    if (!text.ptr)
        return NULL;
    log_user_hash(text, out);
    return out;
}

static void audit(const struct flow *f, unsigned outcome, const struct failure *failure)
{
    const enum ceremony ceremony = f->story->ceremony;
    metric_add(M_CEREMONY, ceremony, outcome, 1);
    if (!CEREMONIES[ceremony].action)
        return;

    char key_hash[LOG_HASH_BYTES];
    char approval_hash[LOG_HASH_BYTES];
    const struct error_row *row = failure ? error_row(failure->code) : NULL;
    const char *trace = request_traceparent(f->req);

    LOG(row && row->status >= 500 ? LOG_WARN : LOG_INFO, CEREMONIES[ceremony].action,
        CEREMONIES[ceremony].message, LOG_S("event.outcome", failure ? "failure" : "success"),
        LOG_I("event.duration", request_duration_ns(f->req)),
        LOG_S("bff.outcome", OUTCOME_LABELS[outcome]),
        LOG_S("user.hash", f->audit.user_hash[0] ? f->audit.user_hash : NULL),
        LOG_S("key.hash", hash_of(f->audit.key_id, key_hash)),
        LOG_S("bff.approval.hash", hash_of(f->audit.approval, approval_hash)),
        LOG_S("operator.name", f->audit.operator_name), LOG_S("bff.note", f->audit.note),
        LOG_S("error.code", row ? row->code : NULL),
        LOG_S("error.reason", failure ? failure->reason : NULL),
        LOG_S("http.request.id", request_id(f->req)),
        LOG_STR("trace.id", traceparent_trace_id(trace)),
        LOG_STR("span.id", traceparent_span_id(trace)));
}

static void end_with_failure(struct flow *f, enum err code)
{
    struct failure failure = f->has_failed ? f->failure : failure_of(code);
    if (f->has_retry)
        failure.retry = f->retry;
    if (error_row(failure.code)->status == 401 && !failure.www_authenticate)
        failure.www_authenticate = bearer_challenge(failure.code);

    audit(f, OUTCOME_FIRST_CODE + (unsigned)(failure.code - ERR_INVALID_JSON), &failure);
    request_note(f->req, "bff.step", str_of(f->story->steps[f->at].name));
    request_fail(f->req, &failure);
}

static void end_with_reply(struct flow *f)
{
    if (f->reply.max > 0 && !buf_ok(&f->reply)) {
        const enum err code = f->reply.state == BUF_NO_MEMORY ? ERR_NO_MEMORY : ERR_INTERNAL;
        f->at--;
        end_with_failure(f, flow_fail_with(f, code, "the answer outgrew its buffer"));
        return;
    }
    audit(f, f->audit.note ? OUTCOME_DECOY : OUTCOME_OK, NULL);
    const bool has_body = f->reply.max > 0;
    request_reply(f->req, f->reply_status, has_body ? "application/json" : NULL,
                  has_body ? &f->reply : NULL);
}

/* Nothing of the flow runs after this. */
static void release(struct flow *f)
{
    vendor_send_cancel(&f->send);
    keeper_wait_cancel(&f->keys_wait);
    if (f->story->finish)
        f->story->finish(f);
    jwt_claims_finish(&f->bearer.claims);
    json_free(f->body);
    buf_finish(&f->call_body);
    buf_finish(&f->reply);
}

static void on_end(void *arg)
{
    release(arg);
}

/* A call that the vendor may be executing is seen through to its end, for the audit line must say
 * how it ended, and so is one on which the breaker waits; everything else stops with the client,
 * and at once: an answer or a wait that ends in the same turn of the loop must not find a request
 * that is abandoned. */
static void on_gone(void *arg)
{
    struct flow *f = arg;
    if (vendor_send_must_finish(&f->send) || vendor_send_is_probe(&f->send))
        return;
    audit(f, OUTCOME_CLIENT_GONE, NULL);
    request_on_end(f->req, NULL, NULL);
    release(f);
    request_abandon(f->req);
}

static enum err cut_short(struct flow *f)
{
    const bool may_have_run = f->refreshing || vendor_send_must_finish(&f->send);
    if (f->refreshing)
        flow_retry_from_now(f, RETRY_LOGIN);
    return flow_fail_with(f, may_have_run ? ERR_UPSTREAM_OUTCOME_UNKNOWN : ERR_DRAINING,
                          "the service ended first");
}

/* The service ends and cannot wait any longer. "draining" would say that nothing was done yet. */
static void on_stop(void *arg)
{
    end_with_failure(arg, cut_short(arg));
}

/* ---- the loop */

static void run(struct flow *f)
{
    while (f->at < f->story->step_count) {
        const enum err e = f->story->steps[f->at].run(f);
        if (e == ERR_PENDING) {
            f->answer = NULL;
            return;
        }
        if (e != ERR_OK) {
            end_with_failure(f, e);
            return;
        }
        f->at++;
    }
    end_with_reply(f);
}

void flow_start(struct request *req, const struct story *story)
{
    struct arena *arena = request_arena(req);
    struct flow *f = ARENA_NEW(arena, struct flow);
    void *state = story->state_bytes > 0 ? arena_alloc(arena, story->state_bytes) : NULL;
    if (!f || (story->state_bytes > 0 && !state)) {
        const struct failure failure = failure_of(ERR_NO_MEMORY);
        request_fail(req, &failure);
        return;
    }
    f->req = req;
    f->app = request_user(req);
    f->arena = arena;
    f->story = story;
    f->state = state;
    f->reply_status = 204;
    request_on_end(req, on_end, f);
    request_on_gone(req, on_gone, f);
    request_on_stop(req, on_stop, f);
    run(f);
}

void flow_continue(struct flow *f, enum err outcome)
{
    if (outcome != ERR_OK) {
        end_with_failure(f, outcome);
        return;
    }
    f->at++;
    run(f);
}

void flow_again(struct flow *f)
{
    run(f);
}

/* ---- for steps */

enum err flow_fail(struct flow *f, struct failure failure)
{
    f->failure = failure;
    f->has_failed = true;
    return failure.code;
}

enum err flow_fail_with(struct flow *f, enum err code, const char *reason)
{
    struct failure failure = failure_of(code);
    failure.reason = reason;
    return flow_fail(f, failure);
}

void flow_retry_from_now(struct flow *f, enum retry retry)
{
    f->retry = retry;
    f->has_retry = true;
}

struct buf *flow_reply_json(struct flow *f, int status, size_t bytes_max)
{
    f->reply_status = status;
    buf_init(&f->reply, bytes_max);
    return &f->reply;
}

void flow_user(struct flow *f, struct str user_id)
{
    const bool is_first = !f->audit.user_id.ptr;
    if (is_first || !str_eq(f->audit.user_id, user_id))
        log_user_hash(user_id, f->audit.user_hash);
    if (is_first)
        request_note(f->req, "user.hash", str_of(f->audit.user_hash));
    f->audit.user_id = user_id;
}

enum err flow_read_body(struct flow *f, const struct schema *schema, void *out)
{
    struct json_error problem = {0};
    const enum err parsed = json_parse(request_body(f->req), &BODY_LIMITS, &f->body, &problem);
    if (parsed == ERR_INVALID_JSON) {
        struct failure failure = failure_of(ERR_INVALID_JSON);
        failure.detail = arena_printf(f->arena, "byte %zu: %s", problem.offset, problem.what);
        return flow_fail(f, failure);
    }
    if (parsed != ERR_OK)
        return parsed;

    struct failure failure;
    const enum err e = schema_read(schema, f->body, out, f->arena, &failure);
    return e == ERR_INVALID_REQUEST ? flow_fail(f, failure) : e;
}

enum err flow_read_path(struct flow *f, struct str *ret)
{
    const char *what = NULL;
    const enum err e = path_segment_decode(request_param(f->req, 0), f->arena, ret, &what);
    if (e != ERR_INVALID_REQUEST)
        return e;
    struct failure failure = failure_of(ERR_INVALID_REQUEST);
    failure.detail = what;
    return flow_fail(f, failure);
}

enum err flow_refuse_member(struct flow *f, const char *pointer, const char *detail)
{
    struct failure failure = failure_of(ERR_INVALID_REQUEST);
    failure.detail = "the body is not what this operation takes; see errors";
    (void)schema_problem(&failure, pointer, detail);
    return flow_fail(f, failure);
}

/* ---- the call to the vendor */

static void on_token(struct keeper_wait *w, enum err outcome)
{
    struct flow *f = w->arg;
    if (outcome == ERR_OK)
        flow_again(f);
    else
        flow_continue(f, outcome);
}

enum err want_client_token(struct flow *f)
{
    struct token_now token;
    if (keeper_token(f->app->keeper, KEEPER_CLIENT_TOKEN, &token))
        return ERR_OK;
    keeper_wait_token(f->app->keeper, &f->send.wait, KEEPER_CLIENT_TOKEN,
                      request_deadline_ms(f->req), on_token, f);
    return ERR_PENDING;
}

struct buf *flow_call_body(struct flow *f)
{
    buf_init(&f->call_body, VENDOR_BODY_MAX);
    return &f->call_body;
}

/* By the row of the table; without one (the token did not come, no memory) by the error's own. */
static enum err fail_as_sent(struct flow *f, enum err code)
{
    const struct resilience_row *row = resilience_row(f->send.call, f->send.failure);
    struct failure failure = failure_of(code);
    if (row->error == code)
        failure.retry = row->retry;
    /* Retry-After is for the 503s; the vendor's wish is kept where it gave one. */
    if (failure.retry_after_s > 0 && f->send.retry_after_s > 0)
        failure.retry_after_s = f->send.retry_after_s;
    failure.reason = f->send.reason ? arena_strdup(f->arena, str_of(f->send.reason)) : NULL;
    if (!failure.reason && f->send.failure != FAILURE_NONE)
        failure.reason = failure_label(f->send.failure);
    return flow_fail(f, failure);
}

enum err flow_permit(struct flow *f, enum vendor_call call)
{
    f->send.app = f->app;
    f->send.call = call;
    const enum err e = vendor_permit(&f->send);
    return e == ERR_OK ? ERR_OK : fail_as_sent(f, e);
}

enum err flow_fail_refused(struct flow *f)
{
    const struct resilience_row *row = resilience_row(f->send.call, f->send.failure);
    struct vendor_error error;

    vendor_send_alarm(&f->send);
    const enum err read = vendor_error_read(f->answer->body, &error);
    if (read != ERR_OK)
        return read;
    struct failure failure = failure_of(row->error);
    failure.retry = row->retry;
    failure.upstream_code = error.upstream_code;
    failure.reason = arena_printf(f->arena, "vendor %d %s", f->answer->status, error.code);
    return flow_fail(f, failure);
}

static void on_sent(struct vendor_send *s, enum err code, const struct call_answer *answer)
{
    struct flow *f = s->arg;
    f->answer = answer;
    flow_continue(f, code == ERR_OK ? ERR_OK : fail_as_sent(f, code));
}

static enum err send_call(struct flow *f, enum vendor_call call, enum vendor_token token,
                          struct str authorization)
{
    if (f->call_body.max > 0 && !buf_ok(&f->call_body))
        return f->call_body.state == BUF_NO_MEMORY ? ERR_NO_MEMORY : ERR_INTERNAL;
    f->send = (struct vendor_send){
        .app = f->app,
        .call = call,
        .token = token,
        .authorization = authorization,
        .body = buf_str(&f->call_body),
        .deadline_ms = request_deadline_ms(f->req),
        .traceparent = request_traceparent(f->req),
        .done = on_sent,
        .arg = f,
        .has_permit = f->send.has_permit,
        .permit = f->send.permit,
    };
    const enum err e = vendor_send_start(&f->send);
    return e == ERR_PENDING ? e : fail_as_sent(f, e);
}

enum err flow_send(struct flow *f, enum vendor_call call, enum vendor_token token)
{
    return send_call(f, call, token, (struct str){0});
}

enum err flow_send_as_user(struct flow *f, enum vendor_call call)
{
    const struct str authorization = arena_join(f->arena, STR("Bearer "), f->bearer.token);
    if (!authorization.ptr)
        return ERR_NO_MEMORY;
    return send_call(f, call, VENDOR_TOKEN_USER, authorization);
}
