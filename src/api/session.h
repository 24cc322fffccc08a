/* SPDX-License-Identifier: Apache-2.0
 * What authenticate and refresh share: the vendor's tokens are verified, bound to the ceremony, and
 * only then written into an answer. Nothing of an unverified session leaves. */
#pragma once

#include "api/flow.h"

struct session {
    struct vendor_tokens tokens; /* filled by the caller from tokens_read() */
    struct jwt_claims access;
    struct jwt_claims id; /* payload NULL: the vendor gave no ID token */
};

/* What the tokens must agree with; ptr NULL and 0: no such demand. */
struct session_binding {
    struct str user_id;
    int64_t not_before_s;     /* tokens must not have been issued earlier */
    struct str approval_data; /* canonical; then an ID token is required */
    struct str identifier;
    struct str identifier_type;
};

struct session_answer {
    struct str key_id;         /* ptr NULL: left out */
    struct str session_handle; /* ptr NULL: left out */
    bool with_approval_data;   /* as verified by the binding */
};

/* Steps' work; may be ERR_PENDING, then the step runs again. A token that fails is
 * ERR_SESSION_VERIFICATION_FAILED; keys that could not be had stay ERR_KEYS_UNAVAILABLE. */
NODISCARD enum err session_verify_access_token(struct flow *f, struct session *s);
NODISCARD enum err session_verify_id_token(struct flow *f, struct session *s);
/* JWT_OK, or the first demand that is not met. Pure but for the arena. */
NODISCARD enum jwt_reason session_binding_check(const struct session *s,
                                                const struct session_binding *b, int64_t leeway_s,
                                                struct arena *arena);
/* The same as a step's work: fails the flow and counts the reason. */
NODISCARD enum err session_bind(struct flow *f, const struct session *s,
                                const struct session_binding *b);
/* Seals a session handle; arena text. */
NODISCARD enum err session_handle_make(struct flow *f, const struct session_handle *h,
                                       struct str *ret);
/* Opens a session handle. ERR_SESSION_INVALID. */
NODISCARD enum err session_handle_check(struct flow *f, struct str text,
                                        struct session_handle *ret);
/* 200 with the session (api.md authenticate). */
void session_reply(struct flow *f, const struct session *s, const struct session_answer *answer);
void session_finish(struct session *s);
