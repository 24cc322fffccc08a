/* SPDX-License-Identifier: Apache-2.0
 * Compact JWS (RFC 7515) on EVP: making, splitting, checking; and keys as JWK (RFC 7517). No
 * policy: the callers decide which key and which claims are right. */
#pragma once

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/json.h"

enum jws_alg { JWS_RS256, JWS_PS256, JWS_ES256, JWS_ALG_COUNT };

const char *jws_alg_name(enum jws_alg alg);
/* False leaves *ret alone. */
bool jws_alg_parse(struct str name, enum jws_alg *ret);
/* A fresh RSA-2048 or P-256 key; NULL on failure. */
EVP_PKEY *jws_generate_key(enum jws_alg alg);

/* Appends the signature over input, as JWS wants it (ES256: r and s, 32 bytes each). */
NODISCARD bool jws_sign(enum jws_alg alg, EVP_PKEY *key, struct str input, struct buf *out);
NODISCARD bool jws_verify(enum jws_alg alg, EVP_PKEY *key, struct str input, struct str signature);
/* base64url(header).base64url(claims), the input of the signature. */
void jws_append_input(struct buf *out, struct str header, struct str claims);

struct jws {
    struct json *header, *claims; /* owned */
    struct str input;             /* borrowed from the token */
    uint8_t signature[1024];
    size_t signature_len;
};

/* Splits and decodes; checks nothing else. */
NODISCARD bool jws_split(struct str token, struct jws *ret);
void jws_finish(struct jws *j);

/* Members of the public JWK, braces and the rest of its members included. */
void jwk_write(struct json_writer *w, EVP_PKEY *key, enum jws_alg alg, const char *kid);
/* RSA and P-256 keys; NULL when the JWK is something else. */
EVP_PKEY *jwk_read(const struct json *jwk);
