/* SPDX-License-Identifier: Apache-2.0
 * Opaque, authenticated-encrypted handles (AES-256-GCM under a key ring): base64url(version, key
 * id, nonce, ciphertext, tag). Any replica with the same sealing keys can open them. The purpose is
 * bound as associated data, so a challenge handle never opens as a session handle. A ring is
 * immutable after loading: any thread. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct seal_ring;
enum seal_purpose { SEAL_CHALLENGE = 1, SEAL_SESSION = 2 };
/* The longest challenge with the largest approval data fits. */
enum { SEAL_KEYS_MAX = 16, HANDLE_CHARS_MAX = 12288 };

/* file NULL: one random key for this process. Errors name file and line (ERR_INVALID_REQUEST; main
 * maps to 78). */
NODISCARD enum err seal_ring_load(const char *file, struct seal_ring **ret,
                                  struct err_text *reterr);
/* NULL: out of memory. */
NODISCARD struct seal_ring *seal_ring_copy(const struct seal_ring *r);
void seal_ring_free(struct seal_ring *r); /* cleanses; accepts NULL */
/* A key of its own for another purpose: HMAC-SHA256 of the label under the key that seals. */
NODISCARD bool seal_ring_derive(const struct seal_ring *r, struct str label, uint8_t out[32]);

/* What start seals (api.md section 2). All strings borrowed. */
struct challenge_handle {
    uint8_t id[16]; /* random; the used-once table's key */
    struct str challenge;
    struct str user_id; /* ptr NULL when start named an identifier */
    struct str identifier;
    struct str identifier_type;
    struct str device_id;     /* ptr NULL: none */
    struct str approval_data; /* canonical JSON text: keys sorted bytewise; ptr NULL: none */
    int64_t started_s;        /* wall */
    int64_t expires_s;
    bool decoy;
};
struct session_handle {
    struct str session_id; /* the vendor's */
    struct str user_id;
    int64_t created_s;
};
/* Appends the handle text. Decoy and genuine handles of equal inputs have equal length. */
NODISCARD enum err challenge_seal(struct seal_ring *r, const struct challenge_handle *h,
                                  struct buf *out);
NODISCARD enum err session_seal(struct seal_ring *r, const struct session_handle *h,
                                struct buf *out);
/* Strings in *ret live in the arena. ERR_CHALLENGE_INVALID / ERR_SESSION_INVALID when it does not
 * open, ERR_NO_MEMORY when that could not be found out; expiry is the caller's check. */
NODISCARD enum err challenge_open(struct seal_ring *r, struct str text, struct arena *arena,
                                  struct challenge_handle *ret);
NODISCARD enum err session_open(struct seal_ring *r, struct str text, struct arena *arena,
                                struct session_handle *ret);
