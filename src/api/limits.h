/* SPDX-License-Identifier: Apache-2.0
 * The limits on one caller (api.md section 6): per client address, and per (who, client address)
 * for anonymous operations or per sub for those with a Bearer. */
#pragma once

#include "api/flow.h"

/* Step. */
NODISCARD enum err limit_address(struct flow *f);
/* Step, after the bearer was verified. */
NODISCARD enum err limit_bearer(struct flow *f);
/* Anonymous operations. kind keeps user ids, identifiers and refresh tokens apart; literal. */
NODISCARD enum err limit_anonymous(struct flow *f, const char *kind, struct str who);
/* ERR_RATE_LIMITED with its Retry-After. */
NODISCARD enum err limit_exceeded(struct flow *f, int retry_after_s, const char *reason);
