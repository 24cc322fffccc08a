/* SPDX-License-Identifier: Apache-2.0
 * Verification keys: a JWK set (RFC 7517) becomes a keyset once, under the import policy of
 * security.md 2.1 rule 6; afterwards it is immutable and shared by all threads. Also the policy for
 * device public keys (PEM or bare base64). */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"

struct jwk;    /* one imported key: kid, algorithm(s) it may be used with, EVP_PKEY */
struct keyset; /* keys of one issuer */

/* X(enum, "metric label") reasons for which a key of a set is refused */
#define JWK_REFUSAL_TABLE(X)                                                                       \
    X(JWK_REFUSED_MALFORMED, "malformed")                                                          \
    X(JWK_REFUSED_PRIVATE, "private_member")                                                       \
    X(JWK_REFUSED_TYPE, "key_type")                                                                \
    X(JWK_REFUSED_USE, "use")                                                                      \
    X(JWK_REFUSED_ALG, "alg")                                                                      \
    X(JWK_REFUSED_SIZE, "size")                                                                    \
    X(JWK_REFUSED_EXPONENT, "exponent")                                                            \
    X(JWK_REFUSED_POINT, "point")                                                                  \
    X(JWK_REFUSED_KID, "kid")                                                                      \
    X(JWK_REFUSED_REPEATED_KID, "repeated_kid")
enum jwk_refusal {
#define X(id, label) id,
    JWK_REFUSAL_TABLE(X)
#undef X
        JWK_REFUSAL_COUNT
};
extern const char *const JWK_REFUSAL_LABELS[JWK_REFUSAL_COUNT];

enum { JWKS_BYTES_MAX = 256 * 1024, JWKS_KEYS_MAX = 64, KID_BYTES_MAX = 128 };

struct keyset_report {
    size_t kept;
    size_t refused[JWK_REFUSAL_COUNT];
};

/* body: the document as fetched; issuer: exact iss that the keys count for (copied).
 * A key without alg: RSA counts for RS256 and the other RS and PS algorithms, EC for its curve's. A
 * set without one usable key is an error, so that a damaged document never replaces a good set.
 * Errors: ERR_UPSTREAM_INVALID_RESPONSE, ERR_NO_MEMORY. */
NODISCARD enum err keyset_parse(struct str body, struct str issuer, struct keyset **ret,
                                struct keyset_report *ret_report, struct err_text *reterr);
struct keyset *keyset_ref(struct keyset *k); /* any thread */
void keyset_unref(struct keyset *k);         /* any thread; accepts NULL */
struct str keyset_issuer(const struct keyset *k);
size_t keyset_size(const struct keyset *k);
/* Made from the same document, for the same issuer. */
bool keyset_is_same(const struct keyset *a, const struct keyset *b);
/* Exact bytes; NULL when absent. */
const struct jwk *keyset_find(const struct keyset *k, struct str kid);
/* The key of a set that has one only; NULL otherwise. */
const struct jwk *keyset_only(const struct keyset *k);
/* May this key verify with alg? (its own alg when it has one, else by type and curve) */
bool jwk_allows(const struct jwk *key, enum jws_alg alg);
/* RFC 7515 §5.2 step 8 for one signature: length equals modulus or twice the width, then EVP; true
 * only on return value 1. */
NODISCARD bool jwk_verify(const struct jwk *key, enum jws_alg alg, struct str signing_input,
                          const uint8_t *sig, size_t sig_len);
/* Appends base64url of the left half of text's hash under alg's digest (at_hash, OpenID Connect
 * Core §3.1.3.6). False: alg is not the key's, or the hash could not be made. */
struct buf;
NODISCARD bool jwk_half_hash(const struct jwk *key, enum jws_alg alg, struct str text,
                             struct buf *out);

enum device_key_type { DEVICE_KEY_RSA, DEVICE_KEY_EC };
/* api.md register: SPKI or PKCS#1 (RSA), PEM or bare base64; RSA modulus 2048..8192 bits with an
 * odd exponent >= 3, EC P-256/384/521 uncompressed or compressed point on the curve; no trailing
 * bytes. False: *ret_what says what is wrong (literal, safe for the app). */
NODISCARD bool device_key_check(struct str text, enum device_key_type type, const char **ret_what);
