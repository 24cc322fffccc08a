/* SPDX-License-Identifier: Apache-2.0
 * The signing keys of the emulated issuer. Keys are immutable once made and live until the end, so
 * only the list of them needs the lock. Thread-safe. */
#pragma once

#include <pthread.h>

#include "emulator/jose.h"

enum { SIGNING_KEYS_MAX = 256, KID_BYTES = 32 };

struct signing_key {
    EVP_PKEY *key; /* owned */
    char *pem;     /* owned, the private key as libjwt wants it */
    char kid[KID_BYTES];
    enum jose_alg alg;
    bool published; /* in the key set; guarded by the lock */
};

struct signing {
    pthread_mutex_t lock;
    struct signing_key *keys[SIGNING_KEYS_MAX]; /* owned, oldest first */
    size_t count;
    struct signing_key *current;
    struct signing_key *strangers[JOSE_ALG_COUNT]; /* keys of somebody else, made when asked for */
};

enum signer {
    SIGNER_CURRENT,
    SIGNER_OTHER, /* the right algorithm and kid, the wrong key */
    SIGNER_NONE,  /* no signature at all */
    SIGNER_HMAC,  /* HMAC-SHA256 with the public key's PEM as its secret */
};

NODISCARD bool signing_init(struct signing *s, enum jose_alg alg);
void signing_finish(struct signing *s);
/* A new current key. withdraw_old: the key set then holds the new one alone. False: out of memory
 * or SIGNING_KEYS_MAX keys made. */
NODISCARD bool signing_rotate(struct signing *s, enum jose_alg alg, bool withdraw_old);
/* False: no such key. */
NODISCARD bool signing_withdraw(struct signing *s, struct str kid);
/* The current key; borrowed for the life of s. */
const struct signing_key *signing_current(struct signing *s);
/* The JWKS document. */
void signing_write_jwks(struct signing *s, struct buf *out);
/* A token with the current key's own header. */
NODISCARD bool signing_sign(struct signing *s, struct str claims, struct buf *out);
/* A token with any header and signer. header: JSON, or ptr NULL for the current key's own. */
NODISCARD bool signing_sign_as(struct signing *s, enum signer signer, struct str header,
                               struct str claims, struct buf *out);
/* Checks a token against every key ever made, withdrawn ones included: withdrawing changes what
 * others can verify, not what the issuer remembers. *ret is finished by the caller. */
NODISCARD bool signing_verify(struct signing *s, struct str token, struct jose_token *ret);
