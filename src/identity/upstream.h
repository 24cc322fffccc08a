/* SPDX-License-Identifier: Apache-2.0
 * The vendor's calls (vendor contract sections 4 and 5): builds each request body and reads each
 * answer into our terms. No I/O: api/ sends what this makes. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "net/http_client.h"

/* Who goes first when the vendor's limit is short. X(enum, "label") in that order */
#define VENDOR_CLASS_TABLE(X)                                                                      \
    X(VENDOR_CLASS_AUTHENTICATE, "authenticate")                                                   \
    X(VENDOR_CLASS_START, "start")                                                                 \
    X(VENDOR_CLASS_REGISTER, "register")                                                           \
    X(VENDOR_CLASS_OTHER, "other")
enum vendor_class {
#define X(id, label) id,
    VENDOR_CLASS_TABLE(X)
#undef X
        VENDOR_CLASS_COUNT
};

/* X(enum, "label", method, "path below the upstream URL", run_once, with the user's token, class)
 */
#define VENDOR_CALL_TABLE(X)                                                                       \
    X(VENDOR_START, "start", HTTP_POST, "/cis/v1/auth/mobile-biometrics/start", false, false,      \
      VENDOR_CLASS_START)                                                                          \
    X(VENDOR_AUTHENTICATE, "authenticate", HTTP_POST,                                              \
      "/cis/v1/auth/mobile-biometrics/authenticate", true, false, VENDOR_CLASS_AUTHENTICATE)       \
    X(VENDOR_REGISTER, "register", HTTP_POST, "/cis/v1/auth/mobile-biometrics/register", true,     \
      true, VENDOR_CLASS_REGISTER)                                                                 \
    X(VENDOR_DELETE, "delete", HTTP_DELETE, "/cis/v1/auth/mobile-biometrics/delete", false, true,  \
      VENDOR_CLASS_OTHER)                                                                          \
    X(VENDOR_FACE_REVOKE_ME, "face_revoke_me", HTTP_POST, "/cis/v1/users/me/face/revoke", false,   \
      true, VENDOR_CLASS_OTHER)                                                                    \
    X(VENDOR_FACE_REVOKE, "face_revoke", HTTP_POST, "/cis/v1/users/face/revoke", false, false,     \
      VENDOR_CLASS_OTHER)                                                                          \
    X(VENDOR_REFRESH, "refresh", HTTP_POST, "/cis/v1/auth/token/refresh", true, false,             \
      VENDOR_CLASS_AUTHENTICATE)                                                                   \
    X(VENDOR_LOGOUT, "logout", HTTP_POST, "/cis/v1/auth/session/logout", false, false,             \
      VENDOR_CLASS_OTHER)
enum vendor_call {
#define X(id, label, method, path, once, users, class) id,
    VENDOR_CALL_TABLE(X)
#undef X
        VENDOR_CALL_COUNT
};
struct vendor_call_row {
    const char *label;
    enum http_method method;
    const char *path;
    bool run_once;
    bool with_users_token;
    enum vendor_class class;
};
const struct vendor_call_row *vendor_call_row(enum vendor_call call);

/* A vendor error body of any shape in circulation (contract 4.2, E1 to E9). */
struct vendor_error {
    char code[64]; /* first of ts_error_code, non-numeric error_code, error; "" when none */
    const char *upstream_code; /* the same, when it is on the documented allow-list: literal, may be
                                  shown; else NULL */
    bool token_is_bad;         /* the body says that the *token* is bad: unauthorized_request,
                                  invalid_token, "Invalid token" */
    bool session_gone;         /* "Session not found" */
    bool user_gone;            /* "User not found" */
};
/* A body that is no such document gives one that says nothing. ERR_NO_MEMORY: it could not be read,
 * so nothing may be concluded. */
NODISCARD enum err vendor_error_read(struct str body, struct vendor_error *ret);

/* Does a 2xx answer say that its body is JSON in UTF-8? ERR_UPSTREAM_INVALID_RESPONSE, with a
 * literal in *ret_reason, when it does not. */
NODISCARD enum err vendor_body_is_json(const struct call_answer *answer, const char **ret_reason);
/* Body of a 2xx answer that must be a JSON object: content type, charset, strictness. Errors:
 * ERR_UPSTREAM_INVALID_RESPONSE, ERR_NO_MEMORY; *ret_reason a literal. */
NODISCARD enum err vendor_body_read(const struct call_answer *answer, struct json **ret,
                                    const char **ret_reason);

/* Ceiling of every request body to the vendor: escapes may make an app's 32 KiB six times as long.
 */
enum { VENDOR_BODY_MAX = 256 * 1024 };

struct start_call {
    struct str user_id, identifier, identifier_type, device_id; /* ptr NULL: absent */
    struct str approval_data;                                   /* JSON text or ptr NULL */
    int64_t timeout_s;                                          /* 0: not sent */
};
void start_body(struct buf *out, const struct start_call *c);
/* challenge: 1..4096 bytes of printable ASCII. ERR_UPSTREAM_INVALID_RESPONSE. Arena copy. */
NODISCARD enum err start_answer(const struct call_answer *answer, struct arena *arena,
                                struct str *ret_challenge, const char **ret_reason);

struct authenticate_call {
    struct str user_id, key_id, challenge, signature;
    struct str resource, org_id, session_id; /* ptr NULL: absent */
    const struct json *claims;               /* the app's, NULL: absent */
    bool ask_approval_data;                  /* puts claims.id_token.approval_data: null */
    struct str user_agent, ip_address;       /* ptr NULL: absent */
};
/* device_id is not among them: no public page lists it for this call (contract 5.3). */
void authenticate_body(struct buf *out, const struct authenticate_call *c);

struct register_call {
    struct str key_id, public_key, device_id, display_name, challenge, attestation;
    bool ec, ios;
};
void register_body(struct buf *out, const struct register_call *c);

void delete_body(struct buf *out, struct str key_id);
void face_revoke_body(struct buf *out, struct str user_id);
void refresh_body(struct buf *out, struct str refresh_token);
void logout_body(struct buf *out, struct str session_id);

enum {
    CHALLENGE_BYTES_MAX = 4096,
    VENDOR_TOKEN_BYTES_MAX = 64 * 1024, /* the verifier's own limit is tighter */
    REFRESH_TOKEN_BYTES_MAX = 8192,
    VENDOR_SESSION_ID_BYTES_MAX = 255,
};

/* UserTokens or RefreshedTokens (contract 5.3, 5.7). Arena copies; the JWTs may be any text.
 * Errors: ERR_UPSTREAM_INVALID_RESPONSE, ERR_NO_MEMORY; *ret_reason a literal, *ret holds the
 * session id alone, where there is one: the session is to be ended. */
struct vendor_tokens {
    struct str access_token, id_token, refresh_token, session_id; /* ptr NULL: absent */
    int64_t expires_in_s;
};
NODISCARD enum err tokens_read(struct str body, bool session_required, struct arena *arena,
                               struct vendor_tokens *ret, const char **ret_reason);
