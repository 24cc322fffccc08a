/* SPDX-License-Identifier: Apache-2.0
 * What the jwk files share: one imported key. Not for other modules. */
#pragma once

#include "identity/jwk.h"

/* OpenSSL's types by their tags, so that its headers stay out of ours. */
struct evp_md_ctx_st;
struct evp_md_st;

enum { JWK_RSA_BYTES_MIN = 256, JWK_RSA_BYTES_MAX = 512, JWK_EC_BYTES_MAX = 66 };

/* Digests of the signature algorithms, fetched once a set (an implicit fetch for each signature is
 * slow on OpenSSL 3.0). */
enum jwk_digest { JWK_SHA256, JWK_SHA384, JWK_SHA512, JWK_DIGEST_COUNT };
struct jwk_digests {
    struct evp_md_st *md[JWK_DIGEST_COUNT]; /* owned */
};

struct jwk_curve_row {
    const char *crv;      /* the JWK's name for it */
    const char *group;    /* OpenSSL's */
    size_t width;         /* bytes of a coordinate, and of r and s */
    const uint8_t *order; /* [width], big endian */
};

struct jwk {
    char kid[KID_BYTES_MAX];
    size_t kid_len;
    const struct jwk_curve_row *curve; /* NULL: RSA */
    size_t signature_bytes;            /* length of the modulus, or twice the curve's width */
    /* Owned; NULL: the key may not be used with that algorithm. Ready to be copied for each
     * signature, which spares its set-up; never changed after import. */
    struct evp_md_ctx_st *verifiers[JWS_ALG_COUNT];
};

/* One member of "keys" under the import policy. False: *ret_refusal says why, *ret is empty. */
NODISCARD bool jwk_import(const struct json *entry, const struct jwk_digests *digests,
                          struct jwk *ret, enum jwk_refusal *ret_refusal);
void jwk_finish(struct jwk *key);
