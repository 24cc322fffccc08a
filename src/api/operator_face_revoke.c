/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/users/{user_id}/face/revoke on the operator listener: removes the face enrollment of any
 * user of the application, so it asks for an operator key and not for a user's token. */
#include "api/answer.h"
#include "api/endpoints.h"
#include "api/operator_auth.h"

struct operator_face_revoke {
    struct str user_id;
};

static step_fn read_path, send_call, read_answer;

static const struct step STEPS[] = {
    {"operator", operator_check},
    {"path", read_path},
    {"send", send_call},
    {"answer", read_answer},
};
static const struct story STORY = {
    .ceremony = CEREMONY_OPERATOR_FACE_REVOKE,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct operator_face_revoke),
};

void operator_face_revoke_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_path(struct flow *f)
{
    struct operator_face_revoke *o = f->state;
    const enum err e = flow_read_path(f, &o->user_id);
    if (e == ERR_OK)
        flow_user(f, o->user_id);
    return e;
}

static enum err send_call(struct flow *f)
{
    const struct operator_face_revoke *o = f->state;
    face_revoke_body(flow_call_body(f), o->user_id);
    return flow_send(f, VENDOR_FACE_REVOKE, VENDOR_TOKEN_ADMIN);
}

static const struct answer_rule RULES[] = {
    {400, NULL, ERR_REQUEST_REJECTED},
    {404, NULL, ERR_OK},
    {422, NULL, ERR_REQUEST_REJECTED},
};

static enum err read_answer(struct flow *f)
{
    return answer_map(f, RULES, ARRAY_LEN(RULES));
}
