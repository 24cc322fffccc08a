/* SPDX-License-Identifier: Apache-2.0
 * Keys and signatures of devices (contract section 7). */
#pragma once

#include <openssl/evp.h>

#include "emulator/users.h"

/* PEM or bare base64 DER; SPKI or PKCS#1. NULL: not a public key. */
EVP_PKEY *device_crypto_read_key(struct str text);
/* type: "rsa" or "ec". */
bool device_crypto_is_type(EVP_PKEY *key, struct str type);
/* SHA-256 of the SPKI in hex. */
NODISCARD bool device_crypto_fingerprint(EVP_PKEY *key, char out[FINGERPRINT_BYTES]);
/* Base64 or base64url signature over the bytes of the challenge, SHA-256: RSA PKCS#1 v1.5 or PSS,
 * ECDSA in DER. */
NODISCARD bool device_crypto_verify(EVP_PKEY *key, struct str challenge, struct str signature);
