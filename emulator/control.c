/* SPDX-License-Identifier: Apache-2.0
 * Routes of the control API, and the handlers that look at or bend the emulator itself: keys,
 * tokens, calls, faults. */
#include "emulator/control.h"

#include "emulator/form.h"
#include "emulator/routes.h"

enum {
    CONTROL_BODY_DEPTH_MAX = 32,
    CONTROL_BODY_VALUES_MAX = 100000,
    TOKEN_BYTES_MAX = 256 * 1024
};

static const char USERS_PREFIX[] = "/_emulator/users/";

struct control_route {
    const char *method;
    const char *path; /* one that ends in '/' is a prefix of a single further segment */
    const struct field *fields;
    bool body_optional;
    call_handler handler;
};

void control_refuse(struct call *call, int status, const char *problem)
{
    struct json_writer w = reply_json(call, status);
    jw_object_begin(&w);
    jw_member(&w, "problem", str_of(problem));
    jw_object_end(&w);
}

struct str control_path_tail(struct call *call)
{
    const size_t skip = sizeof(USERS_PREFIX) - 1;
    const struct str path = call->request->path;
    if (path.len <= skip)
        return (struct str){0};
    return form_decode((struct str){path.ptr + skip, path.len - skip}, &call->arena);
}

static void health(struct call *call)
{
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "status", STR("ok"));
    jw_object_end(&w);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static const char *const ALG_WORDS[] = {"RS256", "PS256", "ES256", NULL};

static const struct field ROTATE_FIELDS[] = {
    {.name = "withdraw_old", .kind = FIELD_BOOL},
    {.name = "alg", .kind = FIELD_TEXT, .words = ALG_WORDS},
    {0},
};

static const struct field WITHDRAW_FIELDS[] = {
    {.name = "kid", .kind = FIELD_TEXT, .required = true},
    {0},
};

static void reply_current_kid(struct call *call)
{
    const struct signing_key *current = signing_current(&call->emulator->signing);
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "kid", str_of(current->kid));
    jw_member(&w, "alg", str_of(jose_alg_name(current->alg)));
    jw_object_end(&w);
}

static void rotate_keys(struct call *call)
{
    struct signing *s = &call->emulator->signing;
    enum jose_alg alg = signing_current(s)->alg;
    (void)jose_alg_parse(call_text(call, "alg"), &alg);
    if (signing_rotate(s, alg, json_is_true(json_member(call->body, "withdraw_old"))))
        reply_current_kid(call);
    else
        control_refuse(call, 409, "no room for another key");
}

static void withdraw_key(struct call *call)
{
    if (signing_withdraw(&call->emulator->signing, call_text(call, "kid")))
        reply_empty(call, 204);
    else
        control_refuse(call, 404, "no such key");
}

/* ---- tokens -------------------------------------------------------------------------------- */

static const char *const SIGNER_WORDS[] = {
    [SIGNER_CURRENT] = "current",
    [SIGNER_OTHER] = "other",
    [SIGNER_NONE] = "none",
    [SIGNER_HMAC] = "hmac",
    NULL,
};

static const struct field SIGN_FIELDS[] = {
    {.name = "header", .kind = FIELD_ANY},
    {.name = "claims", .kind = FIELD_ANY, .required = true},
    {.name = "key", .kind = FIELD_TEXT, .words = SIGNER_WORDS},
    {0},
};

/* A JSON value as it is; a string gives its own bytes, so that a test can sign what is no JSON. */
static void print_part(struct buf *out, const struct json *value)
{
    if (json_type(value) == JSON_STRING)
        buf_append(out, json_string(value));
    else
        json_print(out, value);
}

static void sign_token(struct call *call)
{
    enum signer signer = SIGNER_CURRENT;
    for (size_t i = 0; SIGNER_WORDS[i]; i++) {
        if (str_is(call_text(call, "key"), SIGNER_WORDS[i]))
            signer = (enum signer)i;
    }
    AUTO_BUF struct buf header = {0};
    AUTO_BUF struct buf claims = {0};
    AUTO_BUF struct buf token = {0};
    buf_init(&header, TOKEN_BYTES_MAX);
    buf_init(&claims, TOKEN_BYTES_MAX);
    buf_init(&token, TOKEN_BYTES_MAX);
    if (json_member(call->body, "header"))
        print_part(&header, json_member(call->body, "header"));
    print_part(&claims, json_member(call->body, "claims"));
    if (!buf_ok(&header) || !buf_ok(&claims) ||
        !signing_sign_as(&call->emulator->signing, signer, buf_str(&header), buf_str(&claims),
                         &token)) {
        control_refuse(call, 400, "cannot sign this");
        return;
    }
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "token", buf_str(&token));
    jw_object_end(&w);
}

static const char *const KIND_WORDS[] = {"client", "admin", "user", NULL};

static const struct field REVOKE_FIELDS[] = {
    {.name = "kind", .kind = FIELD_TEXT, .required = true, .words = KIND_WORDS},
    {0},
};

/* Tokens of the kind that exist now are refused from now on, as after a change of the secret. */
static void revoke_tokens(struct call *call)
{
    static const enum caller_kind KINDS[] = {KIND_CLIENT, KIND_ADMIN, KIND_USER};
    struct emulator *e = call->emulator;
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        if (str_is(call_text(call, "kind"), KIND_WORDS[i]))
            atomic_store(&e->revoked_up_to[KINDS[i]], atomic_load(&e->tokens_made));
    }
    reply_empty(call, 204);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void list_calls(struct call *call)
{
    (void)reply_json(call, 200);
    calls_write(call->emulator->calls, http_request_query(call->request, STR("operation")),
                &call->reply->body);
}

static void count_calls(struct call *call)
{
    (void)reply_json(call, 200);
    calls_write_count(call->emulator->calls, http_request_query(call->request, STR("operation")),
                      &call->reply->body);
}

static void clear_calls(struct call *call)
{
    calls_clear(call->emulator->calls);
    reply_empty(call, 204);
}

/* ---- faults -------------------------------------------------------------------------------- */

static const struct field DRIP_FIELDS[] = {
    {.name = "bytes", .kind = FIELD_NUMBER, .number_min = 1, .number_max = 1e6},
    {.name = "interval_ms", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e6},
    {0},
};

static const struct field FAULT_FIELDS[] = {
    {.name = "operation", .kind = FIELD_TEXT, .required = true, .bytes_max = FAULT_TEXT_MAX - 1},
    {.name = "next", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e9},
    {.name = "skip", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e9},
    {.name = "probability", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1},
    {.name = "seed", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e9},
    {.name = "delay_ms", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 600000},
    {.name = "status", .kind = FIELD_NUMBER, .number_min = 100, .number_max = 999},
    {.name = "body", .kind = FIELD_ANY},
    {.name = "body_base64", .kind = FIELD_ANY_TEXT},
    {.name = "headers", .kind = FIELD_OPEN_OBJECT},
    {.name = "content_type", .kind = FIELD_ANY_TEXT},
    {.name = "cut_after_bytes", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e7},
    {.name = "cut_head_after_bytes", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e7},
    {.name = "reset", .kind = FIELD_TEXT},
    {.name = "close", .kind = FIELD_BOOL},
    {.name = "drip", .kind = FIELD_OBJECT, .fields = DRIP_FIELDS},
    {.name = "execute", .kind = FIELD_BOOL},
    {.name = "tokens", .kind = FIELD_TEXT},
    {.name = "tokens_scope", .kind = FIELD_TEXT},
    {0},
};

static void add_fault(struct call *call)
{
    const char *problem = NULL;
    if (!routes_has_operation(call_text(call, "operation"))) {
        control_refuse(call, 400, "no such operation");
        return;
    }
    struct fault_rule *rule = fault_rule_create(call->body, &problem);
    if (!rule) {
        control_refuse(call, 400, problem);
        return;
    }
    const uint64_t number = faults_add(&call->emulator->faults, rule);
    if (number == 0) {
        control_refuse(call, 409, "too many faults");
        return;
    }
    struct json_writer w = reply_json(call, 201);
    jw_object_begin(&w);
    jw_member_int(&w, "fault", (int64_t)number);
    jw_object_end(&w);
}

static void list_faults(struct call *call)
{
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_key(&w, "faults");
    faults_write(&call->emulator->faults, &w);
    jw_object_end(&w);
}

static void clear_faults(struct call *call)
{
    faults_clear(&call->emulator->faults);
    reply_empty(call, 204);
}

/* ---- routes -------------------------------------------------------------------------------- */

static const struct control_route ROUTES[] = {
    {"GET", "/_emulator/health", NULL, false, health},
    {"POST", "/_emulator/users", MAKE_USER_FIELDS, true, control_make_user},
    {"GET", USERS_PREFIX, NULL, false, control_get_user},
    {"POST", USERS_PREFIX, SET_USER_FIELDS, false, control_set_user},
    {"POST", "/_emulator/login", LOGIN_FIELDS, false, control_login},
    {"POST", "/_emulator/keys/rotate", ROTATE_FIELDS, true, rotate_keys},
    {"POST", "/_emulator/keys/withdraw", WITHDRAW_FIELDS, false, withdraw_key},
    {"POST", "/_emulator/tokens/revoke", REVOKE_FIELDS, false, revoke_tokens},
    {"POST", "/_emulator/sign", SIGN_FIELDS, false, sign_token},
    {"POST", "/_emulator/clock", CLOCK_FIELDS, false, control_clock},
    {"POST", "/_emulator/settings", SETTINGS_FIELDS, false, control_settings},
    {"GET", "/_emulator/calls", NULL, false, list_calls},
    {"DELETE", "/_emulator/calls", NULL, false, clear_calls},
    {"GET", "/_emulator/calls/count", NULL, false, count_calls},
    {"POST", "/_emulator/faults", FAULT_FIELDS, false, add_fault},
    {"GET", "/_emulator/faults", NULL, false, list_faults},
    {"DELETE", "/_emulator/faults", NULL, false, clear_faults},
};

static bool is_path(struct str path, const char *pattern)
{
    const struct str wanted = str_of(pattern);
    if (wanted.ptr[wanted.len - 1] != '/')
        return str_eq(path, wanted);
    return str_starts_with(path, wanted) && path.len > wanted.len &&
           !memchr(path.ptr + wanted.len, '/', path.len - wanted.len);
}

/* NULL: the body is read, or was not needed. */
static const char *read_body(struct call *call, const struct control_route *route)
{
    static const struct json_limits LIMITS = {.bytes_max = HTTP_BODY_BYTES_MAX,
                                              .depth_max = CONTROL_BODY_DEPTH_MAX,
                                              .values_max = CONTROL_BODY_VALUES_MAX};
    const struct str text = buf_str(&call->request->body);
    struct json_error error;
    if (!route->fields || (text.len == 0 && route->body_optional))
        return NULL;
    if (json_parse(text, &LIMITS, &call->body, &error) != ERR_OK)
        return "the body should be JSON";
    return fields_problem(route->fields, call->body, &call->arena);
}

bool control_handle(struct call *call)
{
    bool path_known = false;
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
        const struct control_route *route = &ROUTES[i];
        if (!is_path(call->request->path, route->path))
            continue;
        path_known = true;
        if (!str_is(call->request->method, route->method))
            continue;
        const char *problem = read_body(call, route);
        if (problem)
            control_refuse(call, 400, problem);
        else
            route->handler(call);
        return true;
    }
    if (path_known)
        control_refuse(call, 405, "method not allowed");
    return path_known;
}
