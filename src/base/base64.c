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

/* 0 to 63, or -1. */
static int sextet(char c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == c62)
        return 62;
    return c == c63 ? 63 : -1;
}

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

bool base64url_decode(struct str text, uint8_t *out, size_t *ret_len)
{
    struct decoder d = {0};
    for (size_t i = 0; i < text.len; i++) {
        const int value = sextet(text.ptr[i], '-', '_');
        if (value < 0)
            return false;
        decoder_take(&d, (unsigned)value, out);
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
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (allow_line_breaks && (c == '\r' || c == '\n'))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        const int value = sextet(c, '+', '/');
        if (value < 0 || padding > 0)
            return false;
        decoder_take(&d, (unsigned)value, out);
    }
    if (!decoder_complete(&d) || padding > 2 || (d.char_count + padding) % 4 != 0)
        return false;
    *ret_len = d.out_len;
    return true;
}
