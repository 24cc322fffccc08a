/* SPDX-License-Identifier: Apache-2.0
 * Reads and verifies the app's access token. */
#include "api/bearer.h"

#include "api/token_check.h"

#define REALM "Bearer realm=\"biometrics-bff\""

/* ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/", by their ASCII codes, 32 a line */
static const bool token_chars[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0,
};

static inline bool is_token_char(char c)
{
    return (unsigned char)c < sizeof(token_chars) && token_chars[(unsigned char)c];
}

/* b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1) */
static bool is_b64token(struct str text)
{
    size_t i = 0;
    while (i < text.len && is_token_char(text.ptr[i]))
        i++;
    if (i == 0)
        return false;
    while (i < text.len && text.ptr[i] == '=')
        i++;
    return i == text.len;
}

enum err bearer_parse(struct str field, struct str *ret_token)
{
    static const struct str SCHEME = {"Bearer", 6};
    if (field.len < SCHEME.len || !str_eq_nocase((struct str){field.ptr, SCHEME.len}, SCHEME))
        return ERR_MISSING_TOKEN;
    if (field.len > SCHEME.len && is_token_char(field.ptr[SCHEME.len]))
        return ERR_MISSING_TOKEN; /* another scheme that begins alike */

    if (field.len == SCHEME.len || field.ptr[SCHEME.len] != ' ')
        return ERR_INVALID_TOKEN;
    const struct str token = {field.ptr + SCHEME.len + 1, field.len - SCHEME.len - 1};
    if (!is_b64token(token))
        return ERR_INVALID_TOKEN;
    *ret_token = token;
    return ERR_OK;
}

const char *bearer_challenge(enum err code)
{
    if (code == ERR_TOKEN_EXPIRED)
        return REALM
            ", error=\"invalid_token\", error_description=\"The access token has expired\"";
    if (code == ERR_INVALID_TOKEN)
        return REALM
            ", error=\"invalid_token\", error_description=\"The access token is not valid\"";
    return REALM;
}

/* The gate has refused a second field and, for /v1/, any query (where a token must never be). */
enum err bearer_present(struct flow *f)
{
    return bearer_parse(request_header(f->req, "Authorization"), &f->bearer.token);
}

/* A remembered token passes without another verification. */
static enum err check_access(struct flow *f, const struct jwt_input *in, const char **ret_reason)
{
    struct token_memory *memory = f->app->token_memory;
    const struct keyring keys = keeper_keyring(f->app->keeper);
    struct token_id id;

    if (!memory || !token_id_of(in->token, &id))
        return token_check(f, in, &f->bearer.claims, ret_reason);
    if (token_memory_find(memory, &f->app->policy, &keys, &id, in->now_s, f->arena,
                          &f->bearer.claims)) {
        f->keys_asked = false; /* what a check before this one had asked for is of no matter now */
        return ERR_OK;
    }
    const enum err e = token_check(f, in, &f->bearer.claims, ret_reason);
    if (e == ERR_OK)
        token_memory_keep(memory, &keys, &id, &f->bearer.claims);
    return e;
}

static enum err check_as(struct flow *f, enum token_kind kind)
{
    if (!f->bearer.token.ptr) {
        const enum err present = bearer_present(f);
        if (present != ERR_OK)
            return present;
    }
    const struct jwt_input in = {
        .token = f->bearer.token,
        .kind = kind,
        .now_s = flow_now_s(),
    };
    const char *reason = NULL;
    const enum err e = kind == TOKEN_KIND_ACCESS ? check_access(f, &in, &reason)
                                                 : token_check(f, &in, &f->bearer.claims, &reason);
    if (e == ERR_OK)
        flow_user(f, f->bearer.claims.sub);
    return e == ERR_OK || e == ERR_PENDING ? e : flow_fail_with(f, e, reason);
}

enum err bearer_check(struct flow *f)
{
    return check_as(f, TOKEN_KIND_ACCESS);
}

enum err bearer_check_for_logout(struct flow *f)
{
    return check_as(f, TOKEN_KIND_ACCESS_LOGOUT);
}
