/* SPDX-License-Identifier: Apache-2.0
 * From the vendor's tokens to a session for the app. */
#include "api/session.h"

#include "api/approval.h"
#include "api/token_check.h"
#include "base/clock.h"

/* Two tokens of BFF_JWT_MAX_BYTES, a refresh token, a handle and the allowed claims. */
enum { SESSION_ANSWER_MAX = 256 * 1024, REST_OF_ANSWER_BYTES = 1024 };

/* ---- verification */

static enum err verify(struct flow *f, const struct jwt_input *in, struct jwt_claims *ret)
{
    const char *reason = NULL;
    const enum err e = token_check(f, in, ret, &reason);
    if (e == ERR_OK || e == ERR_PENDING || e == ERR_NO_MEMORY)
        return e;
    const bool is_verdict = e == ERR_INVALID_TOKEN || e == ERR_TOKEN_EXPIRED;
    return flow_fail_with(f, is_verdict ? ERR_SESSION_VERIFICATION_FAILED : e, reason);
}

enum err session_verify_access_token(struct flow *f, struct session *s)
{
    const struct jwt_input in = {
        .token = s->tokens.access_token,
        .kind = TOKEN_KIND_ACCESS,
        .now_s = flow_now_s(),
    };
    return verify(f, &in, &s->access);
}

enum err session_verify_id_token(struct flow *f, struct session *s)
{
    if (!s->tokens.id_token.ptr)
        return ERR_OK;
    const struct jwt_input in = {
        .token = s->tokens.id_token,
        .kind = TOKEN_KIND_ID,
        .now_s = flow_now_s(),
        .access_token = s->tokens.access_token,
    };
    return verify(f, &in, &s->id);
}

/* ---- binding */

/* Digits and '+' alone identify a number; how it is grouped does not. */
static bool same_phone(struct str a, struct str b)
{
    size_t i = 0;
    size_t j = 0;
    for (;;) {
        while (i < a.len && strchr(" -.()", a.ptr[i]))
            i++;
        while (j < b.len && strchr(" -.()", b.ptr[j]))
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (a.ptr[i++] != b.ptr[j++])
            return false;
    }
}

static bool identifier_agrees(const struct session *s, const struct session_binding *b)
{
    static const struct {
        const char *type;
        const char *claim;
        bool (*equal)(struct str a, struct str b);
    } RULES[] = {
        {"email", "email", str_eq_nocase},
        {"phone_number", "phone_number", same_phone},
        {"phone", "phone_number", same_phone},
    };
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        if (!str_is(b->identifier_type, RULES[i].type))
            continue;
        const struct json *claim = json_member(s->id.payload, RULES[i].claim);
        if (!claim)
            return true;
        const struct str text = json_string(claim);
        return text.ptr && RULES[i].equal(text, b->identifier);
    }
    return true;
}

enum jwt_reason session_binding_check(const struct session *s, const struct session_binding *b,
                                      int64_t leeway_s, struct arena *arena)
{
    const bool has_id = s->id.payload != NULL;
    if (b->user_id.ptr && !str_eq(s->access.sub, b->user_id))
        return JWT_SUB_MISMATCH;
    if (has_id && !str_eq(s->id.sub, s->access.sub))
        return JWT_SUB_MISMATCH;

    const int64_t earliest_s = b->not_before_s - leeway_s;
    if (s->access.iat_s < earliest_s || (has_id && s->id.iat_s < earliest_s))
        return JWT_STALE;

    if (b->approval_data.ptr && !has_id)
        return JWT_MISSING;
    if (b->approval_data.ptr &&
        !approval_equal(b->approval_data, json_member(s->id.payload, "approval_data"), arena))
        return JWT_APPROVAL;
    if (b->identifier.ptr && has_id && !identifier_agrees(s, b))
        return JWT_IDENTIFIER;
    return JWT_OK;
}

enum err session_bind(struct flow *f, const struct session *s, const struct session_binding *b)
{
    const enum jwt_reason reason = session_binding_check(s, b, f->app->policy.leeway_s, f->arena);
    if (reason == JWT_OK)
        return ERR_OK;
    token_count(reason);
    return flow_fail_with(f, ERR_SESSION_VERIFICATION_FAILED, JWT_REASON_LABELS[reason]);
}

/* ---- handles */

enum err session_handle_make(struct flow *f, const struct session_handle *h, struct str *ret)
{
    AUTO_BUF struct buf text;
    buf_init(&text, HANDLE_CHARS_MAX);
    const enum err e = session_seal(f->app->seal, h, &text);
    if (e != ERR_OK)
        return e;
    if (!buf_ok(&text))
        return ERR_INTERNAL;
    *ret = arena_copy(f->arena, buf_str(&text));
    return ret->ptr ? ERR_OK : ERR_NO_MEMORY;
}

enum err session_handle_check(struct flow *f, struct str text, struct session_handle *ret)
{
    const enum err e = session_open(f->app->seal, text, f->arena, ret);
    return e == ERR_OK ? ERR_OK : flow_fail_with(f, e, "the session handle does not open");
}

/* ---- the answer */

static bool is_shown_claim(const struct config *config, struct str name)
{
    for (size_t i = 0; i < config->session_claims.count; i++) {
        if (str_is(name, config->session_claims.items[i]))
            return true;
    }
    return false;
}

static void write_user(struct json_writer *w, const struct config *config, const struct session *s)
{
    jw_key(w, "user");
    jw_object_begin(w);
    jw_member(w, "id", s->access.sub);
    for (const struct json *claim = json_first(s->id.payload); claim; claim = json_next(claim)) {
        const struct str name = json_name(claim);
        if (!is_shown_claim(config, name) || str_is(name, "id"))
            continue;
        jw_key_str(w, name);
        json_print(w->out, claim);
        w->need_comma = true;
    }
    jw_object_end(w);
}

static void write_time(struct json_writer *w, const char *name, int64_t wall_s)
{
    char text[RFC3339_BYTES];
    clock_rfc3339(wall_s * 1000, 0, text);
    jw_member(w, name, str_of(text));
}

/* The vendor's number, unless the token itself ends sooner. */
static int64_t seconds_left(const struct flow *f, const struct session *s)
{
    const int64_t left_s = s->access.exp_s - flow_now_s();
    if (s->tokens.expires_in_s <= left_s + f->app->policy.leeway_s)
        return s->tokens.expires_in_s;
    return left_s > 0 ? left_s : 0;
}

void session_reply(struct flow *f, const struct session *s, const struct session_answer *answer)
{
    struct buf *out = flow_reply_json(f, 200, SESSION_ANSWER_MAX);
    const struct vendor_tokens *tokens = &s->tokens;
    /* Growing would copy the tokens once more, and cleanse where they were. */
    if (!buf_room(out, tokens->access_token.len + tokens->id_token.len + tokens->refresh_token.len +
                           REST_OF_ANSWER_BYTES))
        return;
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    write_user(&w, f->app->config, s);
    jw_member(&w, "access_token", s->tokens.access_token);
    jw_member(&w, "token_type", STR("Bearer"));
    jw_member_int(&w, "expires_in", seconds_left(f, s));
    write_time(&w, "expires_at", s->access.exp_s);
    jw_member_opt(&w, "id_token", s->tokens.id_token);
    jw_member_opt(&w, "refresh_token", s->tokens.refresh_token);
    jw_member_opt(&w, "session", answer->session_handle);
    jw_member_opt(&w, "key_id", answer->key_id);
    write_time(&w, "authenticated_at", s->access.iat_s);
    if (answer->with_approval_data) {
        jw_key(&w, "approval_data");
        json_print(w.out, json_member(s->id.payload, "approval_data"));
        w.need_comma = true;
    }
    jw_object_end(&w);
}

void session_finish(struct session *s)
{
    jwt_claims_finish(&s->access);
    jwt_claims_finish(&s->id);
}
