/* SPDX-License-Identifier: Apache-2.0
 * Comparison and classification of borrowed text. Nothing here allocates, and nothing depends on
 * the locale. */
#include "base/str.h"

#include <stdint.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool str_starts_with(struct str text, struct str prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

bool str_ends_with(struct str text, struct str suffix)
{
    return text.len >= suffix.len && (suffix.len == 0 || memcmp(text.ptr + text.len - suffix.len,
                                                                suffix.ptr, suffix.len) == 0);
}

static bool in_range(uint8_t c, uint8_t low, uint8_t high)
{
    return c >= low && c <= high;
}

/* The rows of RFC 3629 §4: what may follow each lead byte. The narrow ranges of the second byte
 * are what keeps out overlong forms, surrogates and code points past U+10FFFF. */
static const struct utf8_row {
    uint8_t lead_low, lead_high, second_low, second_high, length;
} utf8_rows[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

size_t str_utf8_length(struct str text)
{
    if (text.len == 0)
        return 0;
    const uint8_t *p = (const uint8_t *)text.ptr;
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        const struct utf8_row *row = &utf8_rows[i];
        if (!in_range(p[0], row->lead_low, row->lead_high))
            continue;
        if (text.len < row->length || !in_range(p[1], row->second_low, row->second_high))
            return 0;
        for (size_t k = 2; k < row->length; k++) {
            if (!in_range(p[k], 0x80, 0xBF))
                return 0;
        }
        return row->length;
    }
    return 0;
}

bool str_is_utf8(struct str text)
{
    while (text.len > 0) {
        const size_t n = str_utf8_length(text);
        if (n == 0)
            return false;
        text.ptr += n;
        text.len -= n;
    }
    return true;
}

bool str_has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = (uint8_t)text.ptr[i];
        if (c < 0x20 || c == 0x7F)
            return true;
        const bool c1_lead = c == 0xC2 && i + 1 < text.len;
        if (c1_lead && in_range((uint8_t)text.ptr[i + 1], 0x80, 0x9F))
            return true;
    }
    return false;
}
