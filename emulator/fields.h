/* SPDX-License-Identifier: Apache-2.0
 * Closed request schemas as tables (upstream contract, section 5): a stray member or a wrong type
 * is refused, so that a client that sends more than it should is noticed. */
#pragma once

#include "base/arena.h"
#include "base/json.h"

enum field_kind {
    FIELD_TEXT,     /* non-empty string */
    FIELD_ANY_TEXT, /* string */
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_OBJECT,      /* closed, by `fields` */
    FIELD_OPEN_OBJECT, /* any members */
    FIELD_APPROVAL,    /* flat, at most 10 members, restricted alphabet */
    FIELD_ANY,
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_kind kind;
    bool required;
    size_t bytes_max;              /* of a string; 0: no limit */
    double number_min, number_max; /* of a number */
    const char *const *words;      /* NULL-ended list of allowed strings, or NULL */
    const struct field *fields;    /* of a FIELD_OBJECT */
};

/* NULL: body obeys. Else a sentence for people, in arena. */
const char *fields_problem(const struct field *fields, const struct json *body,
                           struct arena *arena);
