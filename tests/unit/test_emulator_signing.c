/* SPDX-License-Identifier: Apache-2.0
 * Tokens of the emulator: each algorithm signs and verifies, wrong signers do not pass, rotation
 * and withdrawal change the key set as they should, a JWK gives the key back. */
#include "unit.h"

#include "base/crypto.h"
#include "emulator/signing.h"
#include "emulator/tamper.h"

static const struct json_limits LIMITS = {.bytes_max = 65536, .depth_max = 8, .values_max = 1000};
static const char CLAIMS[] = "{\"sub\":\"u-1\",\"n\":1,\"list\":[\"a\"]}";

static struct str sign_as(struct signing *s, enum signer signer, struct buf *out)
{
    buf_init(out, 16384);
    const bool signed_now = signer == SIGNER_CURRENT
                                ? signing_sign(s, str_of(CLAIMS), out)
                                : signing_sign_as(s, signer, (struct str){0}, str_of(CLAIMS), out);
    ck_assert(signed_now);
    return buf_str(out);
}

static size_t key_count(struct signing *s)
{
    AUTO_BUF struct buf text = {0};
    AUTO_JSON struct json *set = NULL;
    struct json_error error;
    buf_init(&text, 65536);
    signing_write_jwks(s, &text);
    ck_assert_int_eq(json_parse(buf_str(&text), &LIMITS, &set, &error), ERR_OK);
    return json_count(json_member(set, "keys"));
}

START_TEST(a_token_verifies_and_carries_its_claims)
{
    struct signing s;
    AUTO_BUF struct buf token = {0};
    struct jose_token read;
    ck_assert(signing_init(&s, (enum jose_alg)_i));
    ck_assert(signing_verify(&s, sign_as(&s, SIGNER_CURRENT, &token), &read));
    ck_assert(str_is(json_string(json_member(read.claims, "sub")), "u-1"));
    ck_assert(
        str_is(json_string(json_member(read.header, "alg")), jose_alg_name((enum jose_alg)_i)));
    jose_finish(&read);
    signing_finish(&s);
}
END_TEST

START_TEST(a_changed_token_does_not_verify)
{
    struct signing s;
    AUTO_BUF struct buf token = {0};
    struct jose_token read;
    ck_assert(signing_init(&s, (enum jose_alg)_i));
    (void)sign_as(&s, SIGNER_CURRENT, &token);
    char *claims = strchr(token.ptr, '.') + 3;
    *claims = *claims == 'A' ? 'B' : 'A';
    ck_assert(!signing_verify(&s, buf_str(&token), &read));
    signing_finish(&s);
}
END_TEST

START_TEST(wrong_signers_do_not_pass)
{
    static const enum signer SIGNERS[] = {SIGNER_OTHER, SIGNER_NONE, SIGNER_HMAC};
    struct signing s;
    struct jose_token read;
    ck_assert(signing_init(&s, JOSE_RS256));
    for (size_t i = 0; i < ARRAY_LEN(SIGNERS); i++) {
        AUTO_BUF struct buf token = {0};
        ck_assert(!signing_verify(&s, sign_as(&s, SIGNERS[i], &token), &read));
    }
    signing_finish(&s);
}
END_TEST

START_TEST(old_tokens_verify_after_rotation_and_withdrawal)
{
    struct signing s;
    AUTO_BUF struct buf old = {0};
    struct jose_token read;
    ck_assert(signing_init(&s, JOSE_RS256));
    const struct str token = sign_as(&s, SIGNER_CURRENT, &old);
    const struct signing_key *first = signing_current(&s);
    ck_assert(signing_rotate(&s, JOSE_ES256, false));
    ck_assert_uint_eq(key_count(&s), 2);
    ck_assert_ptr_ne(signing_current(&s), first);
    ck_assert(signing_withdraw(&s, str_of(first->kid)));
    ck_assert_uint_eq(key_count(&s), 1);
    ck_assert(!signing_withdraw(&s, STR("unknown")));
    ck_assert(signing_rotate(&s, JOSE_PS256, true));
    ck_assert_uint_eq(key_count(&s), 1);
    ck_assert(signing_verify(&s, token, &read));
    jose_finish(&read);
    signing_finish(&s);
}
END_TEST

START_TEST(a_jwk_gives_the_key_back)
{
    const enum jose_alg alg = (enum jose_alg)_i;
    EVP_PKEY *key = jose_generate_key(alg);
    AUTO_BUF struct buf text = {0};
    AUTO_BUF struct buf signature = {0};
    AUTO_JSON struct json *jwk = NULL;
    struct json_writer w;
    struct json_error error;
    buf_init(&text, 8192);
    buf_init(&signature, 8192);
    jw_init(&w, &text);
    jose_write_jwk(&w, key, alg, "kid-1");
    ck_assert_int_eq(json_parse(buf_str(&text), &LIMITS, &jwk, &error), ERR_OK);
    EVP_PKEY *back = jose_read_jwk(jwk);
    ck_assert_ptr_nonnull(back);
    ck_assert(jose_sign(alg, key, STR("message"), &signature));
    ck_assert(jose_verify(alg, back, STR("message"), buf_str(&signature)));
    ck_assert(!jose_verify(alg, back, STR("massage"), buf_str(&signature)));
    EVP_PKEY_free(key);
    EVP_PKEY_free(back);
}
END_TEST

static const char *const NOT_TOKENS[] = {
    "", ".", "..", "a.b", "e30.e30", "e30.e30.AA.AA", "e30.e30.A", "e31.e30.AA", "e30.bm8.AA",
};

START_TEST(what_is_no_token_is_not_split)
{
    struct jose_token read;
    ck_assert(!jose_split(str_of(NOT_TOKENS[_i]), &read));
}
END_TEST

START_TEST(ways_to_be_wrong_are_found_by_name)
{
    enum tamper_scope scope = TAMPER_BOTH;
    ck_assert_ptr_nonnull(tamper_find(STR("wrong_key")));
    ck_assert_ptr_null(tamper_find(STR("wrong")));
    ck_assert(tamper_scope_parse(STR("id_token"), &scope));
    ck_assert_int_eq(scope, TAMPER_ID_TOKEN);
    ck_assert(!tamper_scope_parse(STR("refresh_token"), &scope));
}
END_TEST

int main(void)
{
    if (!crypto_init())
        return EXIT_FAILURE;
    TCase *tests = tcase_create("emulator_signing");
    tcase_add_loop_test(tests, a_token_verifies_and_carries_its_claims, 0, JOSE_ALG_COUNT);
    tcase_add_loop_test(tests, a_changed_token_does_not_verify, 0, JOSE_ALG_COUNT);
    tcase_add_test(tests, wrong_signers_do_not_pass);
    tcase_add_test(tests, old_tokens_verify_after_rotation_and_withdrawal);
    tcase_add_loop_test(tests, a_jwk_gives_the_key_back, 0, JOSE_ALG_COUNT);
    tcase_add_loop_test(tests, what_is_no_token_is_not_split, 0, ARRAY_LEN(NOT_TOKENS));
    tcase_add_test(tests, ways_to_be_wrong_are_found_by_name);
    const int status = unit_run(tests, "emulator_signing");
    crypto_finish();
    return status;
}
