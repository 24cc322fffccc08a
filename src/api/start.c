/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/biometrics/start: a challenge for the device to sign, and the handle that ties it to the
 * user, the device and what is to be approved. Unknown, locked and inactive users get a decoy. */
#include "api/answer.h"
#include "api/approval.h"
#include "api/decoy.h"
#include "api/endpoints.h"
#include "api/limits.h"
#include "base/crypto.h"

enum {
    TIMEOUT_DEFAULT_S = 120,
    ANSWER_MAX = 2 * HANDLE_CHARS_MAX + 2 * CHALLENGE_BYTES_MAX,
    REST_OF_ANSWER_BYTES = 128,
};

struct start {
    struct start_in {
        struct str user_id, identifier, identifier_type, device_id;
        const struct json *approval_data;
        int64_t timeout_s;
    } in;
    struct str approval_data; /* canonical */
    struct str challenge;
    bool decoy;
};

static const struct schema_field FIELDS[] = {
    {"user_id", SCHEMA_TEXT, false, offsetof(struct start_in, user_id), 1, 255, ALPHABET_TEXT},
    {"identifier", SCHEMA_TEXT, false, offsetof(struct start_in, identifier), 1, 255,
     ALPHABET_TEXT},
    {"identifier_type", SCHEMA_TEXT, false, offsetof(struct start_in, identifier_type), 1, 64,
     ALPHABET_WORD},
    {"device_id", SCHEMA_TEXT, false, offsetof(struct start_in, device_id), 1, 80, ALPHABET_TEXT},
    {"approval_data", SCHEMA_OBJECT, false, offsetof(struct start_in, approval_data), 0, 0,
     ALPHABET_TEXT},
    {"timeout_s", SCHEMA_INTEGER, false, offsetof(struct start_in, timeout_s), 30, 600,
     ALPHABET_TEXT},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static step_fn read_body, check_limits, send_call, read_answer, seal_and_reply;

static const struct step STEPS[] = {
    {"body", read_body}, {"address", limit_address}, {"limits", check_limits},
    {"send", send_call}, {"answer", read_answer},    {"reply", seal_and_reply},
};
static const struct story STORY = {
    .ceremony = CEREMONY_START,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct start),
};

void start_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_who(struct flow *f, struct start_in *in)
{
    if (in->user_id.ptr && (in->identifier.ptr || in->identifier_type.ptr))
        return flow_refuse_member(f, in->identifier.ptr ? "/identifier" : "/identifier_type",
                                  "user_id and identifier exclude each other");
    if (!in->user_id.ptr && !in->identifier.ptr)
        return flow_refuse_member(f, "/user_id", "user_id or identifier is required");
    if (in->identifier.ptr && !in->identifier_type.ptr)
        return flow_refuse_member(f, "/identifier_type", "is required with identifier");
    if (in->identifier_type.ptr && str_is(in->identifier_type, "user_id")) {
        in->user_id = in->identifier;
        in->identifier = in->identifier_type = (struct str){0};
    }
    return ERR_OK;
}

static enum err read_approval(struct flow *f, struct start *s)
{
    struct approval_problem problem;
    const enum err e =
        approval_canonical(s->in.approval_data, f->arena, &s->approval_data, &problem);
    if (e == ERR_OK)
        f->audit.approval = s->approval_data;
    if (e != ERR_INVALID_REQUEST)
        return e;
    const struct str member = str_of(problem.member);
    const char *pointer = "/approval_data";
    /* A name outside the alphabet is not repeated: it might need escapes. */
    if (member.len > 0 && member.len <= APPROVAL_KEY_MAX &&
        schema_alphabet_has(ALPHABET_WORD, member))
        pointer = arena_printf(f->arena, "/approval_data/%s", problem.member);
    return pointer ? flow_refuse_member(f, pointer, problem.what) : ERR_NO_MEMORY;
}

static enum err read_body(struct flow *f)
{
    struct start *s = f->state;
    const enum err e = flow_read_body(f, &SCHEMA, &s->in);
    if (e != ERR_OK)
        return e;
    const enum err who = read_who(f, &s->in);
    if (who != ERR_OK)
        return who;
    flow_user(f, s->in.user_id.ptr ? s->in.user_id : s->in.identifier);
    return s->in.approval_data ? read_approval(f, s) : ERR_OK;
}

static enum err check_limits(struct flow *f)
{
    const struct start *s = f->state;
    if (s->in.user_id.ptr)
        return limit_anonymous(f, "user", s->in.user_id);
    return limit_anonymous(f, "identifier", s->in.identifier);
}

static enum err send_call(struct flow *f)
{
    const struct start *s = f->state;
    const struct start_call call = {
        .user_id = s->in.user_id,
        .identifier = s->in.identifier,
        .identifier_type = s->in.identifier_type,
        .device_id = s->in.device_id,
        .approval_data = s->approval_data,
        .timeout_s = s->in.timeout_s,
    };
    start_body(flow_call_body(f), &call);
    return flow_send(f, VENDOR_START, VENDOR_TOKEN_CLIENT);
}

static bool is_about_the_user(int status, const struct vendor_error *error)
{
    static const char *const CODES[] = {
        "user_not_found", "user_not_active", "auth_locked", "user_locked", "user_suspended",
    };

    /* A 404 that says nothing is taken for the user; one that is about our client is not. */
    if (status == 404)
        return strcmp(error->code, "client_not_found") != 0;
    if (error->user_gone)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (strcmp(error->code, CODES[i]) == 0)
            return true;
    }
    return false;
}

/* Does the vendor say that this user is unknown, locked or inactive? The app must not learn it. */
static enum err look_for_user(const struct call_answer *answer, bool *ret_about_user)
{
    struct vendor_error error;

    *ret_about_user = false;
    if (answer->status != 400 && answer->status != 403 && answer->status != 404)
        return ERR_OK;
    const enum err read = vendor_error_read(answer->body, &error);
    *ret_about_user = read == ERR_OK && is_about_the_user(answer->status, &error);
    return read;
}

static const struct answer_rule RULES[] = {
    {400, NULL, ERR_REQUEST_REJECTED},
    {404, NULL, ERR_UPSTREAM_REFUSED_CREDENTIALS},
    {422, NULL, ERR_REQUEST_REJECTED},
};

static enum err read_answer(struct flow *f)
{
    struct start *s = f->state;
    bool about_user;
    const enum err read = look_for_user(f->answer, &about_user);
    if (read != ERR_OK)
        return read;
    if (about_user) {
        s->decoy = true;
        f->audit.note = "decoy";
        return decoy_challenge(f->app->decoy, f->arena, &s->challenge);
    }
    const enum err mapped = answer_map(f, RULES, ARRAY_LEN(RULES));
    if (mapped != ERR_OK)
        return mapped;
    const char *reason = NULL;
    const enum err e = start_answer(f->answer, f->arena, &s->challenge, &reason);
    if (e != ERR_OK)
        return flow_fail_with(f, e, reason);
    decoy_learn(f->app->decoy, s->challenge);
    return ERR_OK;
}

static enum err seal_handle(struct flow *f, const struct start *s, int64_t life_s, struct buf *out)
{
    const int64_t started_s = request_started_wall_ms(f->req) / 1000;
    struct challenge_handle handle = {
        .challenge = s->challenge,
        .user_id = s->in.user_id,
        .identifier = s->in.identifier,
        .identifier_type = s->in.identifier_type,
        .device_id = s->in.device_id,
        .approval_data = s->approval_data,
        .started_s = started_s,
        .expires_s = flow_now_s() + life_s,
        .decoy = s->decoy,
    };
    if (!crypto_random(handle.id, sizeof handle.id))
        return flow_fail_with(f, ERR_INTERNAL, "no randomness");
    const enum err e = challenge_seal(f->app->seal, &handle, out);
    /* The vendor's challenge is the one part without a limit of ours. */
    if (e == ERR_INTERNAL)
        return flow_fail_with(f, ERR_UPSTREAM_INVALID_RESPONSE, "challenge too long to seal");
    return e;
}

static enum err seal_and_reply(struct flow *f)
{
    const struct start *s = f->state;
    const int64_t life_s = s->in.timeout_s > 0 ? s->in.timeout_s : TIMEOUT_DEFAULT_S;
    AUTO_BUF struct buf handle;
    buf_init(&handle, HANDLE_CHARS_MAX);
    const enum err e = seal_handle(f, s, life_s, &handle);
    if (e != ERR_OK)
        return e;

    struct buf *out = flow_reply_json(f, 200, ANSWER_MAX);
    /* Growing would copy it; that there is no room is found at the end of the flow. */
    if (!buf_room(out, s->challenge.len + handle.len + REST_OF_ANSWER_BYTES))
        return ERR_OK;
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "challenge", s->challenge);
    jw_member(&w, "challenge_id", buf_str(&handle));
    jw_member_int(&w, "expires_in", life_s);
    jw_object_end(&w);
    return ERR_OK;
}
