/* SPDX-License-Identifier: Apache-2.0
 * Borrowed text: pointer and length, not necessarily NUL-terminated. The owner is whoever made the
 * bytes; a struct str in a struct or prototype is borrowed unless its comment says otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})

/* z may be NULL: gives the empty string with a NULL pointer ("absent"). */
static inline struct str str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}

/* ASCII case only, independent of the locale. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_with(struct str text, struct str prefix);
bool str_ends_with(struct str text, struct str suffix);
/* Bytes of the well-formed UTF-8 character at the start of text; 0 when there is none. */
size_t str_utf8_length(struct str text);
/* True when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool str_is_utf8(struct str text);
/* True when a byte below 0x20 or 0x7f, or the UTF-8 form of U+0080..U+009F, occurs. */
bool str_has_control(struct str text);
