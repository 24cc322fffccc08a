/* SPDX-License-Identifier: Apache-2.0
 * What the handles carry: fixed fields, then texts with their length before them. The layout is
 * versioned by the box; nobody but the service reads it. */
#include "identity/seal_box.h"

#include "base/crypto.h"

enum { TEXT_ABSENT = 0xffff };

/* ---- writing */

static void put_number(struct buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--)
        buf_append_byte(out, (char)(uint8_t)(value >> (8 * (i - 1))));
}

/* Text whose length two bytes cannot tell overflows the buffer, which fails the seal. */
_Static_assert((int)HANDLE_CHARS_MAX < (int)TEXT_ABSENT,
               "a length that fits the buffer fits two bytes");

static void put_text(struct buf *out, struct str text)
{
    put_number(out, text.ptr ? text.len : TEXT_ABSENT, 2);
    buf_append(out, text);
}

static enum err box_up(const struct seal_ring *r, enum seal_purpose purpose,
                       const struct buf *plain, struct buf *out)
{
    if (!buf_ok(plain))
        return plain->state == BUF_NO_MEMORY ? ERR_NO_MEMORY : ERR_INTERNAL;
    return seal_box(r, purpose, buf_str(plain), out);
}

/* ---- reading: the first short read makes all further ones fail */

struct reader {
    struct str left;
    bool failed;
};

static struct str take(struct reader *in, size_t len)
{
    if (in->failed || in->left.len < len) {
        in->failed = true;
        return (struct str){NULL, 0};
    }
    const struct str taken = {in->left.ptr, len};
    in->left = (struct str){in->left.ptr + len, in->left.len - len};
    return taken;
}

static uint64_t take_number(struct reader *in, unsigned bytes)
{
    const struct str taken = take(in, bytes);
    uint64_t value = 0;

    for (size_t i = 0; i < taken.len; i++)
        value = value << 8 | (uint8_t)taken.ptr[i];
    return value;
}

static struct str take_text(struct reader *in)
{
    const size_t len = (size_t)take_number(in, 2);

    if (in->failed || len == TEXT_ABSENT)
        return (struct str){NULL, 0};
    return take(in, len);
}

static bool is_complete(const struct reader *in)
{
    return !in->failed && in->left.len == 0;
}

/* ---- the two handles */

enum err challenge_seal(struct seal_ring *r, const struct challenge_handle *h, struct buf *out)
{
    AUTO_BUF struct buf plain;

    buf_init(&plain, HANDLE_CHARS_MAX);
    put_number(&plain, h->decoy ? 1 : 0, 1);
    buf_append(&plain, (struct str){(const char *)h->id, sizeof(h->id)});
    put_number(&plain, (uint64_t)h->started_s, 8);
    put_number(&plain, (uint64_t)h->expires_s, 8);
    put_text(&plain, h->challenge);
    put_text(&plain, h->user_id);
    put_text(&plain, h->identifier);
    put_text(&plain, h->identifier_type);
    put_text(&plain, h->device_id);
    put_text(&plain, h->approval_data);
    return box_up(r, SEAL_CHALLENGE, &plain, out);
}

enum err challenge_open(struct seal_ring *r, struct str text, struct arena *arena,
                        struct challenge_handle *ret)
{
    struct reader in = {.failed = false};
    struct challenge_handle h = {.decoy = false};

    const enum err opened = seal_unbox(r, SEAL_CHALLENGE, text, arena, &in.left);
    if (opened != ERR_OK)
        return opened;
    h.decoy = take_number(&in, 1) != 0;
    const struct str id = take(&in, sizeof(h.id));
    if (id.ptr)
        memcpy(h.id, id.ptr, sizeof(h.id));
    h.started_s = (int64_t)take_number(&in, 8);
    h.expires_s = (int64_t)take_number(&in, 8);
    h.challenge = take_text(&in);
    h.user_id = take_text(&in);
    h.identifier = take_text(&in);
    h.identifier_type = take_text(&in);
    h.device_id = take_text(&in);
    h.approval_data = take_text(&in);
    if (!is_complete(&in))
        return ERR_CHALLENGE_INVALID;
    *ret = h;
    return ERR_OK;
}

enum err session_seal(struct seal_ring *r, const struct session_handle *h, struct buf *out)
{
    AUTO_BUF struct buf plain;

    buf_init(&plain, HANDLE_CHARS_MAX);
    put_number(&plain, (uint64_t)h->created_s, 8);
    put_text(&plain, h->session_id);
    put_text(&plain, h->user_id);
    return box_up(r, SEAL_SESSION, &plain, out);
}

enum err session_open(struct seal_ring *r, struct str text, struct arena *arena,
                      struct session_handle *ret)
{
    struct reader in = {.failed = false};
    struct session_handle h = {.created_s = 0};

    const enum err opened = seal_unbox(r, SEAL_SESSION, text, arena, &in.left);
    if (opened != ERR_OK)
        return opened;
    h.created_s = (int64_t)take_number(&in, 8);
    h.session_id = take_text(&in);
    h.user_id = take_text(&in);
    if (!is_complete(&in))
        return ERR_SESSION_INVALID;
    *ret = h;
    return ERR_OK;
}
