/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/biometrics/register: stores the device's public key for the bearer's user. Never sent
 * twice: a second one may count as a second key. */
#include "api/answer.h"
#include "api/bearer.h"
#include "api/challenge.h"
#include "api/endpoints.h"
#include "api/limits.h"
#include "base/crypto.h"

enum { PUBLIC_KEY_BYTES_MAX = 8192, ATTESTATION_BYTES_MAX = 24 * 1024, ANSWER_MAX = 4096 };

struct enroll {
    struct register_in {
        struct str key_id, public_key, key_type, os;
        struct str device_id, display_name, challenge_id, attestation;
    } in;
    bool ec;
    bool ios;
    struct challenge_handle challenge; /* challenge.ptr NULL: none was given */
};

static const struct schema_field FIELDS[] = {
    {"key_id", SCHEMA_TEXT, true, offsetof(struct register_in, key_id), 1, 255, ALPHABET_TEXT},
    {"public_key", SCHEMA_TEXT, true, offsetof(struct register_in, public_key), 1,
     PUBLIC_KEY_BYTES_MAX, ALPHABET_LINES},
    {"key_type", SCHEMA_TEXT, true, offsetof(struct register_in, key_type), 1, 16, ALPHABET_WORD},
    {"os", SCHEMA_TEXT, true, offsetof(struct register_in, os), 1, 16, ALPHABET_WORD},
    {"device_id", SCHEMA_TEXT, false, offsetof(struct register_in, device_id), 1, 80,
     ALPHABET_TEXT},
    {"display_name", SCHEMA_TEXT, false, offsetof(struct register_in, display_name), 1, 255,
     ALPHABET_TEXT},
    {"challenge_id", SCHEMA_TEXT, false, offsetof(struct register_in, challenge_id), 1,
     HANDLE_CHARS_MAX, ALPHABET_VISIBLE},
    {"attestation", SCHEMA_TEXT, false, offsetof(struct register_in, attestation), 1,
     ATTESTATION_BYTES_MAX, ALPHABET_LINES},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static step_fn read_body, open_challenge, take_permit, use_challenge, send_call, read_answer, reply;

static const struct step STEPS[] = {
    {"address", limit_address}, {"bearer", bearer_check},      {"limits", limit_bearer},
    {"body", read_body},        {"challenge", open_challenge}, {"permit", take_permit},
    {"use", use_challenge},     {"send", send_call},           {"answer", read_answer},
    {"reply", reply},
};
static const struct story STORY = {
    .ceremony = CEREMONY_REGISTER,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct enroll),
};

void register_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_choices(struct flow *f, struct enroll *r)
{
    r->ec = str_is(r->in.key_type, "ec");
    if (!r->ec && !str_is(r->in.key_type, "rsa"))
        return flow_refuse_member(f, "/key_type", "must be rsa or ec");
    r->ios = str_eq_nocase(r->in.os, STR("ios"));
    if (!r->ios && !str_eq_nocase(r->in.os, STR("android")))
        return flow_refuse_member(f, "/os", "must be ios or android");
    return ERR_OK;
}

static enum err read_body(struct flow *f)
{
    struct enroll *r = f->state;
    const enum err e = flow_read_body(f, &SCHEMA, &r->in);
    if (e != ERR_OK)
        return e;
    f->audit.key_id = r->in.key_id;
    const enum err chosen = read_choices(f, r);
    if (chosen != ERR_OK)
        return chosen;
    const char *what = NULL;
    (void)crypto_lacked_memory(); /* of earlier */
    if (device_key_check(r->in.public_key, r->ec ? DEVICE_KEY_EC : DEVICE_KEY_RSA, &what))
        return ERR_OK;
    return crypto_lacked_memory() ? ERR_NO_MEMORY : flow_refuse_member(f, "/public_key", what);
}

static enum err open_challenge(struct flow *f)
{
    struct enroll *r = f->state;
    if (!r->in.challenge_id.ptr)
        return ERR_OK;
    const struct challenge_claim claim = {
        .user_id = f->bearer.claims.sub,
        .device_id = r->in.device_id,
    };
    return challenge_check(f, r->in.challenge_id, &claim, &r->challenge);
}

static enum err take_permit(struct flow *f)
{
    return flow_permit(f, VENDOR_REGISTER);
}

static enum err use_challenge(struct flow *f)
{
    const struct enroll *r = f->state;
    return r->in.challenge_id.ptr ? challenge_use(f, &r->challenge) : ERR_OK;
}

static enum err send_call(struct flow *f)
{
    const struct enroll *r = f->state;
    const struct register_call call = {
        .key_id = r->in.key_id,
        .public_key = r->in.public_key,
        .device_id = r->in.device_id,
        .display_name = r->in.display_name,
        .challenge = r->challenge.challenge,
        .attestation = r->in.attestation,
        .ec = r->ec,
        .ios = r->ios,
    };
    register_body(flow_call_body(f), &call);
    return flow_send_as_user(f, VENDOR_REGISTER);
}

static const struct answer_rule RULES[] = {
    {400, "auth_max_authenticators_count_exceeded", ERR_TOO_MANY_KEYS},
    {400, "auth_invalid_attestation", ERR_ATTESTATION_REJECTED},
    {400, "auth_invalid_key_type", ERR_KEY_REJECTED},
    {400, "auth_invalid_key_encoding", ERR_KEY_REJECTED},
    {400, NULL, ERR_REQUEST_REJECTED},
    {404, "client_not_found", ERR_UPSTREAM_REFUSED_CREDENTIALS},
    {404, NULL, ERR_REQUEST_REJECTED},
    {409, NULL, ERR_KEY_ALREADY_REGISTERED},
    {422, NULL, ERR_REQUEST_REJECTED},
};

static enum err read_answer(struct flow *f)
{
    return answer_map(f, RULES, ARRAY_LEN(RULES));
}

static enum err reply(struct flow *f)
{
    const struct enroll *r = f->state;
    struct json_writer w;
    jw_init(&w, flow_reply_json(f, 201, ANSWER_MAX));
    jw_object_begin(&w);
    jw_member(&w, "key_id", r->in.key_id);
    jw_object_end(&w);
    return ERR_OK;
}
