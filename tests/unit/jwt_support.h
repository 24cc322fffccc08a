/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the verifier share: two issuers with keys, a policy, good payloads, and ways to
 * sign a changed one and to ask for the verdict. */
#pragma once

#include "jose_support.h"
#include "unit.h"

#include "identity/jwt_verify.h"

#define ISS "https://api.example.com/cis/oidc"
#define OTHER_ISS "https://other.example.com"
#define NOW_S INT64_C(1790000000)

/* A good header and the claims of a good access and a good ID token. */
extern const char HEADER[], ACCESS[], ID[];

/* The set of ISS has the keys "k" (RS256 alone) and "any" of `rsa`, "ec" of `ec`; that of OTHER_ISS
 * the same kids of `rsa_other`. A test may change all that is not const. */
extern EVP_PKEY *rsa, *rsa_other, *ec;
extern struct keyset *set, *set_other;
extern struct arena arena;
extern bool algorithms[JWS_ALG_COUNT];
extern struct jwt_policy policy;

/* Adds the fixtures that make and reset these. */
void jwt_fixtures(TCase *t);

enum jwt_reason verify_in(const struct jwt_input *in, struct jwt_claims *ret);
enum jwt_reason verdict(enum token_kind kind, struct str token);
enum jwt_reason verdict_signed(enum token_kind kind, const char *header, const char *payload);
/* `payload` with `"name":...` replaced by `member` ("" removes it), or with it added. */
void edit(struct buf *out, const char *payload, const char *name, const char *member);
/* The good payload of the kind, edited. */
enum jwt_reason verdict_edited(enum token_kind kind, const char *name, const char *member);

#define ck_assert_reason(got, wanted, ...)                                                         \
    do {                                                                                           \
        const enum jwt_reason got_ = (got);                                                        \
        ck_assert_msg(got_ == (wanted), "reason %s, wanted %s: %s", JWT_REASON_LABELS[got_],       \
                      JWT_REASON_LABELS[wanted], __VA_ARGS__);                                     \
    } while (0)
