/* SPDX-License-Identifier: Apache-2.0
 * Face revoke, refresh, silent authentication and logout (contract 5.5 to 5.9). */
#include "emulator/operations.h"

#include <string.h>

const struct field FACE_REVOKE_FIELDS[] = {
    {.name = "user_id", .kind = FIELD_TEXT, .required = true},
    {0},
};

const struct field REFRESH_FIELDS[] = {
    {.name = "refresh_token", .kind = FIELD_TEXT, .required = true},
    {0},
};

const struct field SESSION_AUTHENTICATE_FIELDS[] = {
    {.name = "session_id", .kind = FIELD_TEXT, .required = true},
    {.name = "resource", .kind = FIELD_ANY_TEXT},
    {.name = "claims", .kind = FIELD_OBJECT, .fields = CLAIMS_FIELDS},
    {.name = "org_id", .kind = FIELD_ANY_TEXT},
    {.name = "client_attributes", .kind = FIELD_OBJECT, .fields = CLIENT_ATTRIBUTES_FIELDS},
    {.name = "device_id", .kind = FIELD_TEXT, .bytes_max = 80},
    {0},
};

const struct field LOGOUT_FIELDS[] = {
    {.name = "session_id", .kind = FIELD_TEXT, .required = true},
    {0},
};

/* ---- what the tokens of a user say ----------------------------------------------------------- */

bool authentication_of(struct call *call, const struct user *user, const struct session *session,
                       struct authentication *ret)
{
    struct authentication a = {
        .user_id = arena_copy(&call->arena, str_of(user->id)),
        .auth_time_s = session->auth_time_s,
        .by_biometrics = session->by_biometrics,
        .by_other = session->by_other,
        .multi_factor = session->multi_factor,
    };
    if (user->email)
        a.email = arena_copy(&call->arena, str_of(user->email));
    if (user->phone_number)
        a.phone_number = arena_copy(&call->arena, str_of(user->phone_number));
    *ret = a;
    return a.user_id.ptr && !a.email.ptr == !user->email &&
           !a.phone_number.ptr == !user->phone_number;
}

bool authentication_add_refresh(struct call *call, const struct session *session,
                                struct authentication *a)
{
    char token[REFRESH_TOKEN_BYTES];
    struct emulator *e = call->emulator;
    if (!e->settings.issue_refresh_token)
        return true;
    if (!refresh_create(&e->ceremonies, session, a->resource, call->now_s, token))
        return false;
    a->refresh_token = arena_copy(&call->arena, str_of(token));
    return a->refresh_token.ptr != NULL;
}

/* ---- face ---------------------------------------------------------------------------------- */

static void revoke_face(struct call *call, struct str user_id)
{
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    struct user *user = users_find(&e->users, user_id);
    const bool revoked = user && user->face;
    if (revoked)
        user->face = false;
    pthread_mutex_unlock(&e->lock);
    if (!revoked) {
        reply_error(call, 404, SHAPE_WORD, "user_not_found",
                    user ? "No face is registered" : "User not found");
        return;
    }
    call->executed = true;
    reply_empty(call, 204);
}

void op_face_revoke_me(struct call *call)
{
    revoke_face(call, call->caller.sub);
}

void op_face_revoke(struct call *call)
{
    revoke_face(call, call_text(call, "user_id"));
}

/* ---- refresh ------------------------------------------------------------------------------- */

/* The state lock is held. */
static bool rotate(struct call *call, struct authentication *ret)
{
    struct emulator *e = call->emulator;
    const struct refresh_family *family = NULL;
    if (refresh_rotate(&e->ceremonies, call_text(call, "refresh_token"), call->now_s, &family) !=
        REFRESH_OK)
        return false;
    const struct session *session =
        session_find(&e->ceremonies, str_of(family->session_id), call->now_s);
    const struct user *user = session ? users_find(&e->users, str_of(session->user_id)) : NULL;
    if (!user || user->status != USER_ACTIVE || !authentication_of(call, user, session, ret))
        return false;
    if (family->resource)
        ret->resource = arena_copy(&call->arena, str_of(family->resource));
    ret->refresh_token = arena_copy(&call->arena, str_of(family->current));
    return ret->refresh_token.ptr != NULL;
}

void op_refresh(struct call *call)
{
    struct authentication authentication = {0};
    pthread_mutex_lock(&call->emulator->lock);
    const bool rotated = rotate(call, &authentication);
    pthread_mutex_unlock(&call->emulator->lock);
    if (!rotated) {
        reply_error(call, 400, SHAPE_NUMERIC, "invalid_grant", "Invalid refresh token");
        return;
    }
    call->executed = true;
    tokens_reply(call, &authentication);
}

/* ---- sessions ------------------------------------------------------------------------------ */

/* The state lock is held. */
static bool extend(struct call *call, struct authentication *ret)
{
    struct emulator *e = call->emulator;
    struct session *session =
        session_find(&e->ceremonies, call_text(call, "session_id"), call->now_s);
    const struct user *user = session ? users_find(&e->users, str_of(session->user_id)) : NULL;
    if (!user || !authentication_of(call, user, session, ret))
        return false;
    session->expires_at_s = call->now_s + SESSION_LIFE_S;
    ret->resource = call_text(call, "resource");
    ret->session_id = arena_copy(&call->arena, str_of(session->id));
    return authentication_add_refresh(call, session, ret);
}

void op_session_authenticate(struct call *call)
{
    struct authentication authentication = {0};
    pthread_mutex_lock(&call->emulator->lock);
    const bool extended = extend(call, &authentication);
    pthread_mutex_unlock(&call->emulator->lock);
    if (!extended) {
        reply_error(call, 400, SHAPE_NUMERIC, "400", "Session not found");
        return;
    }
    call->executed = true;
    tokens_reply(call, &authentication);
}

void op_logout(struct call *call)
{
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    const bool ended = session_end(&e->ceremonies, call_text(call, "session_id"));
    pthread_mutex_unlock(&e->lock);
    if (!ended) {
        reply_error(call, 400, SHAPE_NUMERIC, "400", "Session not found");
        return;
    }
    call->executed = true;
    reply_empty(call, 204);
}
