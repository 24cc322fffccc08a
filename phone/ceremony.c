/* SPDX-License-Identifier: Apache-2.0
 * Start, sign, authenticate: the honest way, and the dishonest ways that a service must refuse. */
#include "phone/commands.h"

#include "phone/phone_key.h"

enum { BODY_BYTES_MAX = 64 * 1024 };

/* ---- start --------------------------------------------------------------------------------- */

static void write_approval(struct json_writer *w, const struct phone_options *o, bool other_sum)
{
    jw_key(w, "approval_data");
    jw_object_begin(w);
    for (size_t i = 0; i < o->approval_count; i++) {
        const char *equals = strchr(o->approval[i], '=');
        jw_key_str(w, (struct str){o->approval[i], (size_t)(equals - o->approval[i])});
        jw_string(w, str_of(equals + 1));
    }
    if (other_sum)
        jw_member(w, "slipped-in", STR("by-a-thief"));
    jw_object_end(w);
}

static void write_start(struct buf *body, const struct phone *p, bool other_sum)
{
    struct json_writer w;
    jw_init(&w, body);
    jw_object_begin(&w);
    jw_member(&w, "user_id", str_of(p->state.user_id));
    jw_member_opt(&w, "device_id", str_of(p->state.device_id));
    if (p->options->approval_count > 0)
        write_approval(&w, p->options, other_sum);
    jw_object_end(&w);
}

/* Keeps the challenge and its handle in the state. */
static enum phone_outcome start(struct phone *p, bool other_sum)
{
    AUTO_BUF struct buf body = {0};
    buf_init(&body, BODY_BYTES_MAX);
    if (!p->state.user_id) {
        fprintf(stderr, "no user: enroll first, or give --user\n");
        return OUTCOME_REFUSED;
    }
    write_start(&body, p, other_sum);
    struct exchange e = {
        .method = "POST", .path = "/v1/biometrics/start", .request = buf_str(&body)};
    enum phone_outcome outcome = phone_ask(p, &e);
    if (outcome == OUTCOME_DONE &&
        !(phone_state_set(&p->state.challenge, exchange_text(&e, "challenge")) &&
          phone_state_set(&p->state.challenge_id, exchange_text(&e, "challenge_id"))))
        outcome = OUTCOME_REFUSED;
    exchange_finish(&e);
    return outcome;
}

enum phone_outcome command_start(struct phone *p)
{
    return start(p, false);
}

/* The challenge that another phone has asked for and not used. */
static enum phone_outcome borrow_challenge(struct phone *p, const char *dir)
{
    char path[PHONE_PATH_BYTES];
    struct phone_state other = {0};
    if (snprintf(path, sizeof(path), "%s/state.json", dir) >= PHONE_PATH_BYTES ||
        !phone_state_load(&other, path))
        return OUTCOME_NO_ANSWER;
    const bool taken = phone_state_set(&p->state.challenge, str_of(other.challenge)) &&
                       phone_state_set(&p->state.challenge_id, str_of(other.challenge_id));
    phone_state_finish(&other);
    return taken ? OUTCOME_DONE : OUTCOME_NO_ANSWER;
}

/* ---- sign ---------------------------------------------------------------------------------- */

/* The approval of a thief: the user signs one transaction, the handle of another is sent. */
static enum phone_outcome sign_another_transaction(struct phone *p)
{
    AUTO_FREE char *handle = p->state.challenge_id ? strdup(p->state.challenge_id) : NULL;
    const enum phone_outcome outcome = start(p, true);
    if (outcome != OUTCOME_DONE)
        return outcome;
    return phone_state_set(&p->state.challenge_id, str_of(handle)) ? OUTCOME_DONE
                                                                   : OUTCOME_NO_ANSWER;
}

static bool sign(struct phone *p, struct buf *signature)
{
    AUTO_BUF struct buf text = {0};
    buf_init(&text, BODY_BYTES_MAX);
    buf_append_z(&text, p->state.challenge);
    if (p->options->tamper == PHONE_CHALLENGE)
        buf_append_z(&text, "-other");
    return buf_ok(&text) &&
           phone_key_sign(p->key, buf_str(&text), p->options->tamper == PHONE_SIGNATURE, signature);
}

/* ---- authenticate -------------------------------------------------------------------------- */

bool session_keep(struct phone *p, const struct exchange *e)
{
    bool kept = phone_state_set(&p->state.access_token, exchange_text(e, "access_token")) &&
                phone_state_set(&p->state.id_token, exchange_text(e, "id_token"));
    /* A refresh answer may lack what it does not change. */
    if (exchange_text(e, "refresh_token").ptr)
        kept = phone_state_set(&p->state.refresh_token, exchange_text(e, "refresh_token")) && kept;
    if (exchange_text(e, "session").ptr)
        kept = phone_state_set(&p->state.session, exchange_text(e, "session")) && kept;
    return kept;
}

static bool write_authenticate(struct phone *p, struct buf *body)
{
    AUTO_BUF struct buf signature = {0};
    struct json_writer w;
    buf_init(&signature, BODY_BYTES_MAX / 4);
    if (!sign(p, &signature))
        return false;
    jw_init(&w, body);
    jw_object_begin(&w);
    jw_member(&w, "challenge_id", str_of(p->state.challenge_id));
    jw_member(&w, "user_id", str_of(p->state.user_id));
    jw_member(&w, "key_id", str_of(p->state.key_id));
    jw_member(&w, "signature", buf_str(&signature));
    jw_member_opt(&w, "device_id", str_of(p->state.device_id));
    jw_object_end(&w);
    return buf_ok(body);
}

static bool is_same_approval(const struct phone_options *o, const struct json *returned)
{
    if (json_count(returned) != o->approval_count)
        return false;
    for (const struct json *m = json_first(returned); m; m = json_next(m)) {
        AUTO_BUF struct buf pair = {0};
        bool asked = false;
        buf_init(&pair, BODY_BYTES_MAX);
        buf_append(&pair, json_name(m));
        buf_append_byte(&pair, '=');
        buf_append(&pair, json_string(m));
        for (size_t i = 0; i < o->approval_count; i++)
            asked = asked || str_is(buf_str(&pair), o->approval[i]);
        if (!asked)
            return false;
    }
    return true;
}

static enum phone_outcome check_approval(struct phone *p, const struct exchange *e)
{
    if (p->options->approval_count == 0)
        return OUTCOME_DONE;
    const bool same = is_same_approval(p->options, json_member(e->answer, "approval_data"));
    exchange_note(p->view, same ? "The approved data came back unchanged."
                                : "The approved data came back changed!");
    return same ? OUTCOME_DONE : OUTCOME_REFUSED;
}

static enum phone_outcome authenticate(struct phone *p)
{
    AUTO_BUF struct buf body = {0};
    buf_init(&body, BODY_BYTES_MAX);
    if (!p->key || !p->state.key_id || !p->state.challenge || !write_authenticate(p, &body)) {
        fprintf(stderr, "no key or no challenge: enroll first\n");
        return OUTCOME_REFUSED;
    }
    struct exchange e = {
        .method = "POST", .path = "/v1/biometrics/authenticate", .request = buf_str(&body)};
    enum phone_outcome outcome = phone_ask(p, &e);
    if (outcome == OUTCOME_DONE)
        outcome = session_keep(p, &e) ? check_approval(p, &e) : OUTCOME_NO_ANSWER;
    exchange_finish(&e);
    return outcome;
}

enum phone_outcome command_login(struct phone *p)
{
    enum phone_outcome outcome = OUTCOME_DONE;
    if (p->options->challenge_of)
        outcome = borrow_challenge(p, p->options->challenge_of);
    else if (!p->options->reuse_challenge)
        outcome = start(p, false);
    if (outcome == OUTCOME_DONE && p->options->tamper == PHONE_APPROVAL)
        outcome = sign_another_transaction(p);
    return outcome == OUTCOME_DONE ? authenticate(p) : outcome;
}

enum phone_outcome command_approve(struct phone *p)
{
    if (p->options->approval_count > 0)
        return command_login(p);
    fprintf(stderr, "approve needs --data key=value\n");
    return OUTCOME_REFUSED;
}
