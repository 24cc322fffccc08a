/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/session/logout: ends the vendor's session behind a handle of the bearer's user. A
 * session that is gone already is as good as done. */
#include "api/answer.h"
#include "api/bearer.h"
#include "api/endpoints.h"
#include "api/limits.h"
#include "api/session.h"

struct logout {
    struct logout_in {
        struct str session;
    } in;
    struct session_handle session;
};

static const struct schema_field FIELDS[] = {
    {"session", SCHEMA_TEXT, true, offsetof(struct logout_in, session), 1, HANDLE_CHARS_MAX,
     ALPHABET_VISIBLE},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static step_fn read_body, open_session, send_call, read_answer;

static const struct step STEPS[] = {
    {"address", limit_address}, {"bearer", bearer_check_for_logout}, {"limits", limit_bearer},
    {"body", read_body},        {"session", open_session},           {"send", send_call},
    {"answer", read_answer},
};
static const struct story STORY = {
    .ceremony = CEREMONY_LOGOUT,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct logout),
};

void logout_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_body(struct flow *f)
{
    struct logout *l = f->state;
    return flow_read_body(f, &SCHEMA, &l->in);
}

static enum err open_session(struct flow *f)
{
    struct logout *l = f->state;
    const enum err e = session_handle_check(f, l->in.session, &l->session);
    if (e != ERR_OK)
        return e;
    if (!str_eq(l->session.user_id, f->bearer.claims.sub))
        return flow_fail_with(f, ERR_FORBIDDEN, "the session handle is of another user");
    return ERR_OK;
}

static enum err send_call(struct flow *f)
{
    const struct logout *l = f->state;
    logout_body(flow_call_body(f), l->session.session_id);
    return flow_send(f, VENDOR_LOGOUT, VENDOR_TOKEN_CLIENT);
}

static const struct answer_rule RULES[] = {
    {400, NULL, ERR_REQUEST_REJECTED},
    {404, NULL, ERR_OK},
    {422, NULL, ERR_REQUEST_REJECTED},
};

static enum err read_answer(struct flow *f)
{
    if (f->answer->status == 400) {
        struct vendor_error error;
        const enum err read = vendor_error_read(f->answer->body, &error);
        if (read != ERR_OK || error.session_gone)
            return read;
    }
    return answer_map(f, RULES, ARRAY_LEN(RULES));
}
