/* SPDX-License-Identifier: Apache-2.0
 * The verifier: api.md section 5 and the house rules of security.md 2.1. Pure: no I/O, no clock, no
 * state. */
#pragma once

#include "base/arena.h"
#include "identity/jwk.h"

/* X(enum, "reason": metric label and log value). Order is the order of the checks. */
#define JWT_REASON_TABLE(X)                                                                        \
    X(JWT_OK, "ok")                                                                                \
    X(JWT_TOO_LARGE, "too_large")                                                                  \
    X(JWT_STRUCTURE, "structure")                                                                  \
    X(JWT_ENCRYPTED, "encrypted")                                                                  \
    X(JWT_BASE64, "base64")                                                                        \
    X(JWT_HEADER_JSON, "header_json")                                                              \
    X(JWT_HEADER_MEMBER, "header_member")                                                          \
    X(JWT_ALG, "alg")                                                                              \
    X(JWT_KID, "kid")                                                                              \
    X(JWT_TYP, "typ")                                                                              \
    X(JWT_PAYLOAD_JSON, "payload_json")                                                            \
    X(JWT_ISS, "iss")                                                                              \
    X(JWT_KEYS_MISSING, "keys_missing")                                                            \
    X(JWT_UNKNOWN_KID, "unknown_kid")                                                              \
    X(JWT_KEY_ALG, "key_alg")                                                                      \
    X(JWT_SIGNATURE, "signature")                                                                  \
    X(JWT_CLAIM_TYPE, "claim_type")                                                                \
    X(JWT_IAT, "iat")                                                                              \
    X(JWT_NBF, "nbf")                                                                              \
    X(JWT_LIFETIME, "lifetime")                                                                    \
    X(JWT_SUB, "sub")                                                                              \
    X(JWT_TID, "tid")                                                                              \
    X(JWT_AZP, "azp")                                                                              \
    X(JWT_CLIENT_ID, "client_id")                                                                  \
    X(JWT_AUD, "aud")                                                                              \
    X(JWT_KIND, "kind")                                                                            \
    X(JWT_BOUND, "bound")                                                                          \
    X(JWT_AT_HASH, "at_hash")                                                                      \
    X(JWT_EXPIRED, "expired")                                                                      \
    X(JWT_NO_MEMORY, "no_memory")                                                                  \
    X(JWT_SUB_MISMATCH, "sub_mismatch")                                                            \
    X(JWT_STALE, "stale")                                                                          \
    X(JWT_APPROVAL, "approval_data")                                                               \
    X(JWT_IDENTIFIER, "identifier")                                                                \
    X(JWT_MISSING, "missing")                                                                      \
    X(JWT_OTHER, "_OTHER")
enum jwt_reason {
#define X(id, label) id,
    JWT_REASON_TABLE(X)
#undef X
        JWT_REASON_COUNT
};
extern const char *const JWT_REASON_LABELS[JWT_REASON_COUNT];

enum token_kind {
    TOKEN_KIND_ACCESS,        /* a user's access token */
    TOKEN_KIND_ACCESS_LOGOUT, /* same, but expired by at most 14 days is good enough (api.md logout)
                               */
    TOKEN_KIND_ID,
};

/* Immutable, made once from the configuration; pointers borrowed from it. */
struct jwt_policy {
    const bool *algorithms; /* [JWS_ALG_COUNT] */
    int64_t leeway_s, max_lifetime_s;
    size_t max_bytes;
    const char *tenant_id; /* NULL: tid is not checked */
    bool tenant_claim_required;
    const char *client_id;
    const struct str_list *audiences;
};
struct jwt_policy jwt_policy_of(const struct config *c);

/* The key sets of all configured issuers; a NULL set means: none fetched yet. */
struct keyring {
    const struct issuer *issuers; /* [count] */
    struct keyset *const *sets;   /* [count] */
    size_t count;
};

struct jwt_claims { /* all memory from the arena, but `payload` which the arena's owner frees
                       through jwt_claims_finish() */
    struct str sub;
    struct str client_id;
    struct str tid;   /* ptr NULL: absent */
    struct str scope; /* ptr NULL: absent */
    int64_t iat_s, exp_s;
    int64_t nbf_s; /* 0: absent */
    enum jws_alg alg;
    struct json *payload;
};
void jwt_claims_finish(struct jwt_claims *c);

struct jwt_input {
    struct str token;
    enum token_kind kind;
    int64_t now_s;           /* wall clock */
    struct str access_token; /* TOKEN_KIND_ID: for at_hash; ptr NULL: at_hash present is refused */
};

/* JWT_OK: *ret filled. JWT_UNKNOWN_KID, JWT_KEYS_MISSING, JWT_KEY_ALG and JWT_SIGNATURE:
 * *ret_issuer is the issuer's index and *ret_kid the kid (arena copy): ask the keeper. JWT_EXPIRED
 * only when everything else, signature included, is good. On any failure *ret is zeroed. */
NODISCARD enum jwt_reason jwt_verify(const struct jwt_policy *policy, const struct keyring *keys,
                                     const struct jwt_input *in, struct arena *arena,
                                     struct jwt_claims *ret, size_t *ret_issuer,
                                     struct str *ret_kid);

/* Would the rules about time pass an access token with these claims at now_s? */
NODISCARD bool jwt_claims_in_time(const struct jwt_policy *policy, const struct jwt_claims *claims,
                                  int64_t now_s);

/* Signature and structure alone, against one key set, any payload: `verify --signature-only` and
 * the vector tests. */
NODISCARD enum jwt_reason jws_verify_signature(const bool *algorithms, const struct keyset *keys,
                                               struct str token, size_t max_bytes);
