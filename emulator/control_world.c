/* SPDX-License-Identifier: Apache-2.0
 * What exists in the emulated tenant: users, their logins by "another method", the clock, the
 * tenant's settings. */
#include "emulator/control.h"

#include "base/crypto.h"
#include "emulator/operations.h"

enum { CLOCK_SHIFT_MAX_S = 10 * 365 * 24 * 3600, IDENTIFIER_BYTES_MAX = 255 };

static const char *const STATUS_WORDS[] = {"active", "inactive", "locked", NULL};

#define IDENTIFIER(member)                                                                         \
    {                                                                                              \
        .name = (member), .kind = FIELD_TEXT, .bytes_max = IDENTIFIER_BYTES_MAX                    \
    }

const struct field MAKE_USER_FIELDS[] = {
    IDENTIFIER("user_id"),
    IDENTIFIER("email"),
    IDENTIFIER("phone_number"),
    IDENTIFIER("username"),
    {.name = "status", .kind = FIELD_TEXT, .words = STATUS_WORDS},
    {.name = "face", .kind = FIELD_BOOL},
    {0},
};

const struct field SET_USER_FIELDS[] = {
    {.name = "status", .kind = FIELD_TEXT, .words = STATUS_WORDS},
    {.name = "face", .kind = FIELD_BOOL},
    {0},
};

const struct field LOGIN_FIELDS[] = {
    {.name = "user_id", .kind = FIELD_TEXT, .required = true},
    {.name = "resource", .kind = FIELD_ANY_TEXT},
    {.name = "tokens", .kind = FIELD_TEXT},
    {.name = "tokens_scope", .kind = FIELD_TEXT},
    {0},
};

const struct field CLOCK_FIELDS[] = {
    {.name = "shift_s",
     .kind = FIELD_NUMBER,
     .required = true,
     .number_min = -CLOCK_SHIFT_MAX_S,
     .number_max = CLOCK_SHIFT_MAX_S},
    {0},
};

static const char *const SHAPE_WORDS[] = {
    [SHAPE_DEFAULT] = "default",
    [SHAPE_NUMERIC] = "numeric",
    [SHAPE_CODED] = "coded",
    [SHAPE_WORD] = "word",
    NULL,
};

const struct field SETTINGS_FIELDS[] = {
    {.name = "keys_per_user_max", .kind = FIELD_NUMBER, .number_min = 0, .number_max = 1e6},
    {.name = "token_ttl_s", .kind = FIELD_NUMBER, .number_min = 1, .number_max = 1e8},
    {.name = "error_shape", .kind = FIELD_TEXT, .words = SHAPE_WORDS},
    {.name = "decoy_for_unknown_user", .kind = FIELD_BOOL},
    {.name = "approval_data_unasked", .kind = FIELD_BOOL},
    {.name = "issue_id_token", .kind = FIELD_BOOL},
    {.name = "issue_refresh_token", .kind = FIELD_BOOL},
    {0},
};

/* ---- users --------------------------------------------------------------------------------- */

static char *copy_text(struct str s)
{
    return s.ptr ? strndup(s.ptr, s.len) : NULL;
}

/* In the vendor's form: opaque part, tenant, "transmit". */
static char *make_user_id(const struct emulator *e)
{
    uint8_t random[5];
    char hex[2 * sizeof(random) + 1];
    char *id = NULL;
    if (!crypto_random(random, sizeof(random)))
        return NULL;
    hex_encode(random, sizeof(random), hex);
    return asprintf(&id, "%s.%s.transmit", hex, e->options->tenant_id) > 0 ? id : NULL;
}

static struct user *user_from_body(struct call *call)
{
    struct user *user = calloc(1, sizeof(*user));
    if (!user)
        return NULL;
    const struct str id = call_text(call, "user_id");
    user->id = id.ptr ? copy_text(id) : make_user_id(call->emulator);
    user->email = copy_text(call_text(call, "email"));
    user->phone_number = copy_text(call_text(call, "phone_number"));
    user->username = copy_text(call_text(call, "username"));
    user->face = json_is_true(json_member(call->body, "face"));
    (void)user_status_parse(call_text(call, "status"), &user->status);
    if (user->id)
        return user;
    user_destroy(user);
    return NULL;
}

static void write_user(struct json_writer *w, const struct user *user)
{
    jw_object_begin(w);
    jw_member(w, "user_id", str_of(user->id));
    jw_member_opt(w, "email", str_of(user->email));
    jw_member_opt(w, "phone_number", str_of(user->phone_number));
    jw_member_opt(w, "username", str_of(user->username));
    jw_member(w, "status", str_of(user_status_name(user->status)));
    jw_member_bool(w, "face", user->face);
    jw_key(w, "keys");
    jw_array_begin(w);
    for (const struct device_key *k = user->keys; k; k = k->next) {
        jw_object_begin(w);
        jw_member(w, "key_id", str_of(k->id));
        jw_member(w, "type", str_of(k->type));
        jw_member(w, "os", str_of(k->os));
        jw_member_opt(w, "device_id", str_of(k->device_id));
        jw_member_opt(w, "display_name", str_of(k->display_name));
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

void control_make_user(struct call *call)
{
    struct emulator *e = call->emulator;
    struct user *user = user_from_body(call);
    if (!user) {
        reply_internal(call);
        return;
    }
    pthread_mutex_lock(&e->lock);
    const enum users_result result = users_add(&e->users, user);
    if (result == USERS_OK) {
        struct json_writer w = reply_json(call, 201);
        write_user(&w, user);
    }
    pthread_mutex_unlock(&e->lock);
    if (result != USERS_OK)
        control_refuse(call, 409,
                       result == USERS_EXISTS ? "such a user exists" : "no room for more users");
}

static void reply_user(struct call *call, bool change)
{
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    struct user *user = users_find(&e->users, control_path_tail(call));
    if (user && change) {
        (void)user_status_parse(call_text(call, "status"), &user->status);
        if (json_member(call->body, "face"))
            user->face = json_is_true(json_member(call->body, "face"));
    }
    if (user) {
        struct json_writer w = reply_json(call, 200);
        write_user(&w, user);
    }
    pthread_mutex_unlock(&e->lock);
    if (!user)
        control_refuse(call, 404, "no such user");
}

void control_get_user(struct call *call)
{
    reply_user(call, false);
}

void control_set_user(struct call *call)
{
    reply_user(call, true);
}

/* ---- login --------------------------------------------------------------------------------- */

/* The state lock is held. */
static bool begin_session(struct call *call, struct authentication *ret)
{
    struct emulator *e = call->emulator;
    const struct user *user = users_find(&e->users, call_text(call, "user_id"));
    struct session *session =
        user ? session_create(&e->ceremonies, str_of(user->id), call->now_s) : NULL;
    if (!session)
        return false;
    session->by_other = true;
    if (!authentication_of(call, user, session, ret))
        return false;
    ret->resource = call_text(call, "resource");
    ret->session_id = arena_copy(&call->arena, str_of(session->id));
    return authentication_add_refresh(call, session, ret);
}

void control_login(struct call *call)
{
    const struct str way = call_text(call, "tokens"), scope = call_text(call, "tokens_scope");
    call->tamper = tamper_find(way);
    if ((way.ptr && !call->tamper) ||
        (scope.ptr && !tamper_scope_parse(scope, &call->tamper_scope))) {
        control_refuse(call, 400, "tokens or tokens_scope is unknown");
        return;
    }
    struct authentication authentication = {0};
    pthread_mutex_lock(&call->emulator->lock);
    const bool begun = begin_session(call, &authentication);
    pthread_mutex_unlock(&call->emulator->lock);
    if (begun)
        tokens_reply(call, &authentication);
    else
        control_refuse(call, 404, "no such user");
}

/* ---- clock and settings -------------------------------------------------------------------- */

void control_clock(struct call *call)
{
    double shift_s = 0;
    (void)json_number(json_member(call->body, "shift_s"), &shift_s);
    atomic_store(&call->emulator->clock_shift_s, (int64_t)shift_s);
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member_int(&w, "now_s", emulator_now_s(call->emulator));
    jw_object_end(&w);
}

static void set_number(const struct call *call, const char *name, int64_t *setting)
{
    double number = 0;
    if (json_number(json_member(call->body, name), &number))
        *setting = (int64_t)number;
}

static void set_bool(const struct call *call, const char *name, bool *setting)
{
    if (json_member(call->body, name))
        *setting = json_is_true(json_member(call->body, name));
}

static void set_shape(const struct call *call, enum error_shape *setting)
{
    for (size_t i = 0; SHAPE_WORDS[i]; i++) {
        if (str_is(call_text(call, "error_shape"), SHAPE_WORDS[i]))
            *setting = (enum error_shape)i;
    }
}

void control_settings(struct call *call)
{
    struct emulator *e = call->emulator;
    struct settings *s = &e->settings;
    pthread_mutex_lock(&e->lock);
    set_number(call, "keys_per_user_max", &s->keys_per_user_max);
    set_number(call, "token_ttl_s", &s->token_ttl_s);
    set_shape(call, &s->error_shape);
    set_bool(call, "decoy_for_unknown_user", &s->decoy_for_unknown_user);
    set_bool(call, "approval_data_unasked", &s->approval_data_unasked);
    set_bool(call, "issue_id_token", &s->issue_id_token);
    set_bool(call, "issue_refresh_token", &s->issue_refresh_token);
    pthread_mutex_unlock(&e->lock);
    reply_empty(call, 204);
}
