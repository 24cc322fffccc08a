/* SPDX-License-Identifier: Apache-2.0
 * application/x-www-form-urlencoded bodies (the token endpoint's). */
#pragma once

#include "base/arena.h"

enum { FORM_FIELDS_MAX = 16 };

struct form_field {
    struct str name, value; /* decoded, in the arena */
};

struct form {
    struct form_field fields[FORM_FIELDS_MAX];
    size_t count;
};

/* False: bad escapes, a name twice, too many fields, out of memory. */
NODISCARD bool form_parse(struct str body, struct arena *arena, struct form *ret);
/* {NULL, 0} when absent. */
struct str form_value(const struct form *form, const char *name);
/* Decodes %XX and '+'. ptr NULL on failure. */
struct str form_decode(struct str text, struct arena *arena);
