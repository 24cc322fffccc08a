/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/biometrics/authenticate: the signed challenge becomes a session, after every token was
 * verified and bound to the ceremony that start began. The handle is used up right before the call;
 * nothing after that is ever repeated but a call that the vendor refused for our token. */
#include "api/answer.h"
#include "api/challenge.h"
#include "api/detached.h"
#include "api/endpoints.h"
#include "api/limits.h"
#include "api/session.h"

enum { CLAIMS_BYTES_MAX = 4096, USER_AGENT_BYTES_MAX = 512 };

struct authenticate {
    struct authenticate_in {
        struct str challenge_id, user_id, key_id, signature, device_id, resource, org_id, session;
        const struct json *claims;
    } in;
    struct challenge_handle challenge;
    struct session_handle joined; /* session_id.ptr NULL: a new session */
    struct session session;
    bool is_good; /* verified and bound */
};

static const struct schema_field FIELDS[] = {
    {"challenge_id", SCHEMA_TEXT, true, offsetof(struct authenticate_in, challenge_id), 1,
     HANDLE_CHARS_MAX, ALPHABET_VISIBLE},
    {"user_id", SCHEMA_TEXT, true, offsetof(struct authenticate_in, user_id), 1, 255,
     ALPHABET_TEXT},
    {"key_id", SCHEMA_TEXT, true, offsetof(struct authenticate_in, key_id), 1, 255, ALPHABET_TEXT},
    {"signature", SCHEMA_TEXT, true, offsetof(struct authenticate_in, signature), 1, 4096,
     ALPHABET_VISIBLE},
    {"device_id", SCHEMA_TEXT, false, offsetof(struct authenticate_in, device_id), 1, 80,
     ALPHABET_TEXT},
    {"resource", SCHEMA_TEXT, false, offsetof(struct authenticate_in, resource), 1, 2048,
     ALPHABET_TEXT},
    {"org_id", SCHEMA_TEXT, false, offsetof(struct authenticate_in, org_id), 1, 255, ALPHABET_TEXT},
    {"claims", SCHEMA_OBJECT, false, offsetof(struct authenticate_in, claims), 0, 0, ALPHABET_TEXT},
    {"session", SCHEMA_TEXT, false, offsetof(struct authenticate_in, session), 1, HANDLE_CHARS_MAX,
     ALPHABET_VISIBLE},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static step_fn read_body, check_limits, open_challenge, open_session, check_lockout, take_permit,
    use_challenge, send_call, read_answer, read_tokens, verify_access_token, verify_id_token,
    bind_session, reply;
static void finish(struct flow *f);

static const struct step STEPS[] = {
    {"body", read_body},
    {"address", limit_address},
    {"limits", check_limits},
    {"challenge", open_challenge},
    {"session", open_session},
    {"lockout", check_lockout},
    {"token", want_client_token},
    {"permit", take_permit},
    {"use", use_challenge},
    {"send", send_call},
    {"answer", read_answer},
    {"tokens", read_tokens},
    {"access_token", verify_access_token},
    {"id_token", verify_id_token},
    {"bind", bind_session},
    {"reply", reply},
};
static const struct story STORY = {
    .ceremony = CEREMONY_AUTHENTICATE,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct authenticate),
    .finish = finish,
};

void authenticate_start(struct request *req)
{
    flow_start(req, &STORY);
}

/* ---- what is asked */

static enum err check_claims(struct flow *f, const struct json *claims)
{
    if (json_count(claims) == 0)
        return flow_refuse_member(f, "/claims", "must not be empty");
    for (const struct json *member = json_first(claims); member; member = json_next(member)) {
        const bool is_id = str_is(json_name(member), "id_token");
        if (!is_id && !str_is(json_name(member), "access_token"))
            return flow_refuse_member(f, "/claims", "may hold id_token and access_token alone");
        if (json_type(member) != JSON_OBJECT)
            return flow_refuse_member(f, is_id ? "/claims/id_token" : "/claims/access_token",
                                      "must be an object");
    }
    AUTO_BUF struct buf text;
    buf_init(&text, CLAIMS_BYTES_MAX);
    json_print(&text, claims);
    if (text.state == BUF_FULL)
        return flow_refuse_member(f, "/claims", "must be at most 4096 bytes long");
    return buf_ok(&text) ? ERR_OK : ERR_NO_MEMORY;
}

static enum err check_resource(struct flow *f, struct str resource)
{
    const struct str_list *audiences = &f->app->config->access_token_audiences;
    for (size_t i = 0; i < audiences->count; i++) {
        if (str_is(resource, audiences->items[i]))
            return ERR_OK;
    }
    return flow_refuse_member(f, "/resource", "is none of the audiences of this service");
}

static enum err read_body(struct flow *f)
{
    struct authenticate *a = f->state;
    enum err e = flow_read_body(f, &SCHEMA, &a->in);
    if (e != ERR_OK)
        return e;
    flow_user(f, a->in.user_id);
    f->audit.key_id = a->in.key_id;
    if (a->in.claims)
        e = check_claims(f, a->in.claims);
    if (e == ERR_OK && a->in.resource.ptr)
        e = check_resource(f, a->in.resource);
    return e;
}

/* ---- may it be asked */

static enum err check_limits(struct flow *f)
{
    const struct authenticate *a = f->state;
    return limit_anonymous(f, "user", a->in.user_id);
}

static enum err open_challenge(struct flow *f)
{
    struct authenticate *a = f->state;
    const struct challenge_claim claim = {
        .user_id = a->in.user_id,
        .device_id = a->in.device_id,
        .identifier_may_stand = true,
    };
    const enum err e = challenge_check(f, a->in.challenge_id, &claim, &a->challenge);
    if (e == ERR_OK)
        f->audit.approval = a->challenge.approval_data;
    if (e == ERR_OK && a->challenge.decoy)
        f->audit.note = "decoy";
    return e;
}

static enum err open_session(struct flow *f)
{
    struct authenticate *a = f->state;
    if (!a->in.session.ptr)
        return ERR_OK;
    const enum err e = session_handle_check(f, a->in.session, &a->joined);
    if (e != ERR_OK)
        return e;
    if (!str_eq(a->joined.user_id, a->in.user_id))
        return flow_fail_with(f, ERR_FORBIDDEN, "the session handle is of another user");
    return ERR_OK;
}

static enum err check_lockout(struct flow *f)
{
    const struct authenticate *a = f->state;
    int retry_after_s = 0;
    const enum err e = store_lockout_check(f->app->store, a->in.user_id, a->in.key_id,
                                           loop_now_ms(f->app->loop), &retry_after_s);
    return e == ERR_RATE_LIMITED ? limit_exceeded(f, retry_after_s, "lockout") : e;
}

/* ---- the call */

static enum err take_permit(struct flow *f)
{
    return flow_permit(f, VENDOR_AUTHENTICATE);
}

static enum err use_challenge(struct flow *f)
{
    const struct authenticate *a = f->state;
    const enum err e = challenge_use(f, &a->challenge);
    if (e == ERR_OK)
        flow_retry_from_now(f, RETRY_NEW_CHALLENGE);
    return e;
}

/* The app's own words, so bounded and never invalid text. */
static struct str user_agent_of(struct flow *f)
{
    struct str text = request_header(f->req, "User-Agent");
    if (text.len > USER_AGENT_BYTES_MAX)
        text.len = USER_AGENT_BYTES_MAX;
    /* The cut may have split a character, which is at most four bytes long. */
    for (size_t i = 0; i < 3 && text.len == USER_AGENT_BYTES_MAX - i && !str_is_utf8(text); i++)
        text.len--;
    if (text.len == 0 || !str_is_utf8(text) || str_has_control(text))
        return (struct str){0};
    return text;
}

static enum err send_call(struct flow *f)
{
    const struct authenticate *a = f->state;
    const struct ip ip = request_client_ip(f->req);
    char ip_text[IP_TEXT_BYTES];
    ip_format(&ip, ip_text);

    const struct authenticate_call call = {
        .user_id = a->in.user_id,
        .key_id = a->in.key_id,
        .challenge = a->challenge.challenge,
        .signature = a->in.signature,
        .resource = a->in.resource,
        .org_id = a->in.org_id,
        .session_id = a->joined.session_id,
        .claims = a->in.claims,
        .ask_approval_data = a->challenge.approval_data.ptr != NULL,
        .user_agent = user_agent_of(f),
        .ip_address = ip.known ? str_of(ip_text) : (struct str){0},
    };
    authenticate_body(flow_call_body(f), &call);
    return flow_send(f, VENDOR_AUTHENTICATE, VENDOR_TOKEN_CLIENT);
}

/* ---- the answer */

/* One answer for a wrong signature, key or user. A 401 or 403 without a code that the vendor
 * documents may be about our client, or from an edge, and must not lock a user out. */
static enum err refuse(struct flow *f, const struct vendor_error *error)
{
    const struct authenticate *a = f->state;
    const int status = f->answer->status;
    const bool is_verdict = status == 400 || status == 404 || error->upstream_code != NULL;
    if (is_verdict)
        store_lockout_failed(f->app->store, a->in.user_id, a->in.key_id, loop_now_ms(f->app->loop));
    else if (status == 401)
        keeper_token_refused(f->app->keeper, KEEPER_CLIENT_TOKEN, f->send.generation, true);
    const struct resilience_row *row = resilience_row(VENDOR_AUTHENTICATE, f->send.failure);
    return flow_fail_with(f, row->error == ERR_OK ? ERR_AUTHENTICATION_FAILED : row->error,
                          arena_printf(f->arena, "vendor %d %s", status, error->code));
}

static enum err read_answer(struct flow *f)
{
    const int status = f->answer->status;
    if (answer_is_success(f->answer))
        return ERR_OK;

    struct vendor_error error;
    const enum err read = vendor_error_read(f->answer->body, &error);
    if (read != ERR_OK)
        return read;
    if (f->send.failure == FAILURE_TOKEN_401)
        return flow_fail_refused(f);
    if (status == 400 || status == 401 || status == 403 || status == 404)
        return refuse(f, &error);
    return flow_fail_with(f, ERR_UPSTREAM_INVALID_RESPONSE,
                          arena_printf(f->arena, "vendor %d %s", status, error.code));
}

/* A decoy cannot become a session, whatever the vendor says; finish() logs it out. */
static enum err read_tokens(struct flow *f)
{
    struct authenticate *a = f->state;
    const char *reason = NULL;
    enum err e = vendor_body_is_json(f->answer, &reason);
    if (e == ERR_OK)
        e = tokens_read(f->answer->body, true, f->arena, &a->session.tokens, &reason);
    if (a->challenge.decoy) {
        store_lockout_failed(f->app->store, a->in.user_id, a->in.key_id, loop_now_ms(f->app->loop));
        return flow_fail_with(f, ERR_AUTHENTICATION_FAILED, "decoy");
    }
    return e == ERR_OK ? ERR_OK : flow_fail_with(f, e, reason);
}

static enum err verify_access_token(struct flow *f)
{
    struct authenticate *a = f->state;
    return session_verify_access_token(f, &a->session);
}

static enum err verify_id_token(struct flow *f)
{
    struct authenticate *a = f->state;
    return session_verify_id_token(f, &a->session);
}

static enum err bind_session(struct flow *f)
{
    struct authenticate *a = f->state;
    const struct session_binding binding = {
        .user_id = a->in.user_id,
        .not_before_s = a->challenge.started_s,
        .approval_data = a->challenge.approval_data,
        .identifier = a->challenge.identifier,
        .identifier_type = a->challenge.identifier_type,
    };
    const enum err e = session_bind(f, &a->session, &binding);
    a->is_good = e == ERR_OK;
    return e;
}

static enum err reply(struct flow *f)
{
    struct authenticate *a = f->state;
    const struct session_handle handle = {
        .session_id = a->session.tokens.session_id,
        .user_id = a->session.access.sub,
        .created_s = flow_now_s(),
    };
    struct session_answer answer = {
        .key_id = a->in.key_id,
        .with_approval_data = a->challenge.approval_data.ptr != NULL,
    };
    const enum err e = session_handle_make(f, &handle, &answer.session_handle);
    if (e != ERR_OK)
        return e;
    store_lockout_succeeded(f->app->store, a->in.user_id, a->in.key_id, loop_now_ms(f->app->loop));
    session_reply(f, &a->session, &answer);
    return ERR_OK;
}

/* However the request ends: a vendor session that no app may have is ended too. */
static void finish(struct flow *f)
{
    struct authenticate *a = f->state;
    if (a->session.tokens.session_id.ptr && !a->is_good)
        detached_logout(f->app, a->session.tokens.session_id, request_traceparent(f->req));
    session_finish(&a->session);
}
