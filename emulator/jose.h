/* SPDX-License-Identifier: Apache-2.0
 * Compact JWS (RFC 7515) on EVP: making, splitting, checking; and keys as JWK (RFC 7517). No
 * policy: the callers decide which key and which claims are right. */
#pragma once

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/json.h"

enum jose_alg { JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_ALG_COUNT };

const char *jose_alg_name(enum jose_alg alg);
/* False leaves *ret alone. */
bool jose_alg_parse(struct str name, enum jose_alg *ret);
/* A fresh RSA-2048 or P-256 key; NULL on failure. */
EVP_PKEY *jose_generate_key(enum jose_alg alg);

/* Appends the signature over input, as JWS wants it (ES256: r and s, 32 bytes each). */
NODISCARD bool jose_sign(enum jose_alg alg, EVP_PKEY *key, struct str input, struct buf *out);
NODISCARD bool jose_verify(enum jose_alg alg, EVP_PKEY *key, struct str input,
                           struct str signature);
/* base64url(header).base64url(claims), the input of the signature. */
void jose_append_input(struct buf *out, struct str header, struct str claims);

struct jose_token {
    struct json *header, *claims; /* owned */
    struct str input;             /* borrowed from the token */
    uint8_t signature[1024];
    size_t signature_len;
};

/* Splits and decodes; checks nothing else. */
NODISCARD bool jose_split(struct str token, struct jose_token *ret);
void jose_finish(struct jose_token *j);

/* Members of the public JWK, braces and the rest of its members included. */
void jose_write_jwk(struct json_writer *w, EVP_PKEY *key, enum jose_alg alg, const char *kid);
/* RSA and P-256 keys; NULL when the JWK is something else. */
EVP_PKEY *jose_read_jwk(const struct json *jwk);
