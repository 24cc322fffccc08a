/* SPDX-License-Identifier: Apache-2.0
 * What the user approves (api.md start): a flat object of strings. Its canonical text, keys sorted
 * bytewise, is what the handle carries and what the ID token's claim is compared with. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

enum { APPROVAL_MEMBERS_MAX = 10, APPROVAL_KEY_MAX = 64, APPROVAL_VALUE_MAX = 256 };

struct approval_problem {
    const char *member; /* JSON pointer token, arena; NULL: the object itself */
    const char *what;   /* literal */
};

/* ERR_INVALID_REQUEST (ret_problem is filled) or ERR_NO_MEMORY. */
NODISCARD enum err approval_canonical(const struct json *object, struct arena *arena,
                                      struct str *ret, struct approval_problem *ret_problem);
/* Same keys, same string values. False for anything else: absent, of another type, no memory. */
NODISCARD bool approval_equal(struct str canonical, const struct json *claim, struct arena *arena);
