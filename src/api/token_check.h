/* SPDX-License-Identifier: Apache-2.0
 * Verifies a token inside a flow: with the keys at hand, and once more after the keeper was asked
 * for a kid that they do not hold (api.md section 5) or for other keys under a kid that they do. */
#pragma once

#include "api/flow.h"

/* ERR_OK: *ret is filled (jwt_claims_finish() it). ERR_PENDING: the flow runs this step again when
 * the keeper has answered; the step then calls this once more with the same input. Else
 * ERR_INVALID_TOKEN, ERR_TOKEN_EXPIRED (only the expiry failed), ERR_KEYS_UNAVAILABLE,
 * ERR_UPSTREAM_* or ERR_NO_MEMORY, with *ret_reason for the log. Counted by reason. */
NODISCARD enum err token_check(struct flow *f, const struct jwt_input *in, struct jwt_claims *ret,
                               const char **ret_reason);
/* Counts a reason that was found after the verifier had passed the token. */
void token_count(enum jwt_reason reason);
