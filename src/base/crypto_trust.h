/* SPDX-License-Identifier: Apache-2.0
 * The certificates that are trusted, parsed once for all threads. A bundle of 145 takes some 30 ms
 * and a megabyte; a copy for each pool of connections would take that as often. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

struct trust;

/* NULL: no certificate in it, a damaged one before the last, or out of memory. */
NODISCARD struct trust *trust_parse(struct str pem);
/* A further owner of the same; each calls trust_free(). Any thread. */
NODISCARD struct trust *trust_share(struct trust *t);
void trust_free(struct trust *t); /* accepts NULL; TLS contexts that still use it keep it alive */

/* Makes them all that the TLS context (SSL_CTX *) trusts. Any thread may do so with the same t. */
NODISCARD bool trust_give(const struct trust *t, void *ssl_ctx);
