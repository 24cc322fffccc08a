/* SPDX-License-Identifier: Apache-2.0
 * Strict base64 in both alphabets. One encoding has exactly one decoding: what another decoder
 * would skip or repair is refused here. */
#include "base/base64.h"

#include "base/buf.h"

static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char plain_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void append(struct buf *out, const uint8_t *bytes, size_t len, const char *alphabet,
                   bool padded)
{
    char *to = buf_room(out, (len / 3 + 1) * 4);
    if (!to)
        return;
    size_t n = 0;
    size_t i = 0;
    for (; i + 3 <= len; i += 3) {
        const uint32_t v =
            (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2];
        to[n++] = alphabet[v >> 18];
        to[n++] = alphabet[v >> 12 & 63];
        to[n++] = alphabet[v >> 6 & 63];
        to[n++] = alphabet[v & 63];
    }
    const size_t rest = len - i;
    if (rest > 0) {
        const uint32_t second = rest == 2 ? bytes[i + 1] : 0;
        const uint32_t v = (uint32_t)bytes[i] << 16 | second << 8;
        to[n++] = alphabet[v >> 18];
        to[n++] = alphabet[v >> 12 & 63];
        if (rest == 2)
            to[n++] = alphabet[v >> 6 & 63];
        else if (padded)
            to[n++] = '=';
        if (padded)
            to[n++] = '=';
    }
    buf_added(out, n);
}

void base64url_append(struct buf *out, const uint8_t *bytes, size_t len)
{
    append(out, bytes, len, url_alphabet, false);
}

void base64_append(struct buf *out, const uint8_t *bytes, size_t len)
{
    append(out, bytes, len, plain_alphabet, true);
}

/* The value of each character, one table an alphabet. NO has the bit that no sextet has. */
enum { NO = 0xff, NO_BIT = 0x80 };
/* clang-format off */
#define NO_16 NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO
#define NO_64 NO_16, NO_16, NO_16, NO_16
#define VALUES(plus, minus, slash, low)                                                            \
    {                                                                                              \
        NO_16, NO_16,                                                                              \
        NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, plus, NO, minus, NO, slash,                    \
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,                            \
        NO, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,                            \
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, low,                           \
        NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,                            \
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,                            \
        NO_64, NO_64,                                                                              \
    }
/* clang-format on */
static const uint8_t url_values[256] = VALUES(NO, 62, NO, 63);
static const uint8_t plain_values[256] = VALUES(62, NO, 63, NO);

/* Collects sextets and gives out whole bytes. */
struct decoder {
    uint32_t bits;
    unsigned bit_count;
    size_t char_count;
    size_t out_len;
};

static void decoder_take(struct decoder *d, unsigned value, uint8_t *out)
{
    d->bits = d->bits << 6 | value;
    d->bit_count += 6;
    d->char_count++;
    if (d->bit_count < 8)
        return;
    d->bit_count -= 8;
    out[d->out_len++] = (uint8_t)(d->bits >> d->bit_count);
    d->bits &= (1U << d->bit_count) - 1;
}

/* A single left-over character holds no byte, and left-over bits must be zero. */
static bool decoder_complete(const struct decoder *d)
{
    return d->char_count % 4 != 1 && d->bits == 0;
}

/* Takes four characters at a time while all are of the alphabet; the rest is for a closer look.
 * Returns how many it took. */
static size_t decoder_take_fours(struct decoder *d, struct str text, const uint8_t values[256],
                                 uint8_t *out)
{
    const uint8_t *in = (const uint8_t *)text.ptr;
    uint8_t *to = out;
    size_t i = 0;
    for (; text.len - i >= 4; i += 4, to += 3) {
        const uint8_t a = values[in[i]];
        const uint8_t b = values[in[i + 1]];
        const uint8_t c = values[in[i + 2]];
        const uint8_t e = values[in[i + 3]];
        if (((a | b | c | e) & NO_BIT) != 0)
            break;
        to[0] = (uint8_t)(a << 2 | b >> 4);
        to[1] = (uint8_t)(b << 4 | c >> 2);
        to[2] = (uint8_t)(c << 6 | e);
    }
    d->char_count = i;
    d->out_len = (size_t)(to - out);
    return i;
}

bool base64url_decode(struct str text, uint8_t *out, size_t *ret_len)
{
    struct decoder d = {0};
    for (size_t i = decoder_take_fours(&d, text, url_values, out); i < text.len; i++) {
        const uint8_t value = url_values[(uint8_t)text.ptr[i]];
        if (value == NO)
            return false;
        decoder_take(&d, value, out);
    }
    if (!decoder_complete(&d))
        return false;
    *ret_len = d.out_len;
    return true;
}

bool base64_decode(struct str text, bool allow_line_breaks, uint8_t *out, size_t *ret_len)
{
    struct decoder d = {0};
    size_t padding = 0;
    for (size_t i = decoder_take_fours(&d, text, plain_values, out); i < text.len; i++) {
        const char c = text.ptr[i];
        if (allow_line_breaks && (c == '\r' || c == '\n'))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        const uint8_t value = plain_values[(uint8_t)c];
        if (value == NO || padding > 0)
            return false;
        decoder_take(&d, value, out);
    }
    if (!decoder_complete(&d) || padding > 2 || (d.char_count + padding) % 4 != 0)
        return false;
    *ret_len = d.out_len;
    return true;
}
