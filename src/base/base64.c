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

/* The value of each ASCII character, with a bit for those of one alphabet alone; NONE has both. */
enum { SEXTET = 0x3f, URL_ALONE = 0x40, PLAIN_ALONE = 0x80, NONE = 0xff };
static const uint8_t values[128] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbe, 0xff, 0x7e, 0xff, 0xbf,
    0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
    0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0xff, 0xff, 0xff, 0xff, 0x7f,
    0xff, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0xff, 0xff, 0xff, 0xff, 0xff,
};

static uint8_t value_of(char c)
{
    return (uint8_t)c < sizeof(values) ? values[(uint8_t)c] : NONE;
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

/* Takes four characters at a time while all are of the alphabet; the rest is for a closer look.
 * Returns how many it took. */
static size_t decoder_take_fours(struct decoder *d, struct str text, unsigned refused, uint8_t *out)
{
    size_t i = 0;
    for (; text.len - i >= 4; i += 4) {
        const uint8_t a = value_of(text.ptr[i]);
        const uint8_t b = value_of(text.ptr[i + 1]);
        const uint8_t c = value_of(text.ptr[i + 2]);
        const uint8_t e = value_of(text.ptr[i + 3]);
        if (((a | b | c | e) & refused) != 0)
            break;
        const uint32_t bits = (uint32_t)(a & SEXTET) << 18 | (uint32_t)(b & SEXTET) << 12 |
                              (uint32_t)(c & SEXTET) << 6 | (uint32_t)(e & SEXTET);
        out[d->out_len] = (uint8_t)(bits >> 16);
        out[d->out_len + 1] = (uint8_t)(bits >> 8);
        out[d->out_len + 2] = (uint8_t)bits;
        d->out_len += 3;
    }
    d->char_count = i;
    return i;
}

bool base64url_decode(struct str text, uint8_t *out, size_t *ret_len)
{
    struct decoder d = {0};
    for (size_t i = decoder_take_fours(&d, text, PLAIN_ALONE, out); i < text.len; i++) {
        const uint8_t value = value_of(text.ptr[i]);
        if ((value & PLAIN_ALONE) != 0)
            return false;
        decoder_take(&d, value & SEXTET, out);
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
    for (size_t i = decoder_take_fours(&d, text, URL_ALONE, out); i < text.len; i++) {
        const char c = text.ptr[i];
        if (allow_line_breaks && (c == '\r' || c == '\n'))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        const uint8_t value = value_of(c);
        if ((value & URL_ALONE) != 0 || padding > 0)
            return false;
        decoder_take(&d, value & SEXTET, out);
    }
    if (!decoder_complete(&d) || padding > 2 || (d.char_count + padding) % 4 != 0)
        return false;
    *ret_len = d.out_len;
    return true;
}
