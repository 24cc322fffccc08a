/* SPDX-License-Identifier: Apache-2.0
 * RFC 4648 base64url without padding (JOSE: RFC 7515 §2) and, for keys and secrets in files, plain
 * base64. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

static inline size_t base64url_len(size_t bytes)
{
    return (bytes * 4 + 2) / 3;
}

/* Bytes that text of this length decodes to at most. */
static inline size_t base64_decoded_max(size_t chars)
{
    return chars / 4 * 3 + 3;
}

struct buf;
void base64url_append(struct buf *out, const uint8_t *bytes, size_t len);
void base64_append(struct buf *out, const uint8_t *bytes, size_t len);
/* Strict: only A-Z a-z 0-9 - _, no padding, no white space, len % 4 != 1, unused bits zero.
 * out has room for base64_decoded_max(text.len). False leaves *ret_len untouched. */
NODISCARD bool base64url_decode(struct str text, uint8_t *out, size_t *ret_len);
/* Strict plain base64 with mandatory padding; allow_line_breaks skips CR and LF (PEM bodies). */
NODISCARD bool base64_decode(struct str text, bool allow_line_breaks, uint8_t *out,
                             size_t *ret_len);
