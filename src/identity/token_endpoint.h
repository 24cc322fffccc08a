/* SPDX-License-Identifier: Apache-2.0
 * The token call (RFC 6749 §4.4) as pure functions: what to send and what came back. Used by the
 * keeper and `doctor`. */
#pragma once

#include "base/buf.h"
#include "base/crypto_client.h"
#include "base/error.h"
#include "config/config.h"
#include "net/http_client.h"

enum { TOKEN_TTL_MIN_S = 1, TOKEN_TTL_MAX_S = 3600, TOKEN_BYTES_MAX = 16384 };

struct client_credentials {
    const char *client_id;
    const char *client_secret; /* NULL: none */
    enum client_auth method;
    struct client_identity *identity; /* private_key_jwt signs with it; NULL: none */
    enum jws_alg assertion_alg;
    const char *key_id;
    const char *audience;
};

/* Body (form) and, for client_secret_basic, the Authorization value. tls_client_auth sends the
 * client id alone: the certificate comes from the connection (RFC 8705 §2). */
NODISCARD enum err token_request_build(const struct client_credentials *c, int64_t now_s,
                                       struct buf *body, struct buf *authorization,
                                       struct err_text *reterr);

struct token_grant {
    char *authorization;  /* "Bearer ...", owned; free with token_grant_finish() */
    int64_t expires_in_s; /* at most TOKEN_TTL_MAX_S; never more than the answer said */
};
void token_grant_finish(struct token_grant *g); /* cleanses */
/* 200 with strict JSON, token_type Bearer, access_token of visible ASCII (b64token, RFC 6750),
 * expires_in a number >= TOKEN_TTL_MIN_S. *ret is written on ERR_OK alone. Errors:
 * ERR_UPSTREAM_REFUSED_CREDENTIALS (400, 401, 403), ERR_UPSTREAM_RATE_LIMITED (429),
 * ERR_UPSTREAM_UNAVAILABLE (5xx, not sent), ERR_UPSTREAM_TIMEOUT, ERR_UPSTREAM_INVALID_RESPONSE,
 * ERR_NO_MEMORY. */
NODISCARD enum err token_answer_read(const struct call_answer *answer, struct token_grant *ret,
                                     struct err_text *reterr);
