/* SPDX-License-Identifier: Apache-2.0
 * What the jwt files share: a token taken apart, and the rules about its claims. Not for other
 * modules. */
#pragma once

#include "identity/jwt_verify.h"

enum jws_typ { JWS_TYP_ABSENT, JWS_TYP_JWT, JWS_TYP_AT_JWT, JWS_TYP_OTHER };

struct jws { /* text from the token or the arena */
    struct str signing_input;
    struct str payload; /* decoded */
    const uint8_t *signature;
    size_t signature_len;
    enum jws_alg alg;
    enum jws_typ typ;
    struct str kid; /* ptr NULL: absent */
};

/* Compact serialization and header (RFC 7515 §5.2 steps 1 to 5); no key, no payload rules. */
NODISCARD enum jwt_reason jws_parse(const bool *algorithms, size_t max_bytes, struct str token,
                                    struct arena *arena, struct jws *ret);

/* The claims of a token whose signature under `key` is good. JWT_OK: *ret filled but for
 * `payload`, which stays the caller's. */
NODISCARD enum jwt_reason jwt_claims_check(const struct jwt_policy *policy,
                                           const struct jwt_input *in, enum jws_alg alg,
                                           const struct jwk *key, const struct json *payload,
                                           struct arena *arena, struct jwt_claims *ret);
