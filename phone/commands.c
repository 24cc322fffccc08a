/* SPDX-License-Identifier: Apache-2.0
 * The commands that take one call; ceremonies are in ceremony.c. */
#include "phone/commands.h"

#include "base/crypto.h"
#include "phone/phone_key.h"

enum { BODY_BYTES_MAX = 64 * 1024, KEY_ID_BYTES = 8, KEY_PATH_BYTES = 256 };

/* ---- enroll -------------------------------------------------------------------------------- */

static bool make_key(struct phone *p)
{
    uint8_t id[KEY_ID_BYTES];
    char hex[2 * KEY_ID_BYTES + 1];
    if (p->key && p->state.key_id)
        return true;
    EVP_PKEY_free(p->key);
    p->key = phone_key_make(p->options->key_type);
    if (!p->key || !crypto_random(id, sizeof(id)))
        return false;
    hex_encode(id, sizeof(id), hex);
    return phone_key_save(p->key, p->key_path) && phone_state_set(&p->state.key_id, str_of(hex)) &&
           phone_state_set(&p->state.key_type, str_of(p->options->key_type));
}

static bool write_registration(struct phone *p, struct buf *body)
{
    AUTO_BUF struct buf public_key = {0};
    struct json_writer w;
    buf_init(&public_key, BODY_BYTES_MAX / 2);
    if (!phone_key_public(p->key, &public_key))
        return false;
    jw_init(&w, body);
    jw_object_begin(&w);
    jw_member(&w, "key_id", str_of(p->state.key_id));
    jw_member(&w, "public_key", buf_str(&public_key));
    jw_member(&w, "key_type", str_of(p->state.key_type));
    jw_member(&w, "os", STR("android"));
    jw_member_opt(&w, "device_id", str_of(p->state.device_id));
    jw_member(&w, "display_name", STR("Virtual phone"));
    jw_object_end(&w);
    return buf_ok(body);
}

static enum phone_outcome enroll(struct phone *p)
{
    const enum phone_outcome token = phone_get_first_token(p);
    if (token != OUTCOME_DONE)
        return token;
    AUTO_BUF struct buf body = {0};
    buf_init(&body, BODY_BYTES_MAX);
    if (!make_key(p) || !write_registration(p, &body)) {
        fprintf(stderr, "cannot make the device key\n");
        return OUTCOME_NO_ANSWER;
    }
    struct exchange e = {.method = "POST",
                         .path = "/v1/biometrics/register",
                         .token = p->state.access_token,
                         .request = buf_str(&body)};
    const enum phone_outcome outcome = phone_ask(p, &e);
    exchange_finish(&e);
    return outcome;
}

/* ---- with the user's token ----------------------------------------------------------------- */

/* Fills *e for a call without a body. False: there is no token; a line is on stderr. */
static bool with_token(const struct phone *p, struct exchange *e, const char *method,
                       const char *path)
{
    *e = (struct exchange){.method = method, .path = path, .token = p->state.access_token};
    if (!e->token)
        fprintf(stderr, "no user token: log in first\n");
    return e->token != NULL;
}

static enum phone_outcome ask_simply(struct phone *p, const char *method, const char *path)
{
    struct exchange e;
    if (!with_token(p, &e, method, path))
        return OUTCOME_REFUSED;
    const enum phone_outcome outcome = phone_ask(p, &e);
    exchange_finish(&e);
    return outcome;
}

static enum phone_outcome unenroll(struct phone *p)
{
    char path[KEY_PATH_BYTES];
    if (!p->state.key_id) {
        fprintf(stderr, "no key is enrolled\n");
        return OUTCOME_REFUSED;
    }
    /* Our key ids are hex, so the segment needs no escapes. */
    snprintf(path, sizeof(path), "/v1/biometrics/keys/%s", p->state.key_id);
    const enum phone_outcome outcome = ask_simply(p, "DELETE", path);
    if (outcome == OUTCOME_DONE) {
        (void)unlink(p->key_path);
        (void)phone_state_set(&p->state.key_id, (struct str){0});
    }
    return outcome;
}

static enum phone_outcome revoke_face(struct phone *p)
{
    return ask_simply(p, "POST", "/v1/face/revoke");
}

static enum phone_outcome whoami(struct phone *p)
{
    return ask_simply(p, "GET", "/v1/session");
}

/* ---- session ------------------------------------------------------------------------------- */

static void write_two(struct buf *body, const char *name, const char *value, const char *session)
{
    struct json_writer w;
    jw_init(&w, body);
    jw_object_begin(&w);
    if (name)
        jw_member(&w, name, str_of(value));
    jw_member_opt(&w, "session", str_of(session));
    jw_object_end(&w);
}

static enum phone_outcome refresh(struct phone *p)
{
    if (!p->state.refresh_token) {
        fprintf(stderr, "no refresh token: log in first\n");
        return OUTCOME_REFUSED;
    }
    AUTO_BUF struct buf body = {0};
    buf_init(&body, BODY_BYTES_MAX);
    write_two(&body, "refresh_token", p->state.refresh_token, p->state.session);
    struct exchange e = {
        .method = "POST", .path = "/v1/session/refresh", .request = buf_str(&body)};
    enum phone_outcome outcome = phone_ask(p, &e);
    if (outcome == OUTCOME_DONE && !session_keep(p, &e))
        outcome = OUTCOME_REFUSED;
    exchange_finish(&e);
    return outcome;
}

static enum phone_outcome logout(struct phone *p)
{
    struct exchange e;
    AUTO_BUF struct buf body = {0};
    buf_init(&body, BODY_BYTES_MAX);
    if (!p->state.session) {
        fprintf(stderr, "no session: log in first\n");
        return OUTCOME_REFUSED;
    }
    if (!with_token(p, &e, "POST", "/v1/session/logout"))
        return OUTCOME_REFUSED;
    write_two(&body, NULL, NULL, p->state.session);
    e.request = buf_str(&body);
    const enum phone_outcome outcome = phone_ask(p, &e);
    exchange_finish(&e);
    if (outcome == OUTCOME_DONE) {
        const struct str nothing = {0};
        (void)phone_state_set(&p->state.session, nothing);
        (void)phone_state_set(&p->state.refresh_token, nothing);
    }
    return outcome;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct command COMMANDS[] = {
    {"enroll", "make a key and register it for the user", enroll},
    {"login", "sign a challenge, get a session", command_login},
    {"approve", "sign a transaction (--data k=v) and check that it comes back", command_approve},
    {"start", "only ask for a challenge, and keep it", command_start},
    {"whoami", "what the service reads in the access token", whoami},
    {"refresh", "trade the refresh token for new tokens", refresh},
    {"unenroll", "delete the key", unenroll},
    {"revoke-face", "remove the user's face authenticator", revoke_face},
    {"logout", "end the session", logout},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    }
    return NULL;
}

void command_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++)
        fprintf(out, "  %-18s %s\n", COMMANDS[i].name, COMMANDS[i].help);
}
