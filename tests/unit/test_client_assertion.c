/* SPDX-License-Identifier: Apache-2.0
 * identity/client_assertion: every member of header and claims, that no two are the same, and each
 * signature verified by OpenSSL with settings of this test's own. */
#include "identity/client_assertion.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "base/json.h"
#include "client_files.h"
#include "unit.h"

enum { NOW_S = 1700000000, TEXT_MAX = 4096 };

static const struct {
    const char *kind;
    enum jws_alg alg;
} GOOD[] = {{"RSA", JWS_RS256}, {"RSA", JWS_PS256}, {"P-256", JWS_ES256}};

static struct client_assertion statement(enum jws_alg alg)
{
    return (struct client_assertion){.client_id = "id \"1\"",
                                     .audience = "https://vendor.example/oidc/token",
                                     .key_id = "key-1",
                                     .alg = alg};
}

static struct json *part_of(struct str text)
{
    static const struct json_limits LIMITS = {
        .bytes_max = TEXT_MAX, .depth_max = 4, .values_max = 64};
    uint8_t bytes[TEXT_MAX];
    size_t len = 0;
    struct json *root = NULL;
    struct json_error what;
    ck_assert_uint_lt(text.len, TEXT_MAX);
    ck_assert(base64url_decode(text, bytes, &len));
    ck_assert_int_eq(json_parse((struct str){(char *)bytes, len}, &LIMITS, &root, &what), ERR_OK);
    return root;
}

/* r and s as ASN.1, which is how OpenSSL takes them. */
static size_t ecdsa_der(const uint8_t raw[64], uint8_t *der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    uint8_t *end = der;
    ck_assert_int_eq(
        ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
    const int len = i2d_ECDSA_SIG(signature, &end);
    ECDSA_SIG_free(signature);
    return (size_t)len;
}

static void verify(EVP_PKEY *key, enum jws_alg alg, struct str input, struct str signature)
{
    uint8_t bytes[1024], der[128];
    size_t len = 0;
    EVP_PKEY_CTX *settings = NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ck_assert(base64url_decode(signature, bytes, &len));
    ck_assert_int_eq(EVP_DigestVerifyInit(md, &settings, EVP_sha256(), NULL, key), 1);
    if (alg == JWS_PS256) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 32), 1);
    }
    if (alg == JWS_ES256) {
        ck_assert_uint_eq(len, 64);
        len = ecdsa_der(bytes, der);
    }
    ck_assert_int_eq(EVP_DigestVerify(md, alg == JWS_ES256 ? der : bytes, len,
                                      (const uint8_t *)input.ptr, input.len),
                     1);
    EVP_MD_CTX_free(md);
}

static double number_of(const struct json *object, const char *name)
{
    double value = -1;
    ck_assert(json_number(json_member(object, name), &value));
    return value;
}

/* Returns the jti. */
static char *check(const char *assertion, EVP_PKEY *key, enum jws_alg alg)
{
    const char *dot = strchr(assertion, '.'), *dot2 = strrchr(assertion, '.');
    ck_assert_ptr_ne(dot, dot2);
    AUTO_JSON struct json *h = part_of((struct str){assertion, (size_t)(dot - assertion)});
    AUTO_JSON struct json *c = part_of((struct str){dot + 1, (size_t)(dot2 - dot - 1)});
    ck_assert_str_is(json_string(json_member(h, "alg")), jws_alg_name(alg));
    ck_assert_str_is(json_string(json_member(h, "typ")), "JWT");
    ck_assert_str_is(json_string(json_member(h, "kid")), "key-1");
    ck_assert_str_is(json_string(json_member(c, "iss")), "id \"1\"");
    ck_assert_str_is(json_string(json_member(c, "sub")), "id \"1\"");
    ck_assert_str_is(json_string(json_member(c, "aud")), "https://vendor.example/oidc/token");
    ck_assert(number_of(c, "iat") == NOW_S);
    ck_assert(number_of(c, "exp") == NOW_S + 60);
    verify(key, alg, (struct str){assertion, (size_t)(dot2 - assertion)}, str_of(dot2 + 1));
    const struct str jti = json_string(json_member(c, "jti"));
    ck_assert_uint_eq(jti.len, 32);
    return strndup(jti.ptr, jti.len);
}

static struct client_identity *identity_of(EVP_PKEY *key)
{
    AUTO_FREE char *pem = files_key_pem(key, NULL);
    struct client_identity *identity = NULL;
    struct client_identity_problem problem = {0};
    ck_assert_int_eq(
        client_identity_parse(str_of(pem), (struct str){0}, NOW_S, &identity, &problem), ERR_OK);
    return identity;
}

START_TEST(an_assertion_is_signed_and_never_the_same)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key(GOOD[_i].kind);
    AUTO(free_identity) struct client_identity *identity = identity_of(key);
    const struct client_assertion a = statement(GOOD[_i].alg);
    char *jti[2];
    ck_assert(client_assertion_fits(a.alg, identity));
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf out = {0};
        struct err_text text = {0};
        buf_init(&out, 8192);
        buf_append_z(&out, "before=");
        ck_assert_int_eq(client_assertion_append(&a, identity, NOW_S, &out, &text), ERR_OK);
        jti[i] = check(out.ptr + strlen("before="), key, a.alg);
    }
    ck_assert_str_ne(jti[0], jti[1]);
    free(jti[0]);
    free(jti[1]);
}
END_TEST

/* A number with a leading zero byte must not make the signature shorter: one in 128 has one. */
START_TEST(numbers_of_an_es256_signature_keep_their_zeros)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO(free_identity) struct client_identity *identity = identity_of(key);
    unsigned with_zeros = 0;
    for (int i = 0; i < 5000 && with_zeros < 4; i++) {
        AUTO_BUF struct buf out = {0};
        uint8_t text[4];
        AUTO_BUF struct buf encoded = {0};
        buf_init(&out, 128);
        buf_init(&encoded, 128);
        memcpy(text, &i, sizeof(text));
        const struct str input = {(const char *)text, sizeof(text)};
        ck_assert(client_identity_sign(identity, CLIENT_SIGNS_ES256, input, &out));
        ck_assert_uint_eq(out.len, 64);
        if (out.ptr[0] != 0 && out.ptr[32] != 0)
            continue;
        with_zeros++;
        base64url_append(&encoded, (const uint8_t *)out.ptr, out.len);
        verify(key, JWS_ES256, input, buf_str(&encoded));
    }
    ck_assert_uint_eq(with_zeros, 4);
}
END_TEST

START_TEST(a_header_without_kid_has_none)
{
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    struct client_assertion a = statement(JWS_ES256);
    AUTO_BUF struct buf out = {0};
    struct err_text text = {0};
    buf_init(&out, 8192);
    a.key_id = NULL;
    ck_assert_int_eq(client_assertion_append(&a, identity, NOW_S, &out, &text), ERR_OK);
    AUTO_JSON struct json *h =
        part_of((struct str){out.ptr, (size_t)(strchr(out.ptr, '.') - out.ptr)});
    ck_assert_ptr_null(json_member(h, "kid"));
}
END_TEST

static const struct {
    const char *kind;
    enum jws_alg alg;
} WRONG[] = {
    {"RSA", JWS_ES256},   {"P-256", JWS_RS256}, {"P-256", JWS_PS256}, {"P-384", JWS_ES256},
    {"P-384", JWS_ES384}, {"RSA", JWS_RS384},   {"RSA", JWS_PS512},
};

START_TEST(an_algorithm_that_does_not_fit_the_key_is_an_error)
{
    AUTO(free_identity) struct client_identity *identity = files_identity(WRONG[_i].kind);
    const struct client_assertion a = statement(WRONG[_i].alg);
    AUTO_BUF struct buf out = {0};
    struct err_text text = {0};
    buf_init(&out, 8192);
    ck_assert(!client_assertion_fits(a.alg, identity));
    ck_assert_int_eq(client_assertion_append(&a, identity, NOW_S, &out, &text), ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(text.text, jws_alg_name(a.alg)));
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(one_that_does_not_fit_the_form_is_an_error)
{
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    const struct client_assertion a = statement(JWS_ES256);
    for (size_t max = 1; max < 300; max += 37) {
        AUTO_BUF struct buf out = {0};
        struct err_text text = {0};
        buf_init(&out, max);
        ck_assert_int_eq(client_assertion_append(&a, identity, NOW_S, &out, &text), ERR_INTERNAL);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("client_assertion");
    if (!crypto_init())
        return EXIT_FAILURE;
    tcase_add_loop_test(t, an_assertion_is_signed_and_never_the_same, 0, ARRAY_LEN(GOOD));
    tcase_add_test(t, numbers_of_an_es256_signature_keep_their_zeros);
    tcase_add_test(t, a_header_without_kid_has_none);
    tcase_add_loop_test(t, an_algorithm_that_does_not_fit_the_key_is_an_error, 0, ARRAY_LEN(WRONG));
    tcase_add_test(t, one_that_does_not_fit_the_form_is_an_error);
    return unit_run(t, "client_assertion");
}
