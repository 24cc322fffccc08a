/* SPDX-License-Identifier: Apache-2.0
 * The replaced surroundings of a worker. */
#include "api_rig.h"

#include "base/crypto.h"
#include "unit.h"

struct rig rig;

static const char ISSUER[] = "https://issuer.test";
static struct issuer issuers[] = {{(char *)(uintptr_t)ISSUER, NULL}};
static char *audiences[] = {(char *)(uintptr_t) "userid-api"};

void rig_set_up(void)
{
    ck_assert(crypto_init());
    rig = (struct rig){.has_token = true, .token_generation = 1};
    rig.config = (struct config){
        .upstream_url = (char *)(uintptr_t) "https://vendor.test",
        .client_id = (char *)(uintptr_t) "client-1",
        .access_token_audiences = {audiences, 1},
        .jwt_leeway_s = 60,
        .jwt_max_lifetime_s = 86400,
        .jwt_max_bytes = 8192,
        .issuers = issuers,
        .issuer_count = 1,
    };
    rig.config.jwt_algorithms[JWS_RS256] = true;
    rig.app = (struct app){.config = &rig.config, .loop = loop_create()};
    ck_assert_ptr_nonnull(rig.app.loop);
    ck_assert_int_eq(app_init(&rig.app), ERR_OK);
    arena_init(&rig.req.arena, 256 * 1024);
    buf_init(&rig.req.reply, 1024 * 1024);
    buf_init(&rig.call_authorization, 65536);
    buf_init(&rig.call_body, 1024 * 1024);
}

void rig_end_request(void)
{
    void (*on_end)(void *) = rig.req.on_end;
    rig.req.on_end = NULL;
    if (on_end)
        on_end(rig.req.on_end_arg);
}

void rig_tear_down(void)
{
    rig_end_request();
    app_finish(&rig.app);
    keyset_unref(rig.keys);
    loop_destroy(rig.app.loop);
    arena_finish(&rig.req.arena);
    buf_finish(&rig.req.reply);
    buf_finish(&rig.call_authorization);
    buf_finish(&rig.call_body);
    crypto_finish();
}

/* ---- the request */

void *request_user(const struct request *req)
{
    (void)req;
    return &rig.app;
}

struct arena *request_arena(struct request *req)
{
    return &req->arena;
}

struct str request_body(const struct request *req)
{
    return str_of(req->body);
}

struct str request_param(const struct request *req, size_t n)
{
    return n == 0 ? str_of(req->param) : (struct str){0};
}

struct str request_header(const struct request *req, const char *name)
{
    return str_of(strcmp(name, "Authorization") == 0 ? req->authorization : NULL);
}

const char *request_id(const struct request *req)
{
    (void)req;
    return "request-1";
}

const char *request_traceparent(const struct request *req)
{
    (void)req;
    return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
}

struct ip request_client_ip(const struct request *req)
{
    (void)req;
    return (struct ip){.known = false};
}

int64_t request_duration_ns(const struct request *req)
{
    (void)req;
    return 1000;
}

int64_t request_deadline_ms(const struct request *req)
{
    (void)req;
    return INT64_MAX / 2;
}

void request_on_gone(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_gone = fn;
    req->on_gone_arg = arg;
}

void request_on_stop(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_stop = fn;
    req->on_stop_arg = arg;
}

void request_on_end(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_end = fn;
    req->on_end_arg = arg;
}

void request_note(struct request *req, const char *name, struct str text)
{
    (void)req;
    (void)name;
    (void)text;
}

void request_reply(struct request *req, int status, const char *content_type, struct buf *body)
{
    ck_assert_int_eq(req->status, 0);
    ck_assert((content_type != NULL) == (body != NULL));
    req->status = status;
    if (body)
        buf_append(&req->reply, buf_str(body));
}

void request_fail(struct request *req, const struct failure *f)
{
    ck_assert_int_eq(req->status, 0);
    req->status = error_row(f->code)->status;
    req->failure = *f;
}

void request_abandon(struct request *req)
{
    ck_assert_int_eq(req->status, 0);
    /* The server ends it later in the turn, and other callbacks may come before. */
    req->abandoned = true;
}

/* ---- the keeper */

bool keeper_token(const struct keeper_view *v, enum keeper_token which, struct token_now *ret)
{
    (void)v;
    if (!rig.has_token)
        return false;
    *ret = (struct token_now){
        .authorization =
            which == KEEPER_ADMIN_TOKEN ? STR("Bearer admin-token") : STR("Bearer client-token"),
        .generation = rig.token_generation,
        .fetched_mono_ms = rig.token_fetched_ms,
    };
    return true;
}

void keeper_wait_token(struct keeper_view *v, struct keeper_wait *w, enum keeper_token which,
                       int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    (void)v;
    (void)which;
    (void)deadline_ms;
    ck_assert_ptr_null(rig.token_wait);
    w->on_ready = fn;
    w->arg = arg;
    rig.token_wait = w;
}

void keeper_wait_kid(struct keeper_view *v, struct keeper_wait *w, size_t issuer, struct str kid,
                     int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    (void)v;
    (void)issuer;
    (void)kid;
    (void)deadline_ms;
    ck_assert_ptr_null(rig.kid_wait);
    w->on_ready = fn;
    w->arg = arg;
    rig.kid_wait = w;
}

bool keeper_wait_new_keys(struct keeper_view *v, struct keeper_wait *w, size_t issuer,
                          int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    if (!rig.may_look_again)
        return false;
    keeper_wait_kid(v, w, issuer, (struct str){NULL, 0}, deadline_ms, fn, arg);
    return true;
}

void keeper_wait_cancel(struct keeper_wait *w)
{
    if (rig.token_wait == w)
        rig.token_wait = NULL;
    if (rig.kid_wait == w)
        rig.kid_wait = NULL;
}

void keeper_token_refused(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                          bool background)
{
    (void)v;
    (void)which;
    ck_assert_uint_eq(generation, rig.token_generation);
    if (background) {
        rig.tokens_refused_in_background++;
        return;
    }
    rig.tokens_refused++;
    rig.has_token = false;
}

void keeper_token_alarm(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                        int status)
{
    (void)v;
    (void)which;
    ck_assert_uint_eq(generation, rig.token_generation);
    rig.alarms++;
    rig.alarm_status = status;
}

struct keyring keeper_keyring(const struct keeper_view *v)
{
    (void)v;
    return (struct keyring){issuers, &rig.keys, 1};
}

void rig_token_arrives(enum err outcome)
{
    struct keeper_wait *w = rig.token_wait;
    ck_assert_ptr_nonnull(w);
    rig.token_wait = NULL;
    if (outcome == ERR_OK) {
        rig.has_token = true;
        rig.token_generation++;
        rig.token_fetched_ms++;
    }
    w->on_ready(w, outcome);
}

void rig_kid_arrives(enum err outcome)
{
    struct keeper_wait *w = rig.kid_wait;
    ck_assert_ptr_nonnull(w);
    rig.kid_wait = NULL;
    w->on_ready(w, outcome);
}

/* ---- what stands before the vendor */

enum failure_kind outbound_permit(struct outbound *o, enum vendor_class class, int64_t now_ms,
                                  struct outbound_permit *ret)
{
    (void)o;
    (void)now_ms;
    *ret = (struct outbound_permit){.probe = rig.probe, .retry_after_s = 7};
    rig.permits += rig.permit == FAILURE_NONE;
    rig.permit_class = class;
    return rig.permit;
}

void outbound_give_back(struct outbound *o, const struct outbound_permit *permit, int64_t now_ms)
{
    (void)o;
    (void)permit;
    (void)now_ms;
    rig.given_back++;
}

void outbound_report(struct outbound *o, const struct outbound_permit *permit,
                     enum failure_kind kind, int retry_after_s, int64_t now_ms)
{
    (void)o;
    (void)retry_after_s;
    (void)now_ms;
    rig.reports++;
    rig.reported = kind;
    rig.reported_probe = permit->probe;
}

bool outbound_take_repeat(struct outbound *o, int64_t now_ms)
{
    (void)o;
    (void)now_ms;
    return !rig.no_repeats;
}

/* ---- calls */

static struct call *const THE_CALL = (struct call *)(uintptr_t)&rig.call;

struct call *http_client_start(struct http_client *c, const struct call_request *request,
                               call_done_fn *done, void *arg)
{
    (void)c;
    if (rig.call_fails_to_start)
        return NULL;
    ck_assert_msg(!rig.call_done, "two calls at once");
    rig.calls++;
    rig.call = *request;
    buf_reset(&rig.call_authorization);
    buf_append(&rig.call_authorization, request->authorization);
    buf_reset(&rig.call_body);
    buf_append(&rig.call_body, request->body);
    rig.call_done = done;
    rig.call_arg = arg;
    return THE_CALL;
}

void call_cancel(struct call *call)
{
    if (call)
        rig.call_done = NULL;
}

bool call_may_have_been_sent(const struct call *call)
{
    (void)call;
    return rig.call_sent;
}

static void finish_call(const struct call_answer *answer)
{
    call_done_fn *done = rig.call_done;
    ck_assert_ptr_nonnull(done);
    rig.call_done = NULL;
    done(rig.call_arg, answer);
}

void rig_answer(int status, const char *body)
{
    const struct call_answer answer = {
        .result = CALL_ANSWERED,
        .may_have_been_sent = true,
        .status = status,
        .body = str_of(body),
        .content_type = STR("application/json"),
        .charset_ok = true,
        .retry_after_s = -1,
    };
    finish_call(&answer);
}

void rig_break(enum call_result result, bool may_have_been_sent)
{
    const struct call_answer answer = {
        .result = result,
        .may_have_been_sent = may_have_been_sent,
        .retry_after_s = -1,
        .reason = "the rig broke it",
    };
    finish_call(&answer);
}
