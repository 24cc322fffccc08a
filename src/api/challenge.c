/* SPDX-License-Identifier: Apache-2.0
 * Opens, compares and uses up challenge handles. */
#include "api/challenge.h"

/* The used-once table counts on the monotonic clock, handles expire on the wall clock: the entry
 * outlives its handle by more than a clock is set back. */
enum { USED_MARGIN_S = 120 };

enum err challenge_check(struct flow *f, struct str text, const struct challenge_claim *claim,
                         struct challenge_handle *ret)
{
    const enum err opened = challenge_open(f->app->seal, text, f->arena, ret);
    if (opened != ERR_OK)
        return flow_fail_with(f, opened, "the challenge handle does not open");
    if (flow_now_s() >= ret->expires_s)
        return flow_fail_with(f, ERR_CHALLENGE_EXPIRED, "the challenge handle expired");
    if (ret->device_id.ptr && !str_eq(ret->device_id, claim->device_id))
        return flow_fail_with(f, ERR_CHALLENGE_MISMATCH, "the challenge is of another device");
    if (!ret->user_id.ptr && !claim->identifier_may_stand)
        return flow_fail_with(f, ERR_CHALLENGE_MISMATCH, "the challenge names no user id");
    if (ret->user_id.ptr && !str_eq(ret->user_id, claim->user_id))
        return flow_fail_with(f, ERR_CHALLENGE_MISMATCH, "the challenge is of another user");
    return ERR_OK;
}

enum err challenge_use(struct flow *f, const struct challenge_handle *handle)
{
    const int64_t now_ms = loop_now_ms(f->app->loop);
    const int64_t left_s = handle->expires_s - flow_now_s();
    const int64_t kept_ms = (left_s > 0 ? left_s : 0) * 1000 + USED_MARGIN_S * 1000;
    const enum err e = store_use_challenge(f->app->store, handle->id, now_ms, now_ms + kept_ms);
    if (e == ERR_OK)
        return ERR_OK;
    return flow_fail_with(f, e,
                          e == ERR_CHALLENGE_USED ? "the challenge was used before"
                                                  : "the table of used challenges is full");
}
