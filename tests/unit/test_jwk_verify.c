/* SPDX-License-Identifier: Apache-2.0
 * identity/jwk_verify: signatures of each algorithm beside damaged ones and those of the other
 * algorithms; keys shared by threads. */
#include "jose_support.h"
#include "unit.h"

#include <pthread.h>

#include <openssl/rsa.h>

#include "identity/jwk.h"

static EVP_PKEY *rsa;
static EVP_PKEY *ec256, *ec384, *ec521;

static void setup(void)
{
    rsa = jose_rsa_key(2048);
    ec256 = jose_ec_key("P-256");
    ec384 = jose_ec_key("P-384");
    ec521 = jose_ec_key("P-521");
}

static void teardown(void)
{
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec256);
    EVP_PKEY_free(ec384);
    EVP_PKEY_free(ec521);
}

static struct keyset *set_of(EVP_PKEY *key)
{
    AUTO_BUF struct buf body;
    struct keyset_report report;
    struct err_text text = {""};
    struct keyset *set = NULL;

    buf_init(&body, 1 << 16);
    buf_append_z(&body, "{\"keys\":[");
    jose_jwk(&body, key, "k", "");
    buf_append_z(&body, "]}");
    ck_assert_int_eq(keyset_parse(buf_str(&body), STR("https://iss"), &set, &report, &text),
                     ERR_OK);
    return set;
}

/* Every algorithm verifies its own signature and no damaged one. */
static void check_signatures(EVP_PKEY *key, enum jws_alg alg)
{
    static const struct str TEXT = {"header.payload", 14};
    uint8_t sig[1024];

    struct keyset *set = set_of(key);
    const struct jwk *jwk = keyset_find(set, STR("k"));
    const size_t len = jose_signature(key, alg, TEXT, sig);

    ck_assert_msg(jwk_verify(jwk, alg, TEXT, sig, len), "%s", jws_alg_name(alg));
    ck_assert(!jwk_verify(jwk, alg, STR("header.payloae"), sig, len));
    ck_assert(!jwk_verify(jwk, alg, TEXT, sig, len - 1));
    ck_assert(!jwk_verify(jwk, alg, TEXT, sig, len + 1));
    ck_assert(!jwk_verify(jwk, alg, TEXT, sig, 0));
    for (size_t i = 0; i < len; i += 7) {
        sig[i] ^= 0x10;
        ck_assert(!jwk_verify(jwk, alg, TEXT, sig, len));
        sig[i] ^= 0x10;
    }
    for (enum jws_alg other = 0; other < JWS_ALG_COUNT; other++)
        ck_assert(jwk_verify(jwk, other, TEXT, sig, len) == (other == alg));
    memset(sig, 0, sizeof(sig));
    ck_assert(!jwk_verify(jwk, alg, TEXT, sig, len));
    memset(sig, 0xff, sizeof(sig));
    ck_assert(!jwk_verify(jwk, alg, TEXT, sig, len));
    keyset_unref(set);
}

START_TEST(signatures_of_each_algorithm)
{
    for (enum jws_alg alg = JWS_RS256; alg <= JWS_PS512; alg++)
        check_signatures(rsa, alg);
    /* Often enough for scalars that start with zeros or a high bit. */
    for (int i = 0; i < 40; i++) {
        check_signatures(ec256, JWS_ES256);
        check_signatures(ec384, JWS_ES384);
        check_signatures(ec521, JWS_ES512);
    }
}
END_TEST

/* RFC 7518 §3.5: the salt is as long as the digest; OpenSSL alone takes any. */
START_TEST(pss_salts_have_the_length_of_the_digest)
{
    struct keyset *set = set_of(rsa);
    const struct jwk *jwk = keyset_find(set, STR("k"));

    for (int salt = 0; salt <= 64; salt += 32) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx = NULL;
        uint8_t sig[256];
        size_t len = sizeof(sig);
        ck_assert_int_eq(EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, rsa), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
        ck_assert_int_eq(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)"text", 4), 1);
        EVP_MD_CTX_free(ctx);
        ck_assert(jwk_verify(jwk, JWS_PS256, STR("text"), sig, len) == (salt == 32));
    }
    keyset_unref(set);
}
END_TEST

/* Threads share keys, as workers do. */
static struct keyset *shared;
static uint8_t shared_sig[1024];

static void *verify_often(void *arg)
{
    struct keyset *mine = keyset_ref(shared);
    const struct jwk *jwk = keyset_find(mine, STR("k"));
    intptr_t good = 0;

    for (int i = 0; i < 300; i++)
        good += jwk_verify(jwk, JWS_RS256, STR("text"), shared_sig, 256);
    keyset_unref(mine);
    return (void *)good;
}

START_TEST(threads_share_a_key)
{
    pthread_t threads[4];

    shared = set_of(rsa);
    ck_assert_uint_eq(jose_signature(rsa, JWS_RS256, STR("text"), shared_sig), 256);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, verify_often, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *good = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &good), 0);
        ck_assert_int_eq((intptr_t)good, 300);
    }
    ck_assert_str_is(keyset_issuer(shared), "https://iss");
    keyset_unref(shared);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jwk_verify");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, signatures_of_each_algorithm);
    tcase_add_test(t, pss_salts_have_the_length_of_the_digest);
    tcase_add_test(t, threads_share_a_key);
    return unit_run(t, "jwk_verify");
}
