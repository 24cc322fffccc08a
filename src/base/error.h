/* SPDX-License-Identifier: Apache-2.0
 * The one table of errors that an app can see (docs/errors.md is generated from it), and the value
 * that carries a failure from where it was noticed to where it is answered. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

enum retry { RETRY_SAME, RETRY_NEW_CHALLENGE, RETRY_REFRESH, RETRY_LOGIN, RETRY_NEVER };

/* X(enum, HTTP status, code, title, default retry, Retry-After in seconds or 0, when: for the docs)
 */
#define ERROR_TABLE(X)                                                                             \
    X(ERR_INVALID_JSON, 400, "invalid_json", "The body is not strict JSON", RETRY_NEVER, 0,        \
      "the body is not strict JSON (RFC 8259, UTF-8, unique member names, limits on depth and "    \
      "size)")                                                                                     \
    X(ERR_INVALID_REQUEST, 400, "invalid_request", "The request is not acceptable", RETRY_NEVER,   \
      0, "wrong or unknown members, bad framing, header or target")                                \
    X(ERR_MISSING_TOKEN, 401, "missing_token", "An access token is required", RETRY_LOGIN, 0,      \
      "no Bearer token")                                                                           \
    X(ERR_INVALID_TOKEN, 401, "invalid_token", "The access token is not valid", RETRY_LOGIN, 0,    \
      "the Bearer token failed verification, or the vendor refused it")                            \
    X(ERR_TOKEN_EXPIRED, 401, "token_expired", "The access token has expired", RETRY_REFRESH, 0,   \
      "only the expiry of the Bearer token failed")                                                \
    X(ERR_AUTHENTICATION_FAILED, 401, "authentication_failed", "Authentication failed",            \
      RETRY_NEW_CHALLENGE, 0, "the vendor refused the signature, the key or the user")             \
    X(ERR_SESSION_EXPIRED, 401, "session_expired", "The session has ended", RETRY_LOGIN, 0,        \
      "the vendor refused the refresh token")                                                      \
    X(ERR_FORBIDDEN, 403, "forbidden", "Not allowed", RETRY_NEVER, 0,                              \
      "a handle of another user, or the vendor refused the user's token for lack of rights")       \
    X(ERR_NOT_FOUND, 404, "not_found", "No such resource", RETRY_NEVER, 0, "no such path")         \
    X(ERR_KEY_NOT_FOUND, 404, "key_not_found", "No such key", RETRY_NEVER, 0,                      \
      "the vendor does not know the key")                                                          \
    X(ERR_METHOD_NOT_ALLOWED, 405, "method_not_allowed", "Method not allowed", RETRY_NEVER, 0,     \
      "the path exists, the method does not; Allow names those that do")                           \
    X(ERR_REQUEST_TIMEOUT, 408, "request_timeout", "The request took too long to arrive",          \
      RETRY_SAME, 0, "header or body did not arrive in time")                                      \
    X(ERR_KEY_ALREADY_REGISTERED, 409, "key_already_registered", "The key is already registered",  \
      RETRY_NEVER, 0, "the vendor answered that the key exists")                                   \
    X(ERR_SESSION_INVALID, 409, "session_invalid", "The session handle cannot be opened",          \
      RETRY_NEVER, 0, "a session handle that is foreign, damaged or sealed under a dropped key")   \
    X(ERR_CHALLENGE_USED, 409, "challenge_used", "The challenge was used before",                  \
      RETRY_NEW_CHALLENGE, 0, "a challenge handle a second time")                                  \
    X(ERR_CHALLENGE_EXPIRED, 409, "challenge_expired", "The challenge has expired",                \
      RETRY_NEW_CHALLENGE, 0, "a challenge handle after its expiry")                               \
    X(ERR_CHALLENGE_MISMATCH, 409, "challenge_mismatch",                                           \
      "The challenge belongs to another ceremony", RETRY_NEW_CHALLENGE, 0,                         \
      "a challenge handle of another user or device")                                              \
    X(ERR_CHALLENGE_INVALID, 409, "challenge_invalid", "The challenge handle cannot be opened",    \
      RETRY_NEW_CHALLENGE, 0,                                                                      \
      "a challenge handle that is foreign, damaged or sealed under a dropped key")                 \
    X(ERR_PAYLOAD_TOO_LARGE, 413, "payload_too_large", "The body is too large", RETRY_NEVER, 0,    \
      "the body exceeds BFF_MAX_BODY_BYTES")                                                       \
    X(ERR_URI_TOO_LONG, 414, "uri_too_long", "The request target is too long", RETRY_NEVER, 0,     \
      "the target exceeds BFF_MAX_URI_BYTES")                                                      \
    X(ERR_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "The body must be JSON",          \
      RETRY_NEVER, 0, "Content-Type is not application/json, or its charset is not utf-8")         \
    X(ERR_EXPECTATION_FAILED, 417, "expectation_failed", "The expectation cannot be met",          \
      RETRY_NEVER, 0, "an Expect header other than 100-continue")                                  \
    X(ERR_REQUEST_REJECTED, 422, "request_rejected", "The identity service rejected the request",  \
      RETRY_NEVER, 0, "the vendor's considered refusal of well-formed input")                      \
    X(ERR_KEY_REJECTED, 422, "key_rejected", "The public key was rejected", RETRY_NEVER, 0,        \
      "the vendor refused the key's type or encoding")                                             \
    X(ERR_ATTESTATION_REJECTED, 422, "attestation_rejected", "The attestation was rejected",       \
      RETRY_NEVER, 0, "the vendor refused the attestation")                                        \
    X(ERR_TOO_MANY_KEYS, 422, "too_many_keys", "The user has too many keys", RETRY_NEVER, 0,       \
      "the vendor's limit of authenticators for the user is reached")                              \
    X(ERR_RATE_LIMITED, 429, "rate_limited", "Too many requests", RETRY_SAME, 1,                   \
      "this caller is over its limit, or too many refused signatures for this user and key")       \
    X(ERR_HEADERS_TOO_LARGE, 431, "headers_too_large", "The header section is too large",          \
      RETRY_NEVER, 0, "the header section exceeds BFF_MAX_HEADER_BYTES")                           \
    X(ERR_INTERNAL, 500, "internal", "Internal error", RETRY_SAME, 0, "a fault of this service")   \
    X(ERR_UPSTREAM_INVALID_RESPONSE, 502, "upstream_invalid_response",                             \
      "The identity service gave an unusable answer", RETRY_SAME, 0,                               \
      "garbage, wrong type, missing member, redirect or an encoding that was not asked for")       \
    X(ERR_UPSTREAM_OUTCOME_UNKNOWN, 502, "upstream_outcome_unknown",                               \
      "The outcome of the call is unknown", RETRY_SAME, 0,                                         \
      "a call that must not run twice broke after its request may have been sent")                 \
    X(ERR_UPSTREAM_REFUSED_CREDENTIALS, 502, "upstream_refused_credentials",                       \
      "The identity service refuses this client", RETRY_SAME, 0,                                   \
      "the vendor refuses our client or its rights")                                               \
    X(ERR_SESSION_VERIFICATION_FAILED, 502, "session_verification_failed",                         \
      "The session could not be verified", RETRY_SAME, 0,                                          \
      "the vendor answered 200 but a token failed verification")                                   \
    X(ERR_UPSTREAM_UNAVAILABLE, 503, "upstream_unavailable",                                       \
      "The identity service is unavailable", RETRY_SAME, 2,                                        \
      "DNS, TCP or TLS failed, or the vendor answered 5xx")                                        \
    X(ERR_UPSTREAM_RATE_LIMITED, 503, "upstream_rate_limited",                                     \
      "The identity service is at its limit", RETRY_SAME, 2,                                       \
      "the vendor answered 429, or our share of its limit is used up")                             \
    X(ERR_TOKEN_UNAVAILABLE, 503, "token_unavailable", "No client token is available", RETRY_SAME, \
      2, "our own token could not be fetched in time")                                             \
    X(ERR_KEYS_UNAVAILABLE, 503, "keys_unavailable", "No verification keys are available",         \
      RETRY_SAME, 2, "the key set of the token's issuer could not be fetched")                     \
    X(ERR_OVERLOADED, 503, "overloaded", "The service is at its limit", RETRY_SAME, 1,             \
      "too many requests in flight, or a bounded table is full")                                   \
    X(ERR_DRAINING, 503, "draining", "The service is shutting down", RETRY_SAME, 1,                \
      "this replica is shutting down")                                                             \
    X(ERR_UPSTREAM_TIMEOUT, 504, "upstream_timeout",                                               \
      "The identity service did not answer in time", RETRY_SAME, 0,                                \
      "the request's deadline passed")

enum err {
    ERR_OK = 0,
    ERR_PENDING,   /* an operation was started; its completion continues the work */
    ERR_NO_MEMORY, /* answered as overloaded */
#define X(id, status, code, title, retry, after, when) id,
    ERROR_TABLE(X)
#undef X
        ERR_COUNT
};

struct error_row {
    enum err id;
    int status;
    const char *code;
    const char *title;
    enum retry retry;
    int retry_after_s;
    const char *when;
};

/* The row of an app-visible error; ERR_NO_MEMORY gives the row of ERR_OVERLOADED; ERR_OK and
 * ERR_PENDING are bugs (abort). */
const struct error_row *error_row(enum err e);
/* Iterates the table in order; NULL past its end. */
const struct error_row *error_row_at(size_t index);
const char *retry_name(enum retry r);

enum { FAILURE_POINTERS_MAX = 8 };

/* One failure on its way to an answer. Text fields are borrowed and must live as long as the
 * request (literals or arena). */
struct failure {
    enum err code;
    enum retry retry; /* set by failure_of() from the table; override where the step knows better */
    int retry_after_s;  /* 0: no Retry-After */
    const char *detail; /* for the app's log; never the vendor's text; NULL: the row's `when` */
    const char *reason; /* exact cause, for our log only; NULL: none */
    const char *upstream_code;    /* a documented ts_error_code, from the allow-list, or NULL */
    const char *www_authenticate; /* whole header value for 401, or NULL */
    bool close_connection;
    size_t pointer_count;
    struct {
        const char *pointer; /* RFC 6901 */
        const char *detail;
    } pointers[FAILURE_POINTERS_MAX];
};

struct failure failure_of(enum err code);

struct buf;
/* Writes the RFC 9457 document of f. request_id is a valid request id. */
void problem_write(struct buf *out, const struct failure *f, const char *request_id);

/* Text of a start-up or library failure: first error wins, fixed size, never a secret. */
struct err_text {
    char text[256];
};
/* Keeps an existing text. Returns code, for `return err_set(...)`. */
enum err err_set(struct err_text *reterr, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
