/* SPDX-License-Identifier: Apache-2.0
 * Every call takes the same walk: find the operation, ask for a scripted fault, check the Bearer,
 * check the body, run the handler, write the call down, bend the answer as the fault says. */
#include "emulator/routes.h"

#include "emulator/control.h"
#include "emulator/operations.h"

enum { CALL_ARENA_BYTES_MAX = 64 * 1024 * 1024, BODY_DEPTH_MAX = 16, BODY_VALUES_MAX = 5000 };

enum bearer_rule { BEARER_NONE, BEARER_CLIENT, BEARER_CLIENT_OR_ADMIN, BEARER_USER };

struct operation {
    const char *label;
    const char *method;
    const char *path;
    enum bearer_rule bearer;
    const struct field *fields; /* of the JSON body; NULL: the handler reads it, or there is none */
    call_handler handler;
};

static const struct operation OPERATIONS[] = {
    {"token", "POST", "/oidc/token", BEARER_NONE, NULL, op_token},
    {"token", "POST", "/cis/oidc/token", BEARER_NONE, NULL, op_token},
    {"jwks", "GET", "/cis/oidc/jwks", BEARER_NONE, NULL, op_jwks},
    {"discovery", "GET", "/cis/oidc/.well-known/openid-configuration", BEARER_NONE, NULL,
     op_discovery},
    {"start", "POST", "/cis/v1/auth/mobile-biometrics/start", BEARER_CLIENT, START_FIELDS,
     op_start},
    {"register", "POST", "/cis/v1/auth/mobile-biometrics/register", BEARER_USER, REGISTER_FIELDS,
     op_register},
    {"authenticate", "POST", "/cis/v1/auth/mobile-biometrics/authenticate", BEARER_CLIENT,
     AUTHENTICATE_FIELDS, op_authenticate},
    {"delete", "DELETE", "/cis/v1/auth/mobile-biometrics/delete", BEARER_USER, DELETE_FIELDS,
     op_delete},
    {"face_revoke_me", "POST", "/cis/v1/users/me/face/revoke", BEARER_USER, NULL,
     op_face_revoke_me},
    {"face_revoke", "POST", "/cis/v1/users/face/revoke", BEARER_CLIENT_OR_ADMIN, FACE_REVOKE_FIELDS,
     op_face_revoke},
    {"refresh", "POST", "/cis/v1/auth/token/refresh", BEARER_CLIENT, REFRESH_FIELDS, op_refresh},
    {"session_authenticate", "POST", "/cis/v1/auth/session/authenticate", BEARER_CLIENT,
     SESSION_AUTHENTICATE_FIELDS, op_session_authenticate},
    {"logout", "POST", "/cis/v1/auth/session/logout", BEARER_CLIENT, LOGOUT_FIELDS, op_logout},
};

static const char *const KIND_NAMES[KIND_COUNT] = {
    [KIND_NONE] = "none",   [KIND_INVALID] = "invalid", [KIND_CLIENT] = "client",
    [KIND_ADMIN] = "admin", [KIND_USER] = "user",
};

bool routes_has_operation(struct str label)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        if (str_is(label, OPERATIONS[i].label))
            return true;
    }
    return str_is(label, "*");
}

/* NULL: *ret_status is 404 or 405. */
static const struct operation *find_operation(const struct http_request *request, int *ret_status)
{
    *ret_status = 404;
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        if (!str_is(request->path, OPERATIONS[i].path))
            continue;
        if (str_is(request->method, OPERATIONS[i].method))
            return &OPERATIONS[i];
        *ret_status = 405;
    }
    return NULL;
}

/* ---- checks -------------------------------------------------------------------------------- */

static bool has_right_bearer(const struct call *call, enum bearer_rule rule)
{
    switch (rule) {
    case BEARER_NONE:
        return true;
    case BEARER_CLIENT:
        return call->caller.kind == KIND_CLIENT;
    case BEARER_CLIENT_OR_ADMIN:
        return call->caller.kind == KIND_CLIENT || call->caller.kind == KIND_ADMIN;
    case BEARER_USER:
        return call->caller.kind == KIND_USER;
    }
    return false;
}

static bool is_json(const struct http_request *request)
{
    const struct str type = http_request_header(request, "Content-Type");
    const struct str wanted = STR("application/json");
    return str_starts_with(type, wanted) && (type.len == wanted.len || type.ptr[wanted.len] == ';');
}

/* NULL: the body is what the operation wants. */
static const char *read_json(struct call *call, const struct field *fields)
{
    static const struct json_limits LIMITS = {.bytes_max = HTTP_BODY_BYTES_MAX,
                                              .depth_max = BODY_DEPTH_MAX,
                                              .values_max = BODY_VALUES_MAX};
    struct json_error error;
    if (!is_json(call->request))
        return "Content-Type should be application/json";
    if (json_parse(buf_str(&call->request->body), &LIMITS, &call->body, &error) != ERR_OK)
        return "the body should be JSON";
    return fields_problem(fields, call->body, &call->arena);
}

/* ---- the walk ------------------------------------------------------------------------------ */

static void run_operation(struct call *call, const struct operation *operation)
{
    const char *problem = operation->fields ? read_json(call, operation->fields) : NULL;
    if (!has_right_bearer(call, operation->bearer))
        reply_unauthorized(call);
    else if (problem)
        reply_error(call, 400, SHAPE_CODED, "system_invalid_input", problem);
    else
        operation->handler(call);
}

static void write_down(struct call *call, const struct operation *operation, bool fault)
{
    const struct http_request *request = call->request;
    struct client_cert cert;
    const bool shown = connection_client_cert(call->connection, &cert);
    calls_add(call->emulator->calls,
              &(struct call_record){
                  .operation = operation->label,
                  .method = request->method,
                  .path = request->path,
                  .status = call->reply->status,
                  .token_kind = KIND_NAMES[call->caller.kind],
                  .executed = call->executed,
                  .fault = fault,
                  .connection = call->connection->number,
                  .content_type = http_request_header(request, "Content-Type"),
                  .request_id = http_request_header(request, "X-Request-Id"),
                  .traceparent = http_request_header(request, "traceparent"),
                  .certificate = shown ? str_of(cert.thumbprint) : (struct str){0},
                  .tokens = call->tamper ? str_of(call->tamper->name) : (struct str){0},
                  .body = call->body,
              });
}

static void bend_answer(struct call *call, const struct fault *fault)
{
    struct http_reply *reply = call->reply;
    if (fault->status != 0)
        reply->status = fault->status;
    if (fault->has_body) {
        buf_reset(&reply->body);
        buf_append(&reply->body, fault->body);
        if (!reply->content_type)
            reply->content_type = "application/json";
    }
    buf_append(&reply->headers, fault->headers);
    if (fault->content_type.ptr)
        reply->content_type = fault->content_type.len > 0 ? fault->content_type.ptr : NULL;
    reply->wire = fault->wire;
}

/* A fault that keeps the operation from running and gives no body answers as an error would. */
static void answer_instead(struct call *call, const struct fault *fault)
{
    const int status = fault->status != 0 ? fault->status : 500;
    if (!fault->has_body)
        reply_error(call, status, SHAPE_NUMERIC, "scripted_fault", "Scripted fault");
}

static void answer_operation(struct call *call, const struct operation *operation)
{
    struct fault fault = {.execute = true};
    const bool struck =
        faults_take(&call->emulator->faults, operation->label, &call->arena, &fault);
    call->tamper = fault.tamper;
    call->tamper_scope = fault.tamper_scope;
    tokens_read_bearer(call);
    if (fault.execute)
        run_operation(call, operation);
    else
        answer_instead(call, &fault);
    if (struck)
        bend_answer(call, &fault);
    write_down(call, operation, struck);
    if (fault.delay_ms > 0)
        (void)server_pause(call->emulator->server, fault.delay_ms);
}

/* The content type may live in the arena, which ends before the answer is sent. */
static void keep_content_type(struct call *call)
{
    static const char JSON_TYPE[] = "application/json";
    struct http_reply *reply = call->reply;
    if (!reply->content_type || strcmp(reply->content_type, JSON_TYPE) == 0) {
        reply->content_type = reply->content_type ? JSON_TYPE : NULL;
        return;
    }
    buf_printf(&reply->headers, "Content-Type: %s\r\n", reply->content_type);
    reply->content_type = NULL;
}

void routes_handle(void *context, struct connection *c, const struct http_request *request,
                   struct http_reply *reply)
{
    struct emulator *e = context;
    struct call call = {.emulator = e, .connection = c, .request = request, .reply = reply};
    arena_init(&call.arena, CALL_ARENA_BYTES_MAX);
    call.now_s = emulator_now_s(e);
    reply->date_s = call.now_s;

    int status = 0;
    const struct operation *operation = find_operation(request, &status);
    if (operation)
        answer_operation(&call, operation);
    else if (!control_handle(&call))
        reply_error(&call, status, SHAPE_NUMERIC, "not_found", "Cannot find this operation");

    keep_content_type(&call);
    json_free(call.body);
    arena_finish(&call.arena);
}
