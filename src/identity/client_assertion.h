/* SPDX-License-Identifier: Apache-2.0
 * The signed statement that takes a client secret's place (RFC 7521, RFC 7523): who we are, for
 * whom, for a minute and once. */
#pragma once

#include "base/buf.h"
#include "base/crypto_client.h"
#include "base/error.h"
#include "config/config.h"

struct client_assertion {
    const char *client_id; /* iss and sub */
    const char *audience;
    const char *key_id; /* NULL: the header has no kid */
    enum jws_alg alg;
};

/* Is alg one that assertions are signed with, and this key one that can? */
NODISCARD bool client_assertion_fits(enum jws_alg alg, const struct client_identity *identity);

/* Appends a compact JWS: iat is now, exp - iat 60 s, jti 128 random bits. */
NODISCARD enum err client_assertion_append(const struct client_assertion *a,
                                           const struct client_identity *identity, int64_t now_s,
                                           struct buf *out, struct err_text *reterr);
