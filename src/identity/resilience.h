/* SPDX-License-Identifier: Apache-2.0
 * What is done when a call to the vendor fails: one declared table, vendor call x failure kind,
 * from which api/vendor_send.c and the endpoints take their decisions and docs/resilience.md and
 * the OpenAPI document quote. api.md section 3 is where its errors and retries come from. No I/O.
 */
#pragma once

#include "identity/upstream.h"

/* X(enum without FAILURE_, "label", counts for the circuit breaker, "what happened") */
#define FAILURE_KIND_TABLE(X)                                                                      \
    X(LIMITED, "limited", false, "the governor of our share of the vendor's limit let it not out") \
    X(BREAKER_OPEN, "breaker_open", false, "the circuit breaker is open")                          \
    X(NOT_SENT, "not_sent", true, "DNS, TCP or TLS failed: nothing of the request went out")       \
    X(BROKEN, "broken", true, "the connection ended after the request may have been sent")         \
    X(LATE_UNSENT, "late_unsent", true, "the deadline passed before anything was sent")            \
    X(LATE, "late", true, "the deadline passed after the request may have been sent")              \
    X(BAD_ANSWER, "bad_answer", false, "an answer that cannot be used: framing, size, redirect")   \
    X(VENDOR_429, "vendor_429", false, "the vendor answered 429")                                  \
    X(VENDOR_5XX, "vendor_5xx", true, "the vendor answered 5xx")                                   \
    X(TOKEN_401, "token_401", false,                                                               \
      "401 about our token; of authenticate and refresh only one whose body says so")              \
    X(TOKEN_403, "token_403", false, "403 to a call with our token")                               \
    X(USER_401, "user_401", false, "401 to a call with the user's token")                          \
    X(USER_403, "user_403", false, "403 to a call with the user's token")
enum failure_kind {
    FAILURE_NONE, /* an answer of the vendor's that the endpoint reads */
#define X(id, label, counts, what) FAILURE_##id,
    FAILURE_KIND_TABLE(X)
#undef X
        FAILURE_KIND_COUNT
};

/* X(enum without ACTION_, "label", "what is done") */
#define ACTION_TABLE(X)                                                                            \
    X(REFUSE, "refuse", "the app is told at once")                                                 \
    X(REPEAT, "repeat", "sent once more after a random pause, within deadline and retry budget")   \
    X(RENEW, "renew", "our token is renewed, one renewal for all, and the call sent once more")    \
    X(ALARM, "alarm",                                                                              \
      "the app is told at once; an error is logged and counted; our token is renewed five "        \
      "minutes later")
enum action {
#define X(id, label, what) ACTION_##id,
    ACTION_TABLE(X)
#undef X
        ACTION_COUNT
};

/* X(call, kind, action, error, retry), each without its prefix: the error and the retry are what
 * the app gets when the action did not help. */
#define RESILIENCE_TABLE(X)                                                                        \
    X(START, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                         \
    X(START, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                     \
    X(START, NOT_SENT, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                         \
    X(START, BROKEN, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                           \
    X(START, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                          \
    X(START, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                                 \
    X(START, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                                  \
    X(START, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                      \
    X(START, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                       \
    X(START, TOKEN_401, RENEW, UPSTREAM_REFUSED_CREDENTIALS, SAME)                                 \
    X(START, TOKEN_403, ALARM, UPSTREAM_REFUSED_CREDENTIALS, SAME)                                 \
    /* The first two come before the handle is used up, all others after. */                       \
    X(AUTHENTICATE, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                  \
    X(AUTHENTICATE, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                              \
    X(AUTHENTICATE, NOT_SENT, REFUSE, UPSTREAM_UNAVAILABLE, NEW_CHALLENGE)                         \
    X(AUTHENTICATE, BROKEN, REFUSE, UPSTREAM_OUTCOME_UNKNOWN, NEW_CHALLENGE)                       \
    X(AUTHENTICATE, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, NEW_CHALLENGE)                          \
    X(AUTHENTICATE, LATE, REFUSE, UPSTREAM_TIMEOUT, NEW_CHALLENGE)                                 \
    X(AUTHENTICATE, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, NEW_CHALLENGE)                  \
    X(AUTHENTICATE, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, NEW_CHALLENGE)                      \
    X(AUTHENTICATE, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, NEW_CHALLENGE)                       \
    X(AUTHENTICATE, TOKEN_401, RENEW, UPSTREAM_REFUSED_CREDENTIALS, NEW_CHALLENGE)                 \
    /* The vendor's word on key or user, and anybody can call for it: no alarm. */                 \
    X(AUTHENTICATE, TOKEN_403, REFUSE, AUTHENTICATION_FAILED, NEW_CHALLENGE)                       \
    X(REGISTER, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                      \
    X(REGISTER, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                  \
    X(REGISTER, NOT_SENT, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                      \
    X(REGISTER, BROKEN, REFUSE, UPSTREAM_OUTCOME_UNKNOWN, SAME)                                    \
    X(REGISTER, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                       \
    X(REGISTER, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                              \
    X(REGISTER, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                               \
    X(REGISTER, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                   \
    X(REGISTER, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                    \
    X(REGISTER, USER_401, REFUSE, INVALID_TOKEN, LOGIN)                                            \
    X(REGISTER, USER_403, REFUSE, FORBIDDEN, NEVER)                                                \
    X(DELETE, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                        \
    X(DELETE, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                    \
    X(DELETE, NOT_SENT, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                        \
    X(DELETE, BROKEN, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                          \
    X(DELETE, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                         \
    X(DELETE, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                                \
    X(DELETE, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                                 \
    X(DELETE, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                     \
    X(DELETE, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                      \
    X(DELETE, USER_401, REFUSE, INVALID_TOKEN, LOGIN)                                              \
    X(DELETE, USER_403, REFUSE, FORBIDDEN, NEVER)                                                  \
    X(FACE_REVOKE_ME, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                \
    X(FACE_REVOKE_ME, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                            \
    X(FACE_REVOKE_ME, NOT_SENT, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                \
    X(FACE_REVOKE_ME, BROKEN, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                  \
    X(FACE_REVOKE_ME, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                 \
    X(FACE_REVOKE_ME, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                        \
    X(FACE_REVOKE_ME, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                         \
    X(FACE_REVOKE_ME, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                             \
    X(FACE_REVOKE_ME, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                              \
    X(FACE_REVOKE_ME, USER_401, REFUSE, INVALID_TOKEN, LOGIN)                                      \
    X(FACE_REVOKE_ME, USER_403, REFUSE, FORBIDDEN, NEVER)                                          \
    X(FACE_REVOKE, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                   \
    X(FACE_REVOKE, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                               \
    X(FACE_REVOKE, NOT_SENT, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                   \
    X(FACE_REVOKE, BROKEN, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                     \
    X(FACE_REVOKE, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                    \
    X(FACE_REVOKE, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                           \
    X(FACE_REVOKE, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                            \
    X(FACE_REVOKE, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                \
    X(FACE_REVOKE, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                 \
    X(FACE_REVOKE, TOKEN_401, RENEW, UPSTREAM_REFUSED_CREDENTIALS, SAME)                           \
    X(FACE_REVOKE, TOKEN_403, ALARM, UPSTREAM_REFUSED_CREDENTIALS, SAME)                           \
    /* A refresh token rotates: whoever may have used it up must log in again. */                  \
    X(REFRESH, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                       \
    X(REFRESH, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                   \
    X(REFRESH, NOT_SENT, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                       \
    X(REFRESH, BROKEN, REFUSE, UPSTREAM_OUTCOME_UNKNOWN, LOGIN)                                    \
    X(REFRESH, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                        \
    X(REFRESH, LATE, REFUSE, UPSTREAM_TIMEOUT, LOGIN)                                              \
    X(REFRESH, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, LOGIN)                               \
    X(REFRESH, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                    \
    X(REFRESH, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, LOGIN)                                    \
    X(REFRESH, TOKEN_401, RENEW, UPSTREAM_REFUSED_CREDENTIALS, SAME)                               \
    X(REFRESH, TOKEN_403, REFUSE, SESSION_EXPIRED, LOGIN)                                          \
    X(LOGOUT, LIMITED, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                        \
    X(LOGOUT, BREAKER_OPEN, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                    \
    X(LOGOUT, NOT_SENT, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                        \
    X(LOGOUT, BROKEN, REPEAT, UPSTREAM_UNAVAILABLE, SAME)                                          \
    X(LOGOUT, LATE_UNSENT, REFUSE, UPSTREAM_TIMEOUT, SAME)                                         \
    X(LOGOUT, LATE, REFUSE, UPSTREAM_TIMEOUT, SAME)                                                \
    X(LOGOUT, BAD_ANSWER, REFUSE, UPSTREAM_INVALID_RESPONSE, SAME)                                 \
    X(LOGOUT, VENDOR_429, REFUSE, UPSTREAM_RATE_LIMITED, SAME)                                     \
    X(LOGOUT, VENDOR_5XX, REFUSE, UPSTREAM_UNAVAILABLE, SAME)                                      \
    X(LOGOUT, TOKEN_401, RENEW, UPSTREAM_REFUSED_CREDENTIALS, SAME)                                \
    X(LOGOUT, TOKEN_403, ALARM, UPSTREAM_REFUSED_CREDENTIALS, SAME)

struct resilience_row {
    enum action action;
    enum err error; /* ERR_OK: there is no such row: the call is never sent with that token */
    enum retry retry;
};

/* The row; for a pair that is not in the table (and for FAILURE_NONE) one with error ERR_OK. */
const struct resilience_row *resilience_row(enum vendor_call call, enum failure_kind kind);

/* Which failure an answer is; the body is read only where a 401 alone does not tell. */
enum failure_kind failure_kind_of(enum vendor_call call, const struct call_answer *answer);
const char *failure_label(enum failure_kind kind);
/* Does it say that the vendor is not well? */
bool failure_counts_for_breaker(enum failure_kind kind);
/* The 401s and 403s: the endpoint looks at the answer first, for it may be a word on the user. */
bool failure_is_read_by_endpoint(enum failure_kind kind);

/* docs/resilience.md */
void resilience_write_docs(struct buf *out);
