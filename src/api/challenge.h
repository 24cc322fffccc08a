/* SPDX-License-Identifier: Apache-2.0
 * The checks of a challenge handle that authenticate and register share, and its one use. */
#pragma once

#include "api/flow.h"

struct challenge_claim { /* whose handle the caller says it is */
    struct str user_id;
    struct str device_id;      /* ptr NULL: none given */
    bool identifier_may_stand; /* a handle that start made for an identifier names no user id */
};

/* Opens the handle: unexpired, of this user and device. Errors: ERR_CHALLENGE_INVALID,
 * ERR_CHALLENGE_EXPIRED, ERR_CHALLENGE_MISMATCH. Does not use it up. */
NODISCARD enum err challenge_check(struct flow *f, struct str text,
                                   const struct challenge_claim *claim,
                                   struct challenge_handle *ret);
/* Marks it used, once in its life. ERR_CHALLENGE_USED, ERR_OVERLOADED. */
NODISCARD enum err challenge_use(struct flow *f, const struct challenge_handle *handle);
