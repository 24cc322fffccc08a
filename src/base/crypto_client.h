/* SPDX-License-Identifier: Apache-2.0
 * What proves this service to the identity API without a secret text: a private key and, for mutual
 * TLS, the certificate for it. Read and judged once, so that a wrong file is refused at start or at
 * a reload and not at the first call; immutable afterwards, shared by all threads. The key lies on
 * locked pages (base/secret.h): OpenSSL has a copy during a signature, and for as long as a TLS
 * connection that shows the certificate. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct client_identity;

enum client_identity_part { CLIENT_KEY, CLIENT_CERTIFICATE };

struct client_identity_problem {
    enum client_identity_part part; /* whose file it is about */
    struct err_text text; /* what is wrong, and what would be right; "" for want of memory */
};

/* The key: PEM without a passphrase, RSA of at least 2048 bits with an exponent of at least 65537,
 * or EC on P-256, P-384 or P-521. certificate_pem (ptr NULL: none): the certificate first, then
 * those that lead from it to a root; it must be the key's, in force at now_s, and for TLS clients.
 * The texts are copied. */
NODISCARD enum err client_identity_parse(struct str key_pem, struct str certificate_pem,
                                         int64_t now_s, struct client_identity **ret,
                                         struct client_identity_problem *reterr);
/* A further owner of the same; each calls client_identity_free(). Any thread. */
NODISCARD struct client_identity *client_identity_share(struct client_identity *c);
void client_identity_free(struct client_identity *c); /* accepts NULL */

/* Was it made of these very texts? */
NODISCARD bool client_identity_is_of(const struct client_identity *c, struct str key_pem,
                                     struct str certificate_pem);
/* The same key and certificate? Accepts NULL, which is the same as NULL. */
NODISCARD bool client_identity_same(const struct client_identity *a,
                                    const struct client_identity *b);
/* The end of the first certificate of its chain to expire, Unix seconds; 0: it has no certificate.
 */
int64_t client_identity_expires_s(const struct client_identity *c);
/* The certificate's subject as RFC 2253 has it; "": none. */
const char *client_identity_subject(const struct client_identity *c);

/* What of it a TLS connection depends on: the identity itself if it has a certificate, else NULL.
 * Accepts NULL. */
NODISCARD const struct client_identity *client_identity_shown(const struct client_identity *c);
/* Makes the TLS context (SSL_CTX *) show the certificate, if there is one, and sign with the key.
 * Any thread. False: out of memory. */
NODISCARD bool client_identity_give(const struct client_identity *c, void *ssl_ctx);

/* The signatures of RFC 7518 sections 3.3 to 3.5, all with SHA-256. */
enum client_signature { CLIENT_SIGNS_RS256, CLIENT_SIGNS_PS256, CLIENT_SIGNS_ES256 };
/* RS256 and PS256 need an RSA key, ES256 one on P-256. */
NODISCARD bool client_identity_can_sign(const struct client_identity *c, enum client_signature as);
/* Appends the signature as a JWS carries it before base64 (ES256: r and s, 32 bytes each). False:
 * the wrong key for it, or out of memory. Any thread. */
NODISCARD bool client_identity_sign(const struct client_identity *c, enum client_signature as,
                                    struct str text, struct buf *out);
