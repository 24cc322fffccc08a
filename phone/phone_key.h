/* SPDX-License-Identifier: Apache-2.0
 * The key of the virtual device: made once, kept in DIR/key.pem (0600). */
#pragma once

#include <openssl/evp.h>

#include "base/buf.h"

/* Type "ec" (P-256) or "rsa" (2048 bits). NULL on failure. */
EVP_PKEY *phone_key_make(const char *type);
NODISCARD bool phone_key_save(EVP_PKEY *key, const char *path);
/* NULL: no such file, or no key in it. */
EVP_PKEY *phone_key_load(const char *path);
/* Base64 of the SPKI. */
NODISCARD bool phone_key_public(EVP_PKEY *key, struct buf *out);
/* Base64 of the signature over the bytes of the challenge: SHA-256 with RSA PKCS#1 v1.5, or ECDSA
 * in DER. spoil: one bit of the signature is wrong. */
NODISCARD bool phone_key_sign(EVP_PKEY *key, struct str challenge, bool spoil, struct buf *out);
