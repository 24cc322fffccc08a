/* SPDX-License-Identifier: Apache-2.0
 * What the token tests share: keys, JWKs and compact JWS made with OpenSSL alone, so that a test
 * can make what the service must refuse. A failure to make something aborts the test. */
#pragma once

#include <openssl/evp.h>

#include "base/buf.h"
#include "config/config.h"

EVP_PKEY *jose_rsa_key(unsigned bits);
EVP_PKEY *jose_ec_key(const char *curve);

/* The public JWK with kid; `more` is appended before the brace, e.g. ",\"use\":\"sig\"". */
void jose_jwk(struct buf *out, const EVP_PKEY *key, const char *kid, const char *more);
/* header and payload: any bytes; alg says how to sign, whatever the header says. */
void jose_sign(struct buf *out, EVP_PKEY *key, enum jws_alg alg, struct str header,
               struct str payload);
/* The signature of alg over text in JWS form; returns its length. */
size_t jose_signature(EVP_PKEY *key, enum jws_alg alg, struct str text, uint8_t out[1024]);
/* header and payload encoded, with a signature given. */
void jose_compact(struct buf *out, struct str header, struct str payload, const uint8_t *sig,
                  size_t sig_len);
