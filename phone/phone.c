/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing the phone, and its first user token. */
#include "phone/phone.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "phone/phone_key.h"

enum { TOKEN_FILE_BYTES_MAX = 64 * 1024, BODY_BYTES_MAX = 16 * 1024 };

static bool set_path(char *out, const char *dir, const char *name)
{
    return snprintf(out, PHONE_PATH_BYTES, "%s/%s", dir, name) < PHONE_PATH_BYTES;
}

static bool take_option(char **member, const char *option)
{
    return !option || phone_state_set(member, str_of(option));
}

bool phone_open(struct phone *p, const struct phone_options *options)
{
    *p = (struct phone){.options = options, .view = options->json ? VIEW_JSON : VIEW_PEOPLE};
    if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        perror(options->dir);
        return false;
    }
    if (!set_path(p->key_path, options->dir, "key.pem") ||
        !set_path(p->state_path, options->dir, "state.json")) {
        fprintf(stderr, "--dir is too long\n");
        return false;
    }
    if (!phone_state_load(&p->state, p->state_path) ||
        !take_option(&p->state.user_id, options->user) ||
        !take_option(&p->state.device_id, options->device_id)) {
        phone_state_finish(&p->state);
        return false;
    }
    p->key = phone_key_load(p->key_path);
    return true;
}

bool phone_close(struct phone *p)
{
    const bool saved = phone_state_save(&p->state, p->state_path);
    phone_state_finish(&p->state);
    EVP_PKEY_free(p->key);
    p->key = NULL;
    return saved;
}

/* ---- asking -------------------------------------------------------------------------------- */

static enum phone_outcome ask(struct phone *p, const struct exchange_target *target,
                              struct exchange *e)
{
    if (!exchange_run(target, e, p->view))
        return OUTCOME_NO_ANSWER;
    return e->status >= 200 && e->status < 300 ? OUTCOME_DONE : OUTCOME_REFUSED;
}

enum phone_outcome phone_ask(struct phone *p, struct exchange *e)
{
    const struct exchange_target service = {p->options->bff, p->options->bff_ca};
    return ask(p, &service, e);
}

/* ---- the first token ----------------------------------------------------------------------- */

static enum phone_outcome make_user(struct phone *p, const struct exchange_target *emulator)
{
    struct exchange e = {.method = "POST", .path = "/_emulator/users", .request = STR("{}")};
    enum phone_outcome outcome = ask(p, emulator, &e);
    if (outcome == OUTCOME_DONE &&
        !phone_state_set(&p->state.user_id, exchange_text(&e, "user_id")))
        outcome = OUTCOME_REFUSED;
    exchange_finish(&e);
    return outcome;
}

static enum phone_outcome log_in_elsewhere(struct phone *p, const struct exchange_target *emulator)
{
    AUTO_BUF struct buf body = {0};
    struct json_writer w;
    buf_init(&body, BODY_BYTES_MAX);
    jw_init(&w, &body);
    jw_object_begin(&w);
    jw_member(&w, "user_id", str_of(p->state.user_id));
    jw_object_end(&w);

    struct exchange e = {.method = "POST", .path = "/_emulator/login", .request = buf_str(&body)};
    enum phone_outcome outcome = ask(p, emulator, &e);
    if (outcome == OUTCOME_DONE &&
        !phone_state_set(&p->state.access_token, exchange_text(&e, "access_token")))
        outcome = OUTCOME_REFUSED;
    exchange_finish(&e);
    return outcome;
}

/* The `sub` of the token, which the service will check; here it only fills in a missing --user. */
static bool learn_user(struct phone *p)
{
    static const struct json_limits LIMITS = {
        .bytes_max = TOKEN_FILE_BYTES_MAX, .depth_max = 16, .values_max = 1000};
    const char *first = strchr(p->state.access_token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (!second)
        return false;
    const struct str part = {first + 1, (size_t)(second - first - 1)};
    AUTO_FREE uint8_t *bytes = malloc(base64_decoded_max(part.len));
    AUTO_JSON struct json *claims = NULL;
    struct json_error error;
    size_t len = 0;
    if (!bytes || !base64url_decode(part, bytes, &len) ||
        json_parse((struct str){(const char *)bytes, len}, &LIMITS, &claims, &error) != ERR_OK)
        return false;
    const struct str sub = json_string(json_member(claims, "sub"));
    return sub.ptr && phone_state_set(&p->state.user_id, sub);
}

static bool read_token(struct phone *p, const char *path)
{
    AUTO_FREE char *text = calloc(1, TOKEN_FILE_BYTES_MAX);
    FILE *file = fopen(path, "re");
    if (!file || !text) {
        perror(path);
        if (file)
            (void)fclose(file);
        return false;
    }
    size_t len = fread(text, 1, TOKEN_FILE_BYTES_MAX - 1, file);
    (void)fclose(file);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return phone_state_set(&p->state.access_token, (struct str){text, len});
}

enum phone_outcome phone_get_first_token(struct phone *p)
{
    const struct phone_options *o = p->options;
    if (o->token_file) {
        if (read_token(p, o->token_file) && (p->state.user_id || learn_user(p)))
            return OUTCOME_DONE;
        fprintf(stderr, "%s: no user token\n", o->token_file);
        return OUTCOME_NO_ANSWER;
    }
    if (!o->emulator) {
        if (p->state.access_token)
            return OUTCOME_DONE;
        fprintf(stderr, "no user token: give --emulator or --token-file\n");
        return OUTCOME_NO_ANSWER;
    }
    const struct exchange_target emulator = {o->emulator, o->emulator_ca};
    enum phone_outcome outcome = OUTCOME_DONE;
    exchange_note(p->view, "The user logs in by another method first.");
    if (!p->state.user_id)
        outcome = make_user(p, &emulator);
    return outcome == OUTCOME_DONE ? log_in_elsewhere(p, &emulator) : outcome;
}
