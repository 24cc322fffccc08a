/* SPDX-License-Identifier: Apache-2.0
 * identity/jwt_verify: the verifier as a whole: claims of a good token, whose keys count for whom,
 * which algorithms, memory that runs out, signatures alone. The wide corpus of attacks runs through
 * HTTP (tests/e2e). */
#include "jwt_support.h"

START_TEST(a_good_token_gives_its_claims)
{
    AUTO_BUF struct buf token;
    struct jwt_claims claims;

    buf_init(&token, 8192);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), str_of(ACCESS));
    const struct jwt_input in = {
        .token = buf_str(&token), .kind = TOKEN_KIND_ACCESS, .now_s = NOW_S};
    ck_assert_reason(verify_in(&in, &claims), JWT_OK, "control");
    ck_assert_str_is(claims.sub, "u-1");
    ck_assert_str_is(claims.client_id, "client");
    ck_assert_str_is(claims.tid, "tenant");
    ck_assert_str_is(claims.scope, "openid");
    ck_assert_int_eq(claims.iat_s, 1789999000);
    ck_assert_int_eq(claims.exp_s, 1790002600);
    ck_assert_int_eq(claims.alg, JWS_RS256);
    ck_assert_str_is(json_string(json_member(claims.payload, "jti")), "1");
    jwt_claims_finish(&claims);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ID, HEADER, ID), JWT_OK, "control");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS_LOGOUT, HEADER, ACCESS), JWT_OK, "control");
}
END_TEST

START_TEST(keys_count_only_for_their_issuer)
{
    AUTO_BUF struct buf token, payload;

    buf_init(&token, 8192);
    buf_init(&payload, 8192);
    edit(&payload, ACCESS, "iss", "\"iss\":\"" OTHER_ISS "\"");
    jose_sign(&token, rsa_other, JWS_RS256, str_of(HEADER), buf_str(&payload));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_OK, "the other issuer");
    buf_reset(&token);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), buf_str(&payload));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_SIGNATURE, "first's key");

    struct keyset *was = set_other;
    set_other = NULL;
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_KEYS_MISSING, "no set");
    set_other = set; /* a set of another issuer in this one's place */
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_KEYS_MISSING, "swapped");
    set_other = was;
}
END_TEST

START_TEST(algorithms_are_the_policys_and_the_keys)
{
    AUTO_BUF struct buf token;

    algorithms[JWS_ES256] = algorithms[JWS_PS256] = true;
    buf_init(&token, 8192);
    jose_sign(&token, ec, JWS_ES256, STR("{\"alg\":\"ES256\",\"kid\":\"ec\"}"), str_of(ACCESS));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_OK, "ES256");
    buf_reset(&token);
    jose_sign(&token, rsa, JWS_PS256, STR("{\"alg\":\"PS256\",\"kid\":\"any\"}"), str_of(ACCESS));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_OK, "PS256");
    buf_reset(&token);
    jose_sign(&token, rsa, JWS_PS256, STR("{\"alg\":\"PS256\",\"kid\":\"k\"}"), str_of(ACCESS));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_KEY_ALG, "key is for RS256");
    buf_reset(&token);
    jose_sign(&token, rsa, JWS_PS256, STR("{\"alg\":\"RS256\",\"kid\":\"any\"}"), str_of(ACCESS));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_SIGNATURE, "padding");
}
END_TEST

START_TEST(little_memory_is_a_refusal)
{
    AUTO_BUF struct buf token;
    bool passed = false;

    buf_init(&token, 8192);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), str_of(ACCESS));
    const struct jwt_input in = {
        .token = buf_str(&token), .kind = TOKEN_KIND_ACCESS, .now_s = NOW_S};
    for (size_t bytes = 16; !passed && bytes < 65536; bytes += 16) {
        struct jwt_claims claims;
        arena_finish(&arena);
        arena_init(&arena, bytes);
        const enum jwt_reason reason = verify_in(&in, &claims);
        ck_assert_msg(reason == JWT_OK || reason == JWT_NO_MEMORY, "%s", JWT_REASON_LABELS[reason]);
        passed = reason == JWT_OK;
        jwt_claims_finish(&claims);
    }
    ck_assert(passed);
}
END_TEST

START_TEST(signatures_alone)
{
    AUTO_BUF struct buf token, body;
    struct keyset_report report;
    struct err_text text;
    struct keyset *one = NULL;

    buf_init(&token, 8192);
    buf_init(&body, 8192);
    jose_sign(&token, rsa, JWS_RS256, STR("{\"alg\":\"RS256\",\"kid\":\"k\"}"), STR("no claims"));
    ck_assert_reason(jws_verify_signature(algorithms, set, buf_str(&token), 8192), JWT_OK, "kid");
    ck_assert_reason(jws_verify_signature(algorithms, set_other, buf_str(&token), 8192),
                     JWT_SIGNATURE, "other key");
    ck_assert_reason(jws_verify_signature(algorithms, set, buf_str(&token), 100), JWT_TOO_LARGE,
                     "limit");

    /* Without a kid only a set of one key has an answer. */
    buf_reset(&token);
    jose_sign(&token, rsa, JWS_RS256, STR("{\"alg\":\"RS256\"}"), STR("no claims"));
    ck_assert_reason(jws_verify_signature(algorithms, set, buf_str(&token), 8192), JWT_KID,
                     "3 keys");
    buf_append_z(&body, "{\"keys\":[");
    jose_jwk(&body, rsa, "x", "");
    buf_append_z(&body, "]}");
    ck_assert_int_eq(keyset_parse(buf_str(&body), STR(ISS), &one, &report, &text), ERR_OK);
    ck_assert_reason(jws_verify_signature(algorithms, one, buf_str(&token), 8192), JWT_OK, "1 key");
    keyset_unref(one);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jwt_verify");

    jwt_fixtures(t);
    tcase_add_test(t, a_good_token_gives_its_claims);
    tcase_add_test(t, keys_count_only_for_their_issuer);
    tcase_add_test(t, algorithms_are_the_policys_and_the_keys);
    tcase_add_test(t, little_memory_is_a_refusal);
    tcase_add_test(t, signatures_alone);
    return unit_run(t, "jwt_verify");
}
