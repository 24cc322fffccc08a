/* SPDX-License-Identifier: Apache-2.0
 * The verifier inside a flow, with one question to the keeper. */
#include "api/token_check.h"

#include "observe/metrics.h"

void token_count(enum jwt_reason reason)
{
    metric_add(M_JWT_VERIFY, reason, 0, 1);
}

static void on_kid(struct keeper_wait *w, enum err outcome)
{
    struct flow *f = w->arg;
    f->kid_outcome = outcome;
    flow_again(f);
}

static enum err verdict(enum jwt_reason reason, const char **ret_reason)
{
    token_count(reason);
    *ret_reason = JWT_REASON_LABELS[reason];
    if (reason == JWT_OK)
        return ERR_OK;
    if (reason == JWT_EXPIRED)
        return ERR_TOKEN_EXPIRED;
    if (reason == JWT_NO_MEMORY)
        return ERR_NO_MEMORY;
    return ERR_INVALID_TOKEN;
}

enum err token_check(struct flow *f, const struct jwt_input *in, struct jwt_claims *ret,
                     const char **ret_reason)
{
    const bool asked = f->kid_asked;
    const enum err answered = f->kid_outcome;
    f->kid_asked = false;
    f->kid_outcome = ERR_OK;

    const struct keyring keys = keeper_keyring(f->app->keeper);
    size_t issuer = 0;
    struct str kid = {0};
    const enum jwt_reason reason =
        jwt_verify(&f->app->policy, &keys, in, f->arena, ret, &issuer, &kid);
    if (reason != JWT_UNKNOWN_KID && reason != JWT_KEYS_MISSING)
        return verdict(reason, ret_reason);

    if (!asked) {
        f->kid_asked = true;
        keeper_wait_kid(f->app->keeper, &f->kid_wait, issuer, kid, request_deadline_ms(f->req),
                        on_kid, f);
        return ERR_PENDING;
    }
    const enum err refused = verdict(reason, ret_reason);
    if (answered != ERR_OK)
        return answered;
    /* The keeper says it looked, and still there is no key set: that is not the token's fault. */
    return reason == JWT_KEYS_MISSING ? ERR_KEYS_UNAVAILABLE : refused;
}
