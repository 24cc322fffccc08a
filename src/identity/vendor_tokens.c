/* SPDX-License-Identifier: Apache-2.0
 * Reads the successful answers that carry something for the app: the challenge of start, the tokens
 * of authenticate and refresh. Everything is checked for type, size and alphabet here; what the
 * tokens say is the verifier's business. */
#include "identity/upstream.h"

/* As large as http_client lets an answer be by default. */
static const struct json_limits TOKENS_LIMITS = {
    .bytes_max = 256 * 1024,
    .depth_max = 16,
    .values_max = 1024,
};

/* Ten years: beyond it the number is a mistake, and every sum with it stays inside int64. */
static const double EXPIRES_IN_MAX_S = 10.0 * 365 * 24 * 3600;

static bool has_only(struct str text, char from, char to)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < from || text.ptr[i] > to)
            return false;
    }
    return true;
}

static enum err refused(const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return ERR_UPSTREAM_INVALID_RESPONSE;
}

enum err start_answer(const struct call_answer *answer, struct arena *arena,
                      struct str *ret_challenge, const char **ret_reason)
{
    AUTO_JSON struct json *root = NULL;
    const enum err e = vendor_body_read(answer, &root, ret_reason);
    if (e != ERR_OK)
        return e;

    const struct str challenge = json_string(json_member(root, "challenge"));
    if (challenge.len == 0 || challenge.len > CHALLENGE_BYTES_MAX || !has_only(challenge, ' ', '~'))
        return refused("challenge is missing, too long or not printable", ret_reason);

    const struct str copy = arena_copy(arena, challenge);
    if (!copy.ptr)
        return ERR_NO_MEMORY;
    *ret_challenge = copy;
    return ERR_OK;
}

enum presence { REQUIRED, OPTIONAL };

/* WORD: visible ASCII, for it goes into headers and JSON unchanged. TOKEN: any text, for the
 * verifier decides what is wrong with it. null counts as absent. */
enum content { WORD, TOKEN };

static enum err read_text(const struct json *root, const char *name, enum presence presence,
                          enum content content, size_t max, struct arena *arena, struct str *ret)
{
    const struct json *value = json_member(root, name);
    if (!value || json_type(value) == JSON_NULL)
        return presence == OPTIONAL ? ERR_OK : ERR_UPSTREAM_INVALID_RESPONSE;

    const struct str text = json_string(value);
    if (!text.ptr || text.len > max)
        return ERR_UPSTREAM_INVALID_RESPONSE;
    if (content == WORD && (text.len == 0 || !has_only(text, '!', '~')))
        return ERR_UPSTREAM_INVALID_RESPONSE;
    *ret = arena_copy(arena, text);
    return ret->ptr ? ERR_OK : ERR_NO_MEMORY;
}

static enum err read_tokens(const struct json *root, bool session_required, struct arena *arena,
                            struct vendor_tokens *ret, const char **ret_reason)
{
    const struct {
        const char *name;
        enum presence presence;
        enum content content;
        size_t max;
        struct str *into;
        const char *reason;
    } members[] = {
        /* First, for whoever refuses the rest has to end it. */
        {"session_id", session_required ? REQUIRED : OPTIONAL, WORD, VENDOR_SESSION_ID_BYTES_MAX,
         &ret->session_id, "session_id is missing or malformed"},
        {"access_token", REQUIRED, TOKEN, VENDOR_TOKEN_BYTES_MAX, &ret->access_token,
         "access_token is missing or malformed"},
        {"id_token", OPTIONAL, TOKEN, VENDOR_TOKEN_BYTES_MAX, &ret->id_token,
         "id_token is malformed"},
        {"refresh_token", OPTIONAL, WORD, REFRESH_TOKEN_BYTES_MAX, &ret->refresh_token,
         "refresh_token is malformed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const enum err e = read_text(root, members[i].name, members[i].presence, members[i].content,
                                     members[i].max, arena, members[i].into);
        if (e == ERR_UPSTREAM_INVALID_RESPONSE)
            return refused(members[i].reason, ret_reason);
        if (e != ERR_OK)
            return e;
    }

    if (!str_eq_nocase(json_string(json_member(root, "token_type")), STR("Bearer")))
        return refused("token_type is not Bearer", ret_reason);

    double expires_in_s = 0;
    if (!json_number(json_member(root, "expires_in"), &expires_in_s) || !(expires_in_s >= 1))
        return refused("expires_in is missing or not positive", ret_reason);
    ret->expires_in_s =
        (int64_t)(expires_in_s > EXPIRES_IN_MAX_S ? EXPIRES_IN_MAX_S : expires_in_s);
    return ERR_OK;
}

enum err tokens_read(struct str body, bool session_required, struct arena *arena,
                     struct vendor_tokens *ret, const char **ret_reason)
{
    AUTO_JSON struct json *root = NULL;
    struct json_error problem;
    const enum err parsed = json_parse(body, &TOKENS_LIMITS, &root, &problem);
    if (parsed == ERR_NO_MEMORY)
        return parsed;
    if (parsed != ERR_OK || json_type(root) != JSON_OBJECT)
        return refused("body is not a strict JSON object", ret_reason);

    struct vendor_tokens tokens = {0};
    const enum err e = read_tokens(root, session_required, arena, &tokens, ret_reason);
    *ret = e == ERR_OK ? tokens : (struct vendor_tokens){.session_id = tokens.session_id};
    return e;
}
