/* SPDX-License-Identifier: Apache-2.0
 * A request's body as a table: one row a member with its type, whether it is required, its size and
 * its alphabet. Members that are not in the table are refused. Every problem is named by a JSON
 * pointer (RFC 6901), so that an app developer fixes them all at once. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

enum schema_type {
    SCHEMA_TEXT,    /* struct str at offset, borrowed from the tree */
    SCHEMA_INTEGER, /* int64_t at offset */
    SCHEMA_OBJECT,  /* const struct json * at offset, borrowed from the tree */
};

/* X(enum, "what the app developer reads") */
#define SCHEMA_ALPHABET_TABLE(X)                                                                   \
    X(ALPHABET_TEXT, "must not contain control characters")                                        \
    X(ALPHABET_LINES, "must be printable ASCII or line breaks")                                    \
    X(ALPHABET_VISIBLE, "must be visible ASCII without spaces")                                    \
    X(ALPHABET_WORD, "must consist of letters, digits, '_', '.' and '-'")
enum schema_alphabet {
#define X(id, text) id,
    SCHEMA_ALPHABET_TABLE(X)
#undef X
};

struct schema_field {
    const char *name;
    enum schema_type type;
    bool required;
    size_t offset; /* into the struct that is filled */
    int64_t min;   /* bytes of a text, value of an integer */
    int64_t max;
    enum schema_alphabet alphabet;
};

struct schema {
    const struct schema_field *fields;
    size_t count;
};

/* Fills *out (zeroed by the caller; absent members stay zero). ERR_INVALID_REQUEST: *ret_failure
 * carries up to FAILURE_POINTERS_MAX pointers, in the order of the document, then the missing ones;
 * their text is in the arena. ERR_NO_MEMORY. */
NODISCARD enum err schema_read(const struct schema *schema, const struct json *root, void *out,
                               struct arena *arena, struct failure *ret_failure);
/* Adds one problem; false when there is no more room. Pointer and detail are borrowed. */
bool schema_problem(struct failure *failure, const char *pointer, const char *detail);
bool schema_alphabet_has(enum schema_alphabet alphabet, struct str text);
