/* SPDX-License-Identifier: Apache-2.0
 * Strict JSON (RFC 8259) for every document from outside: requests, vendor answers, key sets, token
 * parts. Refused beyond the grammar: duplicate member names at any level (compared after
 * unescaping), U+0000 in a string, lone surrogates, a byte-order mark, numbers that overflow a
 * double. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { JSON_DEPTH_CEILING = 64 };

struct json_limits {
    size_t bytes_max;
    unsigned depth_max; /* nested arrays and objects; at most JSON_DEPTH_CEILING */
    size_t values_max;  /* values in the whole document, members included */
};

struct json_error {
    size_t offset;    /* byte where it went wrong */
    const char *what; /* literal */
};

/* The tree of a document. */
struct json;
enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Linear time (duplicate names included). Never reads past text.len; the tree does not borrow from
 * text. Errors: ERR_INVALID_JSON (reterr, which may be NULL, is filled), ERR_NO_MEMORY. */
NODISCARD enum err json_parse(struct str text, const struct json_limits *limits,
                              struct json **ret_root, struct json_error *reterr);
/* root: from json_parse(). Cleanses all texts (they may be tokens). Accepts NULL. */
void json_free(struct json *root);
static inline void json_freep(struct json **root)
{
    json_free(*root);
}
#define AUTO_JSON AUTO(json_freep)

enum json_type json_type(const struct json *value);
/* Exact, case-sensitive; NULL when absent or when object is NULL or no object. */
const struct json *json_member(const struct json *object, const char *name);
/* Text of a string value, with a NUL behind it; {NULL, 0} for anything else, NULL included.
 * Borrowed from the tree. */
struct str json_string(const struct json *value);
/* False when value is not a number (value may be NULL). */
bool json_number(const struct json *value, double *ret);
bool json_is_true(const struct json *value);
/* Children of an array or object in document order; NULL at the end. */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *child);
/* Member name of a child of an object. */
struct str json_name(const struct json *child);
size_t json_count(const struct json *container);
/* Prints compactly (validated text comes back equivalent). */
struct buf;
void json_print(struct buf *out, const struct json *value);

/* Writer into a buf: places commas, escapes every string (invalid UTF-8 becomes U+FFFD). */
struct json_writer {
    struct buf *out;
    bool need_comma;
};
void jw_init(struct json_writer *w, struct buf *out);
void jw_object_begin(struct json_writer *w);
void jw_object_end(struct json_writer *w);
void jw_array_begin(struct json_writer *w);
void jw_array_end(struct json_writer *w);
/* name, here and below: a literal without characters that JSON escapes; it is not looked at. Any
 * other name goes through jw_key_str(). */
void jw_key_plain(struct json_writer *w, struct str name);
static inline void jw_key(struct json_writer *w, const char *name)
{
    jw_key_plain(w, str_of(name)); /* the compiler knows the length of a literal */
}
void jw_key_str(struct json_writer *w, struct str name);
void jw_string(struct json_writer *w, struct str value);
void jw_int(struct json_writer *w, int64_t value);
void jw_bool(struct json_writer *w, bool value);
void jw_null(struct json_writer *w);
/* value: a complete JSON value that is known to be valid */
void jw_raw(struct json_writer *w, struct str value);
/* key + value in one call; jw_member_opt() writes nothing when value.ptr is NULL */
static inline void jw_member(struct json_writer *w, const char *name, struct str value)
{
    jw_key(w, name);
    jw_string(w, value);
}

static inline void jw_member_opt(struct json_writer *w, const char *name, struct str value)
{
    if (value.ptr)
        jw_member(w, name, value);
}

static inline void jw_member_int(struct json_writer *w, const char *name, int64_t value)
{
    jw_key(w, name);
    jw_int(w, value);
}

static inline void jw_member_bool(struct json_writer *w, const char *name, bool value)
{
    jw_key(w, name);
    jw_bool(w, value);
}
