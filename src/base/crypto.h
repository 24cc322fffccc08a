/* SPDX-License-Identifier: Apache-2.0
 * The few primitives that the layers above need, on OpenSSL EVP with algorithms fetched once. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { SHA256_BYTES = 32, AEAD_KEY_BYTES = 32, AEAD_NONCE_BYTES = 12, AEAD_TAG_BYTES = 16 };

/* Fetches digests and ciphers; call once before any thread exists. False: OpenSSL is unusable. */
NODISCARD bool crypto_init(void);
void crypto_finish(void);
/* For /version. */
const char *crypto_library_version(void);
/* False when the system gives no randomness: the caller fails closed. Short requests are served
 * from a supply of the thread's. */
NODISCARD bool crypto_random(void *out, size_t bytes);
/* Non-cryptographic jitter, uniform in [0, bound); bound > 0. */
uint64_t random_below(uint64_t bound);
NODISCARD bool crypto_sha256(struct str data, uint8_t out[SHA256_BYTES]);
NODISCARD bool crypto_hmac_sha256(const uint8_t *key, size_t key_len, struct str data,
                                  uint8_t out[SHA256_BYTES]);
/* AES-256-GCM (NIST SP 800-38D). out has room for plain.len + AEAD_TAG_BYTES; the tag comes last.
 */
NODISCARD bool aead_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES],
                         struct str aad, struct str plain, uint8_t *out);
/* out has room for sealed.len - AEAD_TAG_BYTES and may be sealed.ptr itself. False: not authentic
 * (out is cleansed). */
NODISCARD bool aead_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES],
                         struct str aad, struct str sealed, uint8_t *out);
enum crypto_curve { CRYPTO_P256, CRYPTO_P384, CRYPTO_P521, CRYPTO_CURVE_COUNT };
/* Is this encoding (SEC 1 section 2.3.4) that of a public key: a point of the curve other than the
 * one at infinity? These curves have no smaller subgroups, so nothing else is left to check. */
NODISCARD bool crypto_point_is_good(enum crypto_curve curve, struct str point);
/* Like errno: whether the last refusal on this thread, of a function here or of one that ended with
 * crypto_refuse(), was for want of memory. Then it says nothing about what was judged, and must not
 * be told as a judgement. Asking forgets. */
bool crypto_lacked_memory(void);
/* For those that ask OpenSSL themselves: notes why, looks through OpenSSL's list of errors for want
 * of memory, empties it. Always false. */
bool crypto_refuse(bool for_want_of_memory);
/* Constant time in the length of the inputs; false when the lengths differ. */
bool crypto_equal(struct str a, struct str b);
void crypto_cleanse(void *p, size_t bytes);
/* Lower-case hex; out has room for 2 * bytes + 1. */
void hex_encode(const uint8_t *bytes, size_t len, char *out);
NODISCARD bool hex_decode(struct str text, uint8_t *out, size_t out_len);
