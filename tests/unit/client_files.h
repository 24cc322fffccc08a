/* SPDX-License-Identifier: Apache-2.0
 * Keys and certificates as the PEM texts that an operator would give, good ones and bad ones. A
 * failure to make something aborts the test. */
#pragma once

#include <openssl/x509.h>

#include "base/crypto_client.h"

enum { FILES_NOW_S = 1800000000, FILES_DAY_S = 86400 };

/* kind: "RSA" (2048 bits), "RSA-1024", or the name of a curve. The caller frees it. */
EVP_PKEY *files_key(const char *kind);
/* PKCS#8; passphrase NULL: none. free() it. */
char *files_key_pem(EVP_PKEY *key, const char *passphrase);

struct files_certificate {
    const char *name;           /* CN */
    int64_t from_s, until_s;    /* 0: a day before and 30 days after FILES_NOW_S */
    const char *extended_usage; /* NULL: clientAuth */
    EVP_PKEY *key;
    EVP_PKEY *issuer_key; /* NULL: signs itself */
};
char *files_certificate_pem(const struct files_certificate *what);

/* A parsed key of files_key(kind) without certificate. */
struct client_identity *files_identity(const char *kind);
void free_identity(struct client_identity **identity);
void free_pkey(EVP_PKEY **key);
