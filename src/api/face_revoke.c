/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/face/revoke: removes the face enrollment of the bearer's user; nothing enrolled is as
 * good as done. */
#include "api/answer.h"
#include "api/bearer.h"
#include "api/endpoints.h"
#include "api/limits.h"

static step_fn send_call, read_answer;

static const struct step STEPS[] = {
    {"address", limit_address}, {"bearer", bearer_check}, {"limits", limit_bearer},
    {"send", send_call},        {"answer", read_answer},
};
static const struct story STORY = {
    .ceremony = CEREMONY_FACE_REVOKE,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
};

void face_revoke_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err send_call(struct flow *f)
{
    return flow_send_as_user(f, VENDOR_FACE_REVOKE_ME);
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
