/* SPDX-License-Identifier: Apache-2.0
 * The vendor's calls: the table, the request bodies, and the first reading of an answer. Errors'
 * bodies are read in vendor_error.c, tokens in vendor_tokens.c. No I/O. */
#include "identity/upstream.h"

static const struct vendor_call_row rows[VENDOR_CALL_COUNT] = {
#define X(id, label, method, path, once, users, class)                                             \
    [id] = {label, method, path, once, users, class},
    VENDOR_CALL_TABLE(X)
#undef X
};

/* Answers are small (contract 4.1 speaks of at most 100 KB); the depth covers custom claims. */
static const struct json_limits ANSWER_LIMITS = {
    .bytes_max = 256 * 1024,
    .depth_max = 16,
    .values_max = 4096,
};

const struct vendor_call_row *vendor_call_row(enum vendor_call call)
{
    return &rows[call];
}

enum err vendor_body_is_json(const struct call_answer *answer, const char **ret_reason)
{
    if (!str_is(answer->content_type, "application/json")) {
        *ret_reason = "content type is not application/json";
        return ERR_UPSTREAM_INVALID_RESPONSE;
    }
    if (!answer->charset_ok) {
        *ret_reason = "charset is not utf-8";
        return ERR_UPSTREAM_INVALID_RESPONSE;
    }
    return ERR_OK;
}

enum err vendor_body_read(const struct call_answer *answer, struct json **ret,
                          const char **ret_reason)
{
    const enum err typed = vendor_body_is_json(answer, ret_reason);
    if (typed != ERR_OK)
        return typed;

    struct json *root = NULL;
    struct json_error problem;
    const enum err parsed = json_parse(answer->body, &ANSWER_LIMITS, &root, &problem);
    if (parsed == ERR_NO_MEMORY)
        return parsed;
    if (parsed != ERR_OK) {
        *ret_reason = "body is not strict JSON";
        return ERR_UPSTREAM_INVALID_RESPONSE;
    }
    if (json_type(root) != JSON_OBJECT) {
        json_free(root);
        *ret_reason = "body is not an object";
        return ERR_UPSTREAM_INVALID_RESPONSE;
    }
    *ret = root;
    return ERR_OK;
}

/* ---- request bodies: only members that the vendor's pages list */

void start_body(struct buf *out, const struct start_call *c)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member_opt(&w, "user_id", c->user_id);
    jw_member_opt(&w, "identifier", c->identifier);
    jw_member_opt(&w, "identifier_type", c->identifier_type);
    jw_member_opt(&w, "device_id", c->device_id);
    if (c->approval_data.ptr) {
        jw_key(&w, "approval_data");
        jw_raw(&w, c->approval_data);
    }
    if (c->timeout_s > 0)
        jw_member_int(&w, "timeout", c->timeout_s);
    jw_object_end(&w);
}

static void write_child(struct json_writer *w, const struct json *child)
{
    jw_key_str(w, json_name(child));
    /* json_print() appends to the same buffer; the writer then has to know that a value came. */
    json_print(w->out, child);
    w->need_comma = true;
}

static void write_id_token_claims(struct json_writer *w, const struct json *asked,
                                  bool ask_approval_data)
{
    jw_key(w, "id_token");
    jw_object_begin(w);
    for (const struct json *child = json_first(asked); child; child = json_next(child)) {
        if (!ask_approval_data || !str_is(json_name(child), "approval_data"))
            write_child(w, child);
    }
    if (ask_approval_data) {
        jw_key(w, "approval_data");
        jw_null(w);
    }
    jw_object_end(w);
}

static void write_claims(struct json_writer *w, const struct authenticate_call *c)
{
    const struct json *id_token = json_member(c->claims, "id_token");
    const struct json *access_token = json_member(c->claims, "access_token");

    jw_key(w, "claims");
    jw_object_begin(w);
    if (id_token || c->ask_approval_data)
        write_id_token_claims(w, id_token, c->ask_approval_data);
    if (access_token)
        write_child(w, access_token);
    jw_object_end(w);
}

void authenticate_body(struct buf *out, const struct authenticate_call *c)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "user_id", c->user_id);
    jw_member(&w, "key_id", c->key_id);
    jw_member(&w, "challenge", c->challenge);
    jw_member(&w, "signature", c->signature);
    jw_member_opt(&w, "resource", c->resource);
    jw_member_opt(&w, "org_id", c->org_id);
    jw_member_opt(&w, "session_id", c->session_id);
    if (c->claims || c->ask_approval_data)
        write_claims(&w, c);
    if (c->user_agent.ptr || c->ip_address.ptr) {
        jw_key(&w, "client_attributes");
        jw_object_begin(&w);
        jw_member_opt(&w, "user_agent", c->user_agent);
        jw_member_opt(&w, "ip_address", c->ip_address);
        jw_object_end(&w);
    }
    jw_object_end(&w);
}

void register_body(struct buf *out, const struct register_call *c)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "publicKey", c->public_key);
    jw_member(&w, "publicKeyId", c->key_id);
    jw_member(&w, "os", c->ios ? STR("iOS") : STR("Android"));
    /* Always sent: without it the vendor takes an EC key for RSA (contract 5.2). */
    jw_member(&w, "encryptionType", c->ec ? STR("ec") : STR("rsa"));
    jw_member_opt(&w, "device_id", c->device_id);
    jw_member_opt(&w, "displayName", c->display_name);
    jw_member_opt(&w, "challenge", c->challenge);
    jw_member_opt(&w, "attestation_encoded_result", c->attestation);
    jw_object_end(&w);
}

static void one_member_body(struct buf *out, const char *name, struct str value)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, name, value);
    jw_object_end(&w);
}

void delete_body(struct buf *out, struct str key_id)
{
    one_member_body(out, "publicKeyId", key_id);
}

void face_revoke_body(struct buf *out, struct str user_id)
{
    one_member_body(out, "user_id", user_id);
}

void refresh_body(struct buf *out, struct str refresh_token)
{
    one_member_body(out, "refresh_token", refresh_token);
}

void logout_body(struct buf *out, struct str session_id)
{
    one_member_body(out, "session_id", session_id);
}
