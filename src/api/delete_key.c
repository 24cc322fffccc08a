/* SPDX-License-Identifier: Apache-2.0
 * DELETE /v1/biometrics/keys/{key_id}: removes a key of the bearer's user. */
#include "api/answer.h"
#include "api/bearer.h"
#include "api/endpoints.h"
#include "api/limits.h"

struct delete_key {
    struct str key_id;
};

static step_fn read_path, send_call, read_answer;

static const struct step STEPS[] = {
    {"address", limit_address}, {"bearer", bearer_check}, {"limits", limit_bearer},
    {"path", read_path},        {"send", send_call},      {"answer", read_answer},
};
static const struct story STORY = {
    .ceremony = CEREMONY_DELETE_KEY,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct delete_key),
};

void delete_key_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_path(struct flow *f)
{
    struct delete_key *d = f->state;
    const enum err e = flow_read_path(f, &d->key_id);
    f->audit.key_id = d->key_id;
    return e;
}

static enum err send_call(struct flow *f)
{
    const struct delete_key *d = f->state;
    delete_body(flow_call_body(f), d->key_id);
    return flow_send_as_user(f, VENDOR_DELETE);
}

static const struct answer_rule RULES[] = {
    {400, NULL, ERR_REQUEST_REJECTED},
    {404, NULL, ERR_KEY_NOT_FOUND},
    {422, NULL, ERR_REQUEST_REJECTED},
};

static enum err read_answer(struct flow *f)
{
    /* The first try broke and the second finds nothing: the first has done it. */
    if (f->send.repeated && f->answer->status == 404)
        return ERR_OK;
    return answer_map(f, RULES, ARRAY_LEN(RULES));
}
