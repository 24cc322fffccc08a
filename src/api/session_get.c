/* SPDX-License-Identifier: Apache-2.0
 * GET /v1/session: what the verified access token says. Asks nobody, so it does not know of
 * revocation. */
#include "api/bearer.h"
#include "api/endpoints.h"
#include "api/limits.h"
#include "base/clock.h"

enum { ANSWER_MAX = 64 * 1024 };

static step_fn reply;

static const struct step STEPS[] = {
    {"address", limit_address},
    {"bearer", bearer_check},
    {"limits", limit_bearer},
    {"reply", reply},
};
static const struct story STORY = {
    .ceremony = CEREMONY_SESSION,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
};

void session_get_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err reply(struct flow *f)
{
    const struct jwt_claims *claims = &f->bearer.claims;
    char expires_at[RFC3339_BYTES];
    char issued_at[RFC3339_BYTES];
    clock_rfc3339(claims->exp_s * 1000, 0, expires_at);
    clock_rfc3339(claims->iat_s * 1000, 0, issued_at);

    struct json_writer w;
    jw_init(&w, flow_reply_json(f, 200, ANSWER_MAX));
    jw_object_begin(&w);
    jw_key(&w, "user");
    jw_object_begin(&w);
    jw_member(&w, "id", claims->sub);
    jw_object_end(&w);
    jw_member(&w, "expires_at", str_of(expires_at));
    jw_member(&w, "issued_at", str_of(issued_at));
    jw_member(&w, "client_id", claims->client_id);
    jw_member_opt(&w, "tenant_id", claims->tid);
    jw_member_opt(&w, "scope", claims->scope);
    jw_object_end(&w);
    return ERR_OK;
}
