/* SPDX-License-Identifier: Apache-2.0
 * The verifier inside a flow, with one question to the keeper: for a kid that is not there, and (as
 * the vendor advises) for a signature that does not fit the key that is. */
#include "api/token_check.h"

#include "observe/metrics.h"

void token_count(enum jwt_reason reason)
{
    metric_add(M_JWT_VERIFY, reason, 0, 1);
}

static void on_keys(struct keeper_wait *w, enum err outcome)
{
    struct flow *f = w->arg;
    f->keys_outcome = outcome;
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

/* False: another look at the issuer's keys changes nothing, or is not to be had now. */
static bool ask_keeper(struct flow *f, enum jwt_reason reason, size_t issuer, struct str kid)
{
    struct keeper_view *keeper = f->app->keeper;
    const int64_t deadline_ms = request_deadline_ms(f->req);

    if (reason == JWT_SIGNATURE || reason == JWT_KEY_ALG)
        return keeper_wait_new_keys(keeper, &f->keys_wait, issuer, deadline_ms, on_keys, f);
    if (reason != JWT_UNKNOWN_KID && reason != JWT_KEYS_MISSING)
        return false;
    keeper_wait_kid(keeper, &f->keys_wait, issuer, kid, deadline_ms, on_keys, f);
    return true;
}

enum err token_check(struct flow *f, const struct jwt_input *in, struct jwt_claims *ret,
                     const char **ret_reason)
{
    const bool asked = f->keys_asked;
    const enum err answered = f->keys_outcome;
    f->keys_asked = false;
    f->keys_outcome = ERR_OK;

    const struct keyring keys = keeper_keyring(f->app->keeper);
    size_t issuer = 0;
    struct str kid = {0};
    const enum jwt_reason reason =
        jwt_verify(&f->app->policy, &keys, in, f->arena, ret, &issuer, &kid);
    if (!asked && ask_keeper(f, reason, issuer, kid)) {
        f->keys_asked = true;
        return ERR_PENDING;
    }
    const enum err refused = verdict(reason, ret_reason);
    if (reason != JWT_UNKNOWN_KID && reason != JWT_KEYS_MISSING)
        return refused;
    if (answered != ERR_OK)
        return answered;
    /* The keeper says it looked, and still there is no key set: that is not the token's fault. */
    return reason == JWT_KEYS_MISSING ? ERR_KEYS_UNAVAILABLE : refused;
}
