/* SPDX-License-Identifier: Apache-2.0
 * Everything random here comes from the system's generator; nothing random is ever printed. */
#include "emulator/ceremonies.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"

static void destroy_challenge(void *challenge)
{
    challenge_destroy(challenge);
}

static void destroy_session(void *value)
{
    struct session *session = value;
    free(session->user_id);
    free(session);
}

static void destroy_family(void *value)
{
    struct refresh_family *family = value;
    crypto_cleanse(family->current, sizeof(family->current));
    free(family->resource);
    free(family);
}

bool ceremonies_init(struct ceremonies *c)
{
    *c = (struct ceremonies){0};
    return table_init(&c->challenges, CHALLENGES_MAX, destroy_challenge) &&
           table_init(&c->sessions, SESSIONS_MAX, destroy_session) &&
           table_init(&c->families, SESSIONS_MAX, destroy_family);
}

void ceremonies_finish(struct ceremonies *c)
{
    table_finish(&c->challenges);
    table_finish(&c->sessions);
    table_finish(&c->families);
}

static bool random_hex(char *out, size_t digits)
{
    uint8_t bytes[32];
    if (digits / 2 > sizeof(bytes) || !crypto_random(bytes, digits / 2))
        return false;
    hex_encode(bytes, digits / 2, out);
    return true;
}

/* ---- challenges ---------------------------------------------------------------------------- */

void challenge_destroy(struct challenge *challenge)
{
    if (!challenge)
        return;
    free(challenge->user_id);
    free(challenge->device_id);
    free(challenge->approval_data);
    free(challenge);
}

static bool derive_challenge(struct str approval_data, char ret[CHALLENGE_BYTES])
{
    char nonce[CHALLENGE_BYTES];
    uint8_t digest[SHA256_BYTES];
    AUTO_BUF struct buf input = {0};
    buf_init(&input, 64 * 1024);
    if (!random_hex(nonce, CHALLENGE_BYTES - 1))
        return false;
    buf_append_z(&input, nonce);
    buf_append(&input, approval_data);
    if (!buf_ok(&input) || !crypto_sha256(buf_str(&input), digest))
        return false;
    hex_encode(digest, sizeof(digest), ret);
    return true;
}

static char *copy_or_null(const char *text)
{
    return text ? strdup(text) : NULL;
}

bool challenge_create(struct ceremonies *c, const struct challenge *from, char ret[CHALLENGE_BYTES])
{
    struct challenge *made = calloc(1, sizeof(*made));
    if (!made)
        return false;
    made->user_id = copy_or_null(from->user_id);
    made->device_id = copy_or_null(from->device_id);
    made->approval_data = copy_or_null(from->approval_data);
    made->expires_at_s = from->expires_at_s;
    const bool copied = made->user_id && !made->device_id == !from->device_id &&
                        !made->approval_data == !from->approval_data;
    if (copied && derive_challenge(str_of(from->approval_data), ret) &&
        table_put(&c->challenges, str_of(ret), made))
        return true;
    challenge_destroy(made);
    return false;
}

struct challenge *challenge_take(struct ceremonies *c, struct str text, int64_t now_s)
{
    struct challenge *challenge = table_take(&c->challenges, text);
    if (challenge && challenge->expires_at_s <= now_s) {
        challenge_destroy(challenge);
        return NULL;
    }
    return challenge;
}

/* ---- sessions ------------------------------------------------------------------------------ */

struct session *session_create(struct ceremonies *c, struct str user_id, int64_t now_s)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->user_id = strndup(user_id.ptr, user_id.len);
    session->auth_time_s = now_s;
    session->expires_at_s = now_s + SESSION_LIFE_S;
    if (session->user_id && random_hex(session->id, SESSION_ID_BYTES - 1) &&
        table_put(&c->sessions, str_of(session->id), session))
        return session;
    destroy_session(session);
    return NULL;
}

struct session *session_find(struct ceremonies *c, struct str id, int64_t now_s)
{
    struct session *session = table_find(&c->sessions, id);
    return session && session->expires_at_s > now_s ? session : NULL;
}

bool session_end(struct ceremonies *c, struct str id)
{
    struct session *session = table_take(&c->sessions, id);
    if (!session)
        return false;
    destroy_session(session);
    return true;
}

/* ---- refresh tokens ------------------------------------------------------------------------ */

enum { FAMILY_ID_DIGITS = 32, REFRESH_SECRET_DIGITS = 64 };
_Static_assert(FAMILY_ID_DIGITS + 1 + REFRESH_SECRET_DIGITS + 1 == REFRESH_TOKEN_BYTES,
               "family, dot, secret, NUL");

static bool next_secret(char token[REFRESH_TOKEN_BYTES])
{
    token[FAMILY_ID_DIGITS] = '.';
    return random_hex(token + FAMILY_ID_DIGITS + 1, REFRESH_SECRET_DIGITS);
}

bool refresh_create(struct ceremonies *c, const struct session *session, struct str resource,
                    int64_t now_s, char ret[REFRESH_TOKEN_BYTES])
{
    struct refresh_family *family = calloc(1, sizeof(*family));
    if (!family)
        return false;
    memcpy(family->session_id, session->id, sizeof(family->session_id));
    family->resource = resource.ptr ? strndup(resource.ptr, resource.len) : NULL;
    family->expires_at_s = now_s + SESSION_LIFE_S;
    if (!family->resource == !resource.ptr && random_hex(family->current, FAMILY_ID_DIGITS) &&
        next_secret(family->current) &&
        table_put(&c->families, (struct str){family->current, FAMILY_ID_DIGITS}, family)) {
        memcpy(ret, family->current, REFRESH_TOKEN_BYTES);
        return true;
    }
    destroy_family(family);
    return false;
}

enum refresh_result refresh_rotate(struct ceremonies *c, struct str token, int64_t now_s,
                                   const struct refresh_family **ret_family)
{
    if (token.len != REFRESH_TOKEN_BYTES - 1)
        return REFRESH_UNKNOWN;
    const struct str id = {token.ptr, FAMILY_ID_DIGITS};
    struct refresh_family *family = table_find(&c->families, id);
    if (!family)
        return REFRESH_UNKNOWN;
    if (!crypto_equal(token, str_of(family->current))) {
        table_remove(&c->families, id);
        return REFRESH_REUSED;
    }
    if (family->expires_at_s <= now_s || !session_find(c, str_of(family->session_id), now_s)) {
        table_remove(&c->families, id);
        return REFRESH_UNKNOWN;
    }
    if (!next_secret(family->current))
        return REFRESH_FAILED;
    *ret_family = family;
    return REFRESH_OK;
}
