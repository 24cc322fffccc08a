/* SPDX-License-Identifier: Apache-2.0
 * The app's access token: the Authorization field (RFC 6750) and, as steps, its verification. */
#pragma once

#include "api/flow.h"

/* The value of one Authorization field; ptr NULL: absent. "Bearer" in any case, exactly one space,
 * then a b64token. ERR_MISSING_TOKEN: no field, or another scheme. ERR_INVALID_TOKEN: malformed. */
NODISCARD enum err bearer_parse(struct str field, struct str *ret_token);
/* Value of WWW-Authenticate for an error of status 401. */
const char *bearer_challenge(enum err code);
/* The request's one token; refuses repeated fields and a token in the query. Fills f->bearer.token.
 */
NODISCARD enum err bearer_present(struct flow *f);

/* Steps: f->bearer.claims are those of a user's access token; `payload` is NULL when the token was
 * remembered (identity/token_memory.h). */
NODISCARD enum err bearer_check(struct flow *f);
/* An access token that expired up to 14 days ago is good enough (api.md logout). */
NODISCARD enum err bearer_check_for_logout(struct flow *f);
