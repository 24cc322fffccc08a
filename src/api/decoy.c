/* SPDX-License-Identifier: Apache-2.0
 * The shape of genuine challenges in one atomic word: length, groups of characters seen, and two
 * special forms. Groups accumulate while the length stays, for one short challenge does not show
 * the whole alphabet. */
#include "api/decoy.h"

#include <stdatomic.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "identity/upstream.h"

enum group {
    GROUP_DIGITS = 1 << 0,
    GROUP_LOWER_HEX = 1 << 1,
    GROUP_LOWER = 1 << 2,
    GROUP_UPPER_HEX = 1 << 3,
    GROUP_UPPER = 1 << 4,
    GROUP_URL = 1 << 5,   /* '-' and '_' */
    GROUP_PLAIN = 1 << 6, /* '+' and '/' */
    GROUP_OTHER = 1 << 7,
    GROUP_COUNT = 8,
};
static const char *const GROUP_CHARS[GROUP_COUNT] = {
    "0123456789",
    "abcdef",
    "ghijklmnopqrstuvwxyz",
    "ABCDEF",
    "GHIJKLMNOPQRSTUVWXYZ",
    "-_",
    "+/",
    " !\"#$%&'()*,.:;<=>?@[\\]^`{|}~",
};
static const unsigned LETTERS_AND_DIGITS =
    GROUP_DIGITS | GROUP_LOWER_HEX | GROUP_LOWER | GROUP_UPPER_HEX | GROUP_UPPER;

enum { ALPHABET_MAX = 96, PADDING_MAX = 2, UUID_CHARS = 36 };

struct shape {
    size_t len;      /* with padding */
    unsigned groups; /* of what is before the padding */
    unsigned padding;
    bool uuid;
};

struct decoy_shape {
    _Atomic uint64_t packed;
};

static uint64_t pack(const struct shape *s)
{
    return (uint64_t)s->len | (uint64_t)s->groups << 16 | (uint64_t)s->padding << 32 |
           (uint64_t)s->uuid << 40;
}

static struct shape unpack(uint64_t packed)
{
    return (struct shape){
        .len = packed & 0xffff,
        .groups = (unsigned)(packed >> 16) & 0xffff,
        .padding = (unsigned)(packed >> 32) & 0xff,
        .uuid = packed >> 40 & 1,
    };
}

struct decoy_shape *decoy_shape_create(void)
{
    struct decoy_shape *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    const struct shape first = {
        .len = base64url_len(32),
        .groups = LETTERS_AND_DIGITS | GROUP_URL,
    };
    atomic_init(&d->packed, pack(&first));
    return d;
}

void decoy_shape_destroy(struct decoy_shape *d)
{
    free(d);
}

/* ---- learning */

/* Of those with a group of their own. Each genuine challenge is looked at, hence the table. */
static const uint8_t GROUP_OF[1 + 'z'] = {
    ['0' ... '9'] = GROUP_DIGITS,
    ['a' ... 'f'] = GROUP_LOWER_HEX,
    ['g' ... 'z'] = GROUP_LOWER,
    ['A' ... 'F'] = GROUP_UPPER_HEX,
    ['G' ... 'Z'] = GROUP_UPPER,
    ['-'] = GROUP_URL,
    ['_'] = GROUP_URL,
    ['+'] = GROUP_PLAIN,
    ['/'] = GROUP_PLAIN,
};

static unsigned group_of(char c)
{
    const unsigned char byte = (unsigned char)c;
    const unsigned group = byte < sizeof(GROUP_OF) ? GROUP_OF[byte] : 0;
    return group != 0 ? group : (unsigned)GROUP_OTHER;
}

static bool is_uuid_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool is_uuid(struct str text)
{
    if (text.len != UUID_CHARS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const bool hex = (group_of(text.ptr[i]) & (GROUP_DIGITS | GROUP_LOWER_HEX)) != 0;
        if (is_uuid_dash(i) ? text.ptr[i] != '-' : !hex)
            return false;
    }
    return true;
}

static struct shape shape_of(struct str genuine)
{
    struct shape s = {.len = genuine.len, .uuid = is_uuid(genuine)};
    size_t body = genuine.len;
    while (body > 1 && s.padding < PADDING_MAX && genuine.ptr[body - 1] == '=') {
        body--;
        s.padding++;
    }
    for (size_t i = 0; i < body; i++)
        s.groups |= group_of(genuine.ptr[i]);
    return s;
}

void decoy_learn(struct decoy_shape *d, struct str genuine)
{
    if (genuine.len == 0 || genuine.len > CHALLENGE_BYTES_MAX)
        return;
    struct shape now = shape_of(genuine);
    const struct shape before = unpack(atomic_load_explicit(&d->packed, memory_order_relaxed));
    if (before.len == now.len && before.uuid == now.uuid && before.padding == now.padding)
        now.groups |= before.groups;
    atomic_store_explicit(&d->packed, pack(&now), memory_order_relaxed);
}

/* ---- making */

/* Real encodings leave no stray bits in the last character, which a plain random text might. */
static bool is_base64(const struct shape *s, unsigned extra)
{
    return !s->uuid && s->groups == (LETTERS_AND_DIGITS | extra) &&
           (s->len - s->padding) % 4 != 1 && (s->padding == 0 || s->len % 4 == 0);
}

static enum err make_encoded(const struct shape *s, bool url, char *out)
{
    uint8_t bytes[CHALLENGE_BYTES_MAX];
    const size_t count = (s->len - s->padding) * 3 / 4;
    if (!crypto_random(bytes, count))
        return ERR_INTERNAL;

    AUTO_BUF struct buf text;
    buf_init(&text, CHALLENGE_BYTES_MAX + PADDING_MAX + 2);
    if (url)
        base64url_append(&text, bytes, count);
    else
        base64_append(&text, bytes, count);
    if (!buf_ok(&text))
        return ERR_NO_MEMORY;
    /* base64url is written without padding, plain base64 with all of it. */
    const size_t written = text.len < s->len ? text.len : s->len;
    memcpy(out, text.ptr, written);
    memset(out + written, '=', s->len - written);
    return ERR_OK;
}

static size_t collect_alphabet(unsigned groups, char out[ALPHABET_MAX])
{
    size_t count = 0;
    for (unsigned i = 0; i < GROUP_COUNT; i++) {
        if ((groups & 1U << i) == 0)
            continue;
        const size_t len = strlen(GROUP_CHARS[i]);
        memcpy(out + count, GROUP_CHARS[i], len);
        count += len;
    }
    return count;
}

static enum err make_random(const struct shape *s, char *out)
{
    char alphabet[ALPHABET_MAX];
    const size_t count =
        collect_alphabet(s->uuid ? GROUP_DIGITS | GROUP_LOWER_HEX : s->groups, alphabet);
    uint16_t random[CHALLENGE_BYTES_MAX];
    if (count == 0 || !crypto_random(random, s->len * sizeof random[0]))
        return ERR_INTERNAL;

    /* 16 bits a character: the bias of the remainder is below 1 in 600. */
    for (size_t i = 0; i < s->len; i++)
        out[i] = s->uuid && is_uuid_dash(i) ? '-' : alphabet[random[i] % count];
    memset(out + s->len - s->padding, '=', s->padding);
    return ERR_OK;
}

enum err decoy_challenge(const struct decoy_shape *d, struct arena *arena, struct str *ret)
{
    const struct shape s = unpack(atomic_load_explicit(&d->packed, memory_order_relaxed));
    char *text = arena_alloc(arena, s.len + 1);
    if (!text)
        return ERR_NO_MEMORY;

    enum err e = ERR_OK;
    if (is_base64(&s, GROUP_URL))
        e = make_encoded(&s, true, text);
    else if (is_base64(&s, GROUP_PLAIN))
        e = make_encoded(&s, false, text);
    else
        e = make_random(&s, text);
    if (e == ERR_OK)
        *ret = (struct str){text, s.len};
    return e;
}
