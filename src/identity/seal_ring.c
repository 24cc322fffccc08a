/* SPDX-License-Identifier: Apache-2.0
 * The key ring and the box. Each box has a key of its own, HMAC-SHA256(ring key, half of a random
 * nonce): random 96-bit GCM nonces alone would wear a key out after 2^32 handles (NIST SP 800-38D
 * §8.3), which a fleet makes in weeks. */
#include "identity/seal_box.h"

#include <errno.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "base/file_open.h"
#include "base/secret.h"

enum {
    SEAL_VERSION = 1,
    KEY_ID_BYTES = 8,
    DERIVE_BYTES = 12,
    NONCE_BYTES = DERIVE_BYTES + AEAD_NONCE_BYTES,
    HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES,
    BOX_BYTES_MAX = HANDLE_CHARS_MAX / 4 * 3,
    PLAIN_BYTES_MAX = BOX_BYTES_MAX - HEADER_BYTES - AEAD_TAG_BYTES,
    KEYS_FILE_BYTES_MAX = 16 * 1024,
};

struct seal_key {
    uint8_t key[AEAD_KEY_BYTES];
    uint8_t id[KEY_ID_BYTES]; /* first bytes of SHA-256(key) */
};

struct seal_ring {
    size_t count;
    struct seal_key keys[SEAL_KEYS_MAX]; /* [0] seals, all open */
};

static const struct seal_key *key_find(const struct seal_ring *r, const uint8_t *id)
{
    for (size_t i = 0; i < r->count; i++) {
        if (memcmp(r->keys[i].id, id, KEY_ID_BYTES) == 0)
            return &r->keys[i];
    }
    return NULL;
}

/* NULL, or what is wrong with the key. */
static const char *key_add(struct seal_ring *r, const uint8_t key[AEAD_KEY_BYTES])
{
    uint8_t hash[SHA256_BYTES];

    if (!crypto_sha256((struct str){(const char *)key, AEAD_KEY_BYTES}, hash))
        return "the key cannot be hashed";
    if (key_find(r, hash))
        return "the key is there twice";
    if (r->count == SEAL_KEYS_MAX)
        return "too many keys";
    struct seal_key *added = &r->keys[r->count++];
    memcpy(added->key, key, AEAD_KEY_BYTES);
    memcpy(added->id, hash, KEY_ID_BYTES);
    return NULL;
}

/* NULL, or what is wrong with the line. Blank lines and comments are fine. */
static const char *line_read(struct seal_ring *r, struct str line)
{
    uint8_t key[2 * AEAD_KEY_BYTES];
    size_t len = 0;

    while (line.len > 0 && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
        line.len--;
    if (line.len == 0 || line.ptr[0] == '#')
        return NULL;
    if (base64_decoded_max(line.len) > sizeof(key) || !base64_decode(line, false, key, &len) ||
        len != AEAD_KEY_BYTES) {
        crypto_cleanse(key, sizeof(key));
        return "not the base64 of 32 bytes";
    }
    const char *wrong = key_add(r, key);
    crypto_cleanse(key, sizeof(key));
    return wrong;
}

static enum err text_read(struct seal_ring *r, const char *file, struct str text,
                          struct err_text *reterr)
{
    size_t line_number = 0;

    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        const size_t line_len = newline ? (size_t)(newline - text.ptr) : text.len;
        const char *wrong = line_read(r, (struct str){text.ptr, line_len});

        line_number++;
        if (wrong)
            return err_set(reterr, ERR_INVALID_REQUEST, "%s:%zu: %s", file, line_number, wrong);
        const size_t used = newline ? line_len + 1 : line_len;
        text = (struct str){text.ptr + used, text.len - used};
    }
    if (r->count == 0)
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: no key in it", file);
    return ERR_OK;
}

static enum err file_read(struct seal_ring *r, const char *file, struct err_text *reterr)
{
    const char *why = NULL;
    AUTO_CLOSE int fd = file_open(file, &why);
    char text[KEYS_FILE_BYTES_MAX];
    size_t len = 0;
    ssize_t got = 1;

    if (fd < 0)
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: %s", file, why);
    while (got > 0 && len < sizeof(text)) {
        got = read(fd, text + len, sizeof(text) - len);
        len += got > 0 ? (size_t)got : 0;
    }
    enum err e;
    if (got < 0)
        e = err_set(reterr, ERR_INVALID_REQUEST, "%s: %s", file, strerror(errno));
    else if (len == sizeof(text))
        e = err_set(reterr, ERR_INVALID_REQUEST, "%s: larger than %zu bytes", file, sizeof(text));
    else
        e = text_read(r, file, (struct str){text, len}, reterr);
    crypto_cleanse(text, sizeof(text));
    return e;
}

static enum err random_key(struct seal_ring *r, struct err_text *reterr)
{
    uint8_t key[AEAD_KEY_BYTES];
    const char *wrong = crypto_random(key, sizeof(key)) ? key_add(r, key) : "no randomness";

    crypto_cleanse(key, sizeof(key));
    return wrong ? err_set(reterr, ERR_INTERNAL, "sealing key: %s", wrong) : ERR_OK;
}

enum err seal_ring_load(const char *file, struct seal_ring **ret, struct err_text *reterr)
{
    struct seal_ring *r = secret_alloc(sizeof(*r));

    if (!r)
        return ERR_NO_MEMORY;
    const enum err e = file ? file_read(r, file, reterr) : random_key(r, reterr);
    if (e != ERR_OK) {
        seal_ring_free(r);
        return e;
    }
    *ret = r;
    return ERR_OK;
}

struct seal_ring *seal_ring_copy(const struct seal_ring *r)
{
    struct seal_ring *copy = secret_alloc(sizeof(*copy));

    if (copy)
        *copy = *r;
    return copy;
}

void seal_ring_free(struct seal_ring *r)
{
    secret_free(r);
}

bool seal_ring_derive(const struct seal_ring *r, struct str label, uint8_t out[32])
{
    return crypto_hmac_sha256(r->keys[0].key, AEAD_KEY_BYTES, label, out);
}

struct associated { /* bytes of the associated data */
    uint8_t bytes[2 + KEY_ID_BYTES];
};

static struct associated associated_of(enum seal_purpose purpose, const uint8_t *key_id)
{
    struct associated a = {{SEAL_VERSION, (uint8_t)purpose}};

    memcpy(a.bytes + 2, key_id, KEY_ID_BYTES);
    return a;
}

static struct str associated_str(const struct associated *a)
{
    return (struct str){(const char *)a->bytes, sizeof(a->bytes)};
}

static bool box_key(const struct seal_key *key, const uint8_t nonce[NONCE_BYTES],
                    uint8_t out[AEAD_KEY_BYTES])
{
    return crypto_hmac_sha256(key->key, AEAD_KEY_BYTES,
                              (struct str){(const char *)nonce, DERIVE_BYTES}, out);
}

enum err seal_box(const struct seal_ring *r, enum seal_purpose purpose, struct str plain,
                  struct buf *out)
{
    const struct seal_key *key = &r->keys[0];
    const struct associated associated = associated_of(purpose, key->id);
    const size_t box_bytes = HEADER_BYTES + plain.len + AEAD_TAG_BYTES;
    AUTO_BUF struct buf text;
    uint8_t derived[AEAD_KEY_BYTES];

    buf_init(&text, BOX_BYTES_MAX + 1);
    if (plain.len > PLAIN_BYTES_MAX)
        return ERR_INTERNAL;
    uint8_t *box = (uint8_t *)buf_room(&text, box_bytes);
    if (!box)
        return ERR_NO_MEMORY;
    uint8_t *nonce = box + 1 + KEY_ID_BYTES;
    box[0] = SEAL_VERSION;
    memcpy(box + 1, key->id, KEY_ID_BYTES);
    const bool sealed = crypto_random(nonce, NONCE_BYTES) && box_key(key, nonce, derived) &&
                        aead_seal(derived, nonce + DERIVE_BYTES, associated_str(&associated), plain,
                                  box + HEADER_BYTES);
    crypto_cleanse(derived, sizeof(derived));
    if (!sealed)
        return ERR_INTERNAL;
    base64url_append(out, box, box_bytes);
    return buf_ok(out) ? ERR_OK : ERR_NO_MEMORY;
}

static enum err refused(enum seal_purpose purpose)
{
    return purpose == SEAL_SESSION ? ERR_SESSION_INVALID : ERR_CHALLENGE_INVALID;
}

/* The box is opened where it was decoded. */
enum err seal_unbox(const struct seal_ring *r, enum seal_purpose purpose, struct str text,
                    struct arena *arena, struct str *ret_plain)
{
    uint8_t derived[AEAD_KEY_BYTES];
    size_t len = 0;

    if (text.len > HANDLE_CHARS_MAX)
        return refused(purpose);
    uint8_t *box = arena_alloc(arena, base64_decoded_max(text.len));
    if (!box)
        return ERR_NO_MEMORY;
    if (!base64url_decode(text, box, &len) || len < HEADER_BYTES + AEAD_TAG_BYTES ||
        box[0] != SEAL_VERSION)
        return refused(purpose);
    const struct seal_key *key = key_find(r, box + 1);
    if (!key)
        return refused(purpose);

    const uint8_t *nonce = box + 1 + KEY_ID_BYTES;
    uint8_t *plain = box + HEADER_BYTES;
    const struct associated associated = associated_of(purpose, key->id);
    const struct str sealed = {(const char *)plain, len - HEADER_BYTES};
    const bool opened =
        box_key(key, nonce, derived) &&
        aead_open(derived, nonce + DERIVE_BYTES, associated_str(&associated), sealed, plain);
    crypto_cleanse(derived, sizeof(derived));
    if (!opened)
        return crypto_lacked_memory() ? ERR_NO_MEMORY : refused(purpose);
    *ret_plain = (struct str){(const char *)plain, sealed.len - AEAD_TAG_BYTES};
    return ERR_OK;
}
