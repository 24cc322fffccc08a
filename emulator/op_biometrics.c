/* SPDX-License-Identifier: Apache-2.0
 * Mobile biometrics: start, register, authenticate, delete (contract 5.1 to 5.4). */
#include "emulator/operations.h"

#include <openssl/evp.h>

#include "base/crypto.h"
#include "emulator/device_crypto.h"

enum { DEVICE_ID_BYTES_MAX = 80, DISPLAY_NAME_BYTES_MAX = 255, CHALLENGE_LIFE_S = 300 };

static const char *const KEY_TYPES[] = {"rsa", "ec", NULL};

#define DEVICE_ID                                                                                  \
    {                                                                                              \
        .name = "device_id", .kind = FIELD_TEXT, .bytes_max = DEVICE_ID_BYTES_MAX                  \
    }

const struct field START_FIELDS[] = {
    {.name = "user_id", .kind = FIELD_TEXT},
    {.name = "identifier", .kind = FIELD_TEXT},
    {.name = "identifier_type", .kind = FIELD_TEXT},
    DEVICE_ID,
    {.name = "approval_data", .kind = FIELD_APPROVAL},
    {.name = "timeout", .kind = FIELD_NUMBER, .number_min = 30, .number_max = 600},
    {0},
};

const struct field REGISTER_FIELDS[] = {
    {.name = "publicKey", .kind = FIELD_TEXT, .required = true},
    {.name = "publicKeyId", .kind = FIELD_TEXT, .required = true},
    {.name = "os", .kind = FIELD_TEXT, .required = true},
    {.name = "encryptionType", .kind = FIELD_TEXT, .words = KEY_TYPES},
    {.name = "challenge", .kind = FIELD_ANY_TEXT},
    {.name = "attestation_encoded_result", .kind = FIELD_ANY_TEXT},
    DEVICE_ID,
    {.name = "displayName", .kind = FIELD_ANY_TEXT, .bytes_max = DISPLAY_NAME_BYTES_MAX},
    {0},
};

const struct field CLAIMS_FIELDS[] = {
    {.name = "id_token", .kind = FIELD_OPEN_OBJECT},
    {.name = "access_token", .kind = FIELD_OPEN_OBJECT},
    {.name = "userinfo", .kind = FIELD_OPEN_OBJECT},
    {0},
};

const struct field CLIENT_ATTRIBUTES_FIELDS[] = {
    {.name = "user_agent", .kind = FIELD_ANY_TEXT},
    {.name = "ip_address", .kind = FIELD_ANY_TEXT},
    {0},
};

const struct field AUTHENTICATE_FIELDS[] = {
    {.name = "signature", .kind = FIELD_TEXT, .required = true},
    {.name = "challenge", .kind = FIELD_TEXT, .required = true},
    {.name = "key_id", .kind = FIELD_TEXT, .required = true},
    {.name = "user_id", .kind = FIELD_TEXT, .required = true},
    {.name = "resource", .kind = FIELD_ANY_TEXT},
    {.name = "claims", .kind = FIELD_OBJECT, .fields = CLAIMS_FIELDS},
    {.name = "org_id", .kind = FIELD_ANY_TEXT},
    {.name = "client_attributes", .kind = FIELD_OBJECT, .fields = CLIENT_ATTRIBUTES_FIELDS},
    {.name = "session_id", .kind = FIELD_TEXT},
    DEVICE_ID,
    {0},
};

const struct field DELETE_FIELDS[] = {
    {.name = "publicKeyId", .kind = FIELD_TEXT, .required = true},
    {0},
};

static void reply_invalid_input(struct call *call, const char *message)
{
    reply_error(call, 400, SHAPE_CODED, "system_invalid_input", message);
}

static char *copy_text(struct str s)
{
    return s.ptr ? strndup(s.ptr, s.len) : NULL;
}

/* ---- start --------------------------------------------------------------------------------- */

/* Exactly one of the two forms (StartByUserId, StartByIdentifier). */
static bool is_one_form(const struct call *call)
{
    const bool by_id = call_text(call, "user_id").ptr != NULL;
    const bool identifier = call_text(call, "identifier").ptr != NULL;
    const bool type = call_text(call, "identifier_type").ptr != NULL;
    return by_id ? !identifier && !type : identifier && type;
}

static const struct user *find_started_user(struct call *call)
{
    const struct users *users = &call->emulator->users;
    const struct str user_id = call_text(call, "user_id");
    if (user_id.ptr)
        return users_find(users, user_id);
    return users_find_by(users, call_text(call, "identifier_type"), call_text(call, "identifier"));
}

enum start_result { START_MADE, START_UNKNOWN_USER, START_INACTIVE, START_LOCKED, START_FAILED };

static enum start_result make_challenge(struct call *call, const struct challenge *wanted,
                                        char ret[CHALLENGE_BYTES])
{
    struct emulator *e = call->emulator;
    struct challenge from = *wanted;
    static char nobody[] = "";
    pthread_mutex_lock(&e->lock);
    const struct user *user = find_started_user(call);
    enum start_result result = START_MADE;
    if (!user && !e->settings.decoy_for_unknown_user)
        result = START_UNKNOWN_USER;
    else if (user && user->status == USER_INACTIVE)
        result = START_INACTIVE;
    else if (user && user->status == USER_LOCKED)
        result = START_LOCKED;
    from.user_id = user ? user->id : nobody;
    if (result == START_MADE && !challenge_create(&e->ceremonies, &from, ret))
        result = START_FAILED;
    pthread_mutex_unlock(&e->lock);
    return result;
}

static void reply_challenge(struct call *call, const char *challenge)
{
    call->executed = true;
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "challenge", str_of(challenge));
    jw_object_end(&w);
}

void op_start(struct call *call)
{
    if (!is_one_form(call)) {
        reply_invalid_input(call, "either user_id or identifier with identifier_type");
        return;
    }
    double timeout_s = CHALLENGE_LIFE_S;
    (void)json_number(json_member(call->body, "timeout"), &timeout_s);
    struct challenge wanted = {.expires_at_s = call->now_s + (int64_t)timeout_s};
    wanted.device_id = arena_strdup(&call->arena, call_text(call, "device_id"));
    if (!call_text(call, "device_id").ptr)
        wanted.device_id = NULL;
    AUTO_BUF struct buf approval = {0};
    buf_init(&approval, 64 * 1024);
    if (json_member(call->body, "approval_data")) {
        json_print(&approval, json_member(call->body, "approval_data"));
        wanted.approval_data = approval.ptr;
    }

    char challenge[CHALLENGE_BYTES];
    switch (make_challenge(call, &wanted, challenge)) {
    case START_MADE:
        reply_challenge(call, challenge);
        break;
    case START_UNKNOWN_USER:
        reply_error(call, 404, SHAPE_WORD, "user_not_found", "User not found");
        break;
    case START_INACTIVE:
        reply_error(call, 403, SHAPE_WORD, "user_not_active", "User is not active");
        break;
    case START_LOCKED:
        reply_error(call, 403, SHAPE_WORD, "auth_locked", "Authenticator is locked");
        break;
    case START_FAILED:
        reply_internal(call);
        break;
    }
}

/* ---- register ------------------------------------------------------------------------------ */

static struct device_key *make_device_key(struct call *call, EVP_PKEY *key, struct str type)
{
    struct device_key *made = calloc(1, sizeof(*made));
    if (!made) {
        EVP_PKEY_free(key);
        return NULL;
    }
    made->key = key;
    made->id = copy_text(call_text(call, "publicKeyId"));
    made->type = copy_text(type);
    made->os = copy_text(call_text(call, "os"));
    made->device_id = copy_text(call_text(call, "device_id"));
    made->display_name = copy_text(call_text(call, "displayName"));
    if (made->id && made->type && made->os && device_crypto_fingerprint(key, made->fingerprint))
        return made;
    device_key_destroy(made);
    return NULL;
}

/* A challenge is optional here; one that is sent must be of this user and unused. */
static bool is_challenge_good(struct call *call)
{
    const struct str text = call_text(call, "challenge");
    if (text.len == 0)
        return true;
    struct challenge *challenge = challenge_take(&call->emulator->ceremonies, text, call->now_s);
    const bool good = challenge && str_is(call->caller.sub, challenge->user_id);
    challenge_destroy(challenge);
    return good;
}

enum register_result {
    REGISTER_DONE,
    REGISTER_NO_USER,
    REGISTER_TOO_MANY,
    REGISTER_BAD_CHALLENGE,
    REGISTER_CONFLICT,
    REGISTER_FAILED,
};

/* Takes key. The state lock is held. */
static enum register_result store_key(struct call *call, struct device_key *key)
{
    struct emulator *e = call->emulator;
    struct user *user = users_find(&e->users, call->caller.sub);
    enum register_result refused = REGISTER_DONE;
    if (!user)
        refused = REGISTER_NO_USER;
    else if (!is_challenge_good(call))
        refused = REGISTER_BAD_CHALLENGE;
    else if ((int64_t)user->key_count >= e->settings.keys_per_user_max)
        refused = REGISTER_TOO_MANY;
    if (refused != REGISTER_DONE) {
        device_key_destroy(key);
        return refused;
    }
    switch (users_add_key(&e->users, user, key)) {
    case USERS_OK:
        return REGISTER_DONE;
    case USERS_EXISTS:
        return REGISTER_CONFLICT;
    case USERS_FULL:
        break;
    }
    return REGISTER_FAILED;
}

static void reply_register(struct call *call, enum register_result result)
{
    switch (result) {
    case REGISTER_DONE:
        call->executed = true;
        buf_append_z(&call->reply->body, "{}");
        call->reply->status = 200;
        call->reply->content_type = "application/json";
        break;
    case REGISTER_NO_USER:
        reply_unauthorized(call);
        break;
    case REGISTER_TOO_MANY:
        reply_error(call, 400, SHAPE_CODED, "auth_max_authenticators_count_exceeded",
                    "Too many authenticators");
        break;
    case REGISTER_BAD_CHALLENGE:
        reply_error(call, 400, SHAPE_CODED, "auth_invalid_attestation", "Attestation rejected");
        break;
    case REGISTER_CONFLICT:
        reply_error(call, 409, SHAPE_NUMERIC, "auth_key_exists", "Key already registered");
        break;
    case REGISTER_FAILED:
        reply_internal(call);
        break;
    }
}

void op_register(struct call *call)
{
    struct str type = call_text(call, "encryptionType");
    if (!type.ptr)
        type = STR("rsa"); /* the vendor's default, also for an EC key sent without it */
    EVP_PKEY *key = device_crypto_read_key(call_text(call, "publicKey"));
    if (!key) {
        reply_error(call, 400, SHAPE_CODED, "auth_invalid_key_encoding", "Key encoding rejected");
        return;
    }
    if (!device_crypto_is_type(key, type)) {
        EVP_PKEY_free(key);
        reply_error(call, 400, SHAPE_CODED, "auth_invalid_key_type", "Key type rejected");
        return;
    }
    struct device_key *device_key = make_device_key(call, key, type);
    if (!device_key) {
        reply_internal(call);
        return;
    }
    pthread_mutex_lock(&call->emulator->lock);
    const enum register_result result = store_key(call, device_key);
    pthread_mutex_unlock(&call->emulator->lock);
    reply_register(call, result);
}

/* ---- authenticate -------------------------------------------------------------------------- */

enum attempt_result {
    ATTEMPT_OK,
    ATTEMPT_NO_USER,
    ATTEMPT_INACTIVE,
    ATTEMPT_LOCKED,
    ATTEMPT_WRONG
};

struct attempt {
    EVP_PKEY *key;               /* owned */
    struct challenge *challenge; /* owned */
};

static void attempt_finish(struct attempt *a)
{
    EVP_PKEY_free(a->key);
    challenge_destroy(a->challenge);
}

/* Collects what the signature is checked against. The challenge is used up by any attempt. */
static enum attempt_result begin_attempt(struct call *call, struct attempt *a)
{
    struct emulator *e = call->emulator;
    const struct user *user = users_find(&e->users, call_text(call, "user_id"));
    a->challenge = challenge_take(&e->ceremonies, call_text(call, "challenge"), call->now_s);
    if (!user)
        return ATTEMPT_NO_USER;
    if (user->status == USER_INACTIVE)
        return ATTEMPT_INACTIVE;
    if (user->status == USER_LOCKED)
        return ATTEMPT_LOCKED;

    const struct device_key *key = user_find_key(user, call_text(call, "key_id"));
    const struct str device_id = call_text(call, "device_id");
    const bool same_device = !a->challenge || !a->challenge->device_id || !device_id.ptr ||
                             str_is(device_id, a->challenge->device_id);
    if (!key || !a->challenge || strcmp(a->challenge->user_id, user->id) != 0 || !same_device)
        return ATTEMPT_WRONG;
    if (EVP_PKEY_up_ref(key->key) == 1)
        a->key = key->key;
    return a->key ? ATTEMPT_OK : ATTEMPT_WRONG;
}

static void refuse_attempt(struct call *call, enum attempt_result result)
{
    switch (result) {
    case ATTEMPT_NO_USER:
        reply_error(call, 404, SHAPE_WORD, "user_not_found", "User not found");
        break;
    case ATTEMPT_INACTIVE:
        reply_error(call, 403, SHAPE_WORD, "user_not_active", "User is not active");
        break;
    case ATTEMPT_LOCKED:
        reply_error(call, 403, SHAPE_WORD, "auth_locked", "Authenticator is locked");
        break;
    case ATTEMPT_OK:
    case ATTEMPT_WRONG:
        reply_error(call, 400, SHAPE_WORD, "auth_invalid_credentials", "Invalid credentials");
        break;
    }
}

static bool wants_approval_data(const struct call *call)
{
    const struct json *id_token = json_member(json_member(call->body, "claims"), "id_token");
    return call->emulator->settings.approval_data_unasked || json_member(id_token, "approval_data");
}

/* The session that was named, or a new one; NULL: it was named and is not there, or not this
 * user's.
 */
static struct session *join_session(struct call *call, const struct user *user)
{
    struct ceremonies *c = &call->emulator->ceremonies;
    const struct str id = call_text(call, "session_id");
    if (!id.ptr)
        return session_create(c, str_of(user->id), call->now_s);
    struct session *session = session_find(c, id, call->now_s);
    if (!session || strcmp(session->user_id, user->id) != 0)
        return NULL;
    session->multi_factor = session->by_other || session->by_biometrics;
    session->auth_time_s = call->now_s;
    return session;
}

/* The state lock is held. False: no such session. */
static bool complete_attempt(struct call *call, const struct attempt *attempt,
                             struct authentication *ret)
{
    const struct user *user = users_find(&call->emulator->users, call_text(call, "user_id"));
    struct session *session = user ? join_session(call, user) : NULL;
    if (!session)
        return false;
    session->by_biometrics = true;
    if (!authentication_of(call, user, session, ret))
        return false;
    ret->resource = call_text(call, "resource");
    ret->session_id = arena_copy(&call->arena, str_of(session->id));
    if (attempt->challenge->approval_data && wants_approval_data(call))
        ret->approval_data = str_of(attempt->challenge->approval_data);
    return authentication_add_refresh(call, session, ret);
}

void op_authenticate(struct call *call)
{
    AUTO(attempt_finish) struct attempt attempt = {0};
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    const enum attempt_result begun = begin_attempt(call, &attempt);
    pthread_mutex_unlock(&e->lock);
    if (begun != ATTEMPT_OK || !device_crypto_verify(attempt.key, call_text(call, "challenge"),
                                                     call_text(call, "signature"))) {
        refuse_attempt(call, begun);
        return;
    }

    struct authentication authentication = {0};
    pthread_mutex_lock(&e->lock);
    const bool completed = complete_attempt(call, &attempt, &authentication);
    pthread_mutex_unlock(&e->lock);
    if (!completed) {
        reply_error(call, 400, SHAPE_WORD, "400", "Session not found");
        return;
    }
    call->executed = true;
    tokens_reply(call, &authentication);
}

/* ---- delete -------------------------------------------------------------------------------- */

void op_delete(struct call *call)
{
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    struct user *user = users_find(&e->users, call->caller.sub);
    const bool removed = user && users_remove_key(&e->users, user, call_text(call, "publicKeyId"));
    pthread_mutex_unlock(&e->lock);
    if (!removed) {
        reply_error(call, 404, SHAPE_WORD, "key_not_found", "Key not found");
        return;
    }
    call->executed = true;
    reply_empty(call, 204);
}
