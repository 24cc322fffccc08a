/* SPDX-License-Identifier: Apache-2.0
 * identity/device_key: every accepted encoding beside what must not pass for it: other types,
 * sizes, curves, points, wrappings and trailing bytes. */
#include "jose_support.h"
#include "unit.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "identity/jwk.h"

static bool check(const char *text, enum device_key_type type)
{
    const char *what = "";

    return device_key_check(str_of(text), type, &what);
}

/* DER of a public key: "SubjectPublicKeyInfo" or "type-specific". */
static void der_of(EVP_PKEY *key, const char *structure, struct buf *out)
{
    unsigned char *der = NULL;
    size_t len = 0;
    OSSL_ENCODER_CTX *ctx =
        OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_PUBLIC_KEY, "DER", structure, NULL);

    ck_assert_int_eq(OSSL_ENCODER_to_data(ctx, &der, &len), 1);
    buf_append(out, (struct str){(const char *)der, len});
    OPENSSL_free(der);
    OSSL_ENCODER_CTX_free(ctx);
}

/* Base64 in lines of `width` (0: one line) ended by `eol`, between label lines when label is given.
 */
static void wrap(struct buf *out, struct str der, const char *label, size_t width, const char *eol)
{
    struct buf text;

    buf_init(&text, 1 << 16);
    base64_append(&text, (const uint8_t *)der.ptr, der.len);
    if (label)
        buf_printf(out, "-----BEGIN %s-----%s", label, eol);
    for (size_t at = 0; at < text.len; at += width ? width : text.len) {
        const size_t left = text.len - at;
        buf_append(out, (struct str){text.ptr + at, width && width < left ? width : left});
        if (width || label)
            buf_append_z(out, eol);
    }
    if (label)
        buf_printf(out, "-----END %s-----%s", label, eol);
    buf_finish(&text);
    ck_assert(buf_ok(out));
}

static bool check_der(struct str der, const char *label, enum device_key_type type)
{
    AUTO_BUF struct buf text;

    buf_init(&text, 1 << 16);
    wrap(&text, der, label, 64, "\n");
    return check(text.ptr, type);
}

static EVP_PKEY *rsa;
static EVP_PKEY *ec;

static void setup(void)
{
    ck_assert(crypto_init());
    rsa = jose_rsa_key(2048);
    ec = jose_ec_key("P-256");
}

static void teardown(void)
{
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    crypto_finish();
}

START_TEST(every_documented_encoding_is_accepted)
{
    static const char *const EOLS[] = {"\n", "\r\n", "\r"};
    AUTO_BUF struct buf spki_rsa, pkcs1, spki_ec, text;

    buf_init(&spki_rsa, 4096);
    buf_init(&pkcs1, 4096);
    buf_init(&spki_ec, 4096);
    buf_init(&text, 8192);
    der_of(rsa, "SubjectPublicKeyInfo", &spki_rsa);
    der_of(rsa, "type-specific", &pkcs1);
    der_of(ec, "SubjectPublicKeyInfo", &spki_ec);

    const struct {
        struct str der;
        const char *label;
        enum device_key_type type;
    } cases[] = {
        {buf_str(&spki_rsa), "PUBLIC KEY", DEVICE_KEY_RSA},
        {buf_str(&spki_rsa), NULL, DEVICE_KEY_RSA},
        {buf_str(&pkcs1), "RSA PUBLIC KEY", DEVICE_KEY_RSA},
        {buf_str(&pkcs1), NULL, DEVICE_KEY_RSA},
        {buf_str(&spki_ec), "PUBLIC KEY", DEVICE_KEY_EC},
        {buf_str(&spki_ec), NULL, DEVICE_KEY_EC},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t e = 0; e < ARRAY_LEN(EOLS); e++) {
            for (size_t width = 0; width <= 76; width += 38) {
                buf_reset(&text);
                wrap(&text, cases[i].der, cases[i].label, width, EOLS[e]);
                ck_assert_msg(check(text.ptr, cases[i].type), "case %zu eol %zu width %zu", i, e,
                              width);
            }
        }
        /* The same key is no key of the other type. */
        ck_assert(!check_der(cases[i].der, cases[i].label,
                             cases[i].type == DEVICE_KEY_RSA ? DEVICE_KEY_EC : DEVICE_KEY_RSA));
    }
}
END_TEST

START_TEST(all_three_curves_and_compressed_points_are_accepted)
{
    static const char *const CURVES[] = {"P-256", "P-384", "P-521"};

    for (size_t i = 0; i < ARRAY_LEN(CURVES); i++) {
        AUTO_BUF struct buf der;
        EVP_PKEY *key = jose_ec_key(CURVES[i]);

        buf_init(&der, 4096);
        der_of(key, "SubjectPublicKeyInfo", &der);
        ck_assert(check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_EC));
        ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(
                             key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"),
                         1);
        buf_reset(&der);
        der_of(key, "SubjectPublicKeyInfo", &der);
        ck_assert(check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_EC));
        EVP_PKEY_free(key);
    }
}
END_TEST

START_TEST(trailing_and_missing_bytes_are_refused)
{
    AUTO_BUF struct buf der;

    buf_init(&der, 4096);
    der_of(ec, "SubjectPublicKeyInfo", &der);
    ck_assert(check_der(buf_str(&der), NULL, DEVICE_KEY_EC));
    ck_assert(!check_der((struct str){der.ptr, der.len - 1}, NULL, DEVICE_KEY_EC));
    buf_append_byte(&der, '\0');
    ck_assert(!check_der(buf_str(&der), NULL, DEVICE_KEY_EC));
    ck_assert(!check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_EC));
}
END_TEST

START_TEST(a_point_off_the_curve_is_refused)
{
    AUTO_BUF struct buf der;

    buf_init(&der, 4096);
    der_of(ec, "SubjectPublicKeyInfo", &der);
    der.ptr[der.len - 1] = (char)(der.ptr[der.len - 1] ^ 1);
    ck_assert(!check_der(buf_str(&der), NULL, DEVICE_KEY_EC));
}
END_TEST

START_TEST(other_curves_and_explicit_parameters_are_refused)
{
    static const char *const CURVES[] = {"secp256k1", "P-224", "brainpoolP256r1"};

    for (size_t i = 0; i < ARRAY_LEN(CURVES); i++) {
        AUTO_BUF struct buf der;
        EVP_PKEY *key = jose_ec_key(CURVES[i]);

        buf_init(&der, 4096);
        der_of(key, "SubjectPublicKeyInfo", &der);
        ck_assert_msg(!check_der(buf_str(&der), NULL, DEVICE_KEY_EC), "%s", CURVES[i]);
        EVP_PKEY_free(key);
    }

    AUTO_BUF struct buf der;
    buf_init(&der, 4096);
    EVP_PKEY *key = jose_ec_key("P-256");
    ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
                                                    OSSL_PKEY_EC_ENCODING_EXPLICIT),
                     1);
    der_of(key, "SubjectPublicKeyInfo", &der);
    ck_assert_uint_gt(der.len, 200);
    ck_assert(!check_der(buf_str(&der), NULL, DEVICE_KEY_EC));
    EVP_PKEY_free(key);
}
END_TEST

/* An RSA public key of these numbers, as SPKI. */
static bool check_rsa_numbers(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    AUTO_BUF struct buf der;
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n), 1);
    ck_assert_int_eq(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    buf_init(&der, 8192);
    der_of(key, "SubjectPublicKeyInfo", &der);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    return check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_RSA);
}

START_TEST(rsa_sizes_and_exponents_have_bounds)
{
    BIGNUM *n = BN_new();
    BIGNUM *e = BN_new();

    /* The modulus of a public key can be any odd number. */
    for (int bits = 2040; bits <= 8200; bits += 8) {
        if (bits > 2056 && bits < 8184)
            continue;
        ck_assert_int_eq(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
        ck_assert_int_eq(BN_set_word(e, 65537), 1);
        ck_assert_msg(check_rsa_numbers(n, e) == (bits >= 2048 && bits <= 8192), "%d bits", bits);
    }
    ck_assert_int_eq(BN_rand(n, 2048, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    const struct {
        unsigned long e;
        bool good;
    } exponents[] = {{1, false}, {2, false},    {3, true},     {4, false},
                     {17, true}, {65537, true}, {65538, false}};
    for (size_t i = 0; i < ARRAY_LEN(exponents); i++) {
        ck_assert_int_eq(BN_set_word(e, exponents[i].e), 1);
        ck_assert_msg(check_rsa_numbers(n, e) == exponents[i].good, "e = %lu", exponents[i].e);
    }
    ck_assert_int_eq(BN_set_word(e, 65537), 1);
    ck_assert_int_eq(BN_add_word(n, 1), 1);
    ck_assert_msg(!check_rsa_numbers(n, e), "even modulus");
    BN_free(n);
    BN_free(e);
}
END_TEST

START_TEST(other_key_types_are_refused)
{
    static const char *const TYPES[] = {"ED25519", "X25519"};

    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        AUTO_BUF struct buf der;
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, TYPES[i]);

        buf_init(&der, 4096);
        der_of(key, "SubjectPublicKeyInfo", &der);
        ck_assert(!check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_EC));
        ck_assert(!check_der(buf_str(&der), "PUBLIC KEY", DEVICE_KEY_RSA));
        EVP_PKEY_free(key);
    }
}
END_TEST

START_TEST(a_private_key_is_no_public_key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, ec, NULL, NULL, 0, NULL, NULL), 1);
    const long len = BIO_get_mem_data(bio, &text);
    const char *what = "";
    ck_assert(!device_key_check((struct str){text, (size_t)len}, DEVICE_KEY_EC, &what));
    ck_assert_str_ne(what, "");
    BIO_free(bio);
}
END_TEST

START_TEST(labels_must_name_what_is_inside)
{
    AUTO_BUF struct buf spki, pkcs1;

    buf_init(&spki, 4096);
    buf_init(&pkcs1, 4096);
    der_of(rsa, "SubjectPublicKeyInfo", &spki);
    der_of(rsa, "type-specific", &pkcs1);
    ck_assert(check_der(buf_str(&spki), "PUBLIC KEY", DEVICE_KEY_RSA));
    ck_assert(!check_der(buf_str(&spki), "RSA PUBLIC KEY", DEVICE_KEY_RSA));
    ck_assert(!check_der(buf_str(&pkcs1), "PUBLIC KEY", DEVICE_KEY_RSA));
    ck_assert(!check_der(buf_str(&spki), "PUBLIC KEY ", DEVICE_KEY_RSA));
    ck_assert(!check_der(buf_str(&spki), "CERTIFICATE", DEVICE_KEY_RSA));
}
END_TEST

START_TEST(texts_that_are_no_key_are_refused)
{
    static const char *const TEXTS[] = {
        "",
        " ",
        "\n",
        "-----",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n",
        "MAA=",
        "MIAAAA==",
        "MIAA",
        "AAAA",
        "ssh-rsa AAAAB3NzaC1yc2E=",
        "{\"kty\":\"RSA\"}",
        "####",
    };

    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        ck_assert_msg(!check(TEXTS[i], DEVICE_KEY_RSA), "%s", TEXTS[i]);
        ck_assert_msg(!check(TEXTS[i], DEVICE_KEY_EC), "%s", TEXTS[i]);
    }

    char *large = malloc(100001);
    memset(large, 'A', 100000);
    large[100000] = '\0';
    ck_assert(!check(large, DEVICE_KEY_RSA));
    free(large);
}
END_TEST

START_TEST(indefinite_and_long_forms_are_refused)
{
    AUTO_BUF struct buf der, ber;

    buf_init(&der, 4096);
    buf_init(&ber, 4096);
    der_of(ec, "SubjectPublicKeyInfo", &der);
    ck_assert_uint_eq((uint8_t)der.ptr[1], der.len - 2);
    /* 30 59 ... as 30 81 59 ... */
    buf_append(&ber, (struct str){"\x30\x81", 2});
    buf_append(&ber, (struct str){der.ptr + 1, der.len - 1});
    ck_assert(!check_der(buf_str(&ber), NULL, DEVICE_KEY_EC));
    buf_reset(&ber);
    buf_append(&ber, (struct str){"\x30\x80", 2});
    buf_append(&ber, (struct str){der.ptr + 2, der.len - 2});
    buf_append(&ber, (struct str){"\0\0", 2});
    ck_assert(!check_der(buf_str(&ber), NULL, DEVICE_KEY_EC));
}
END_TEST

/* ---- beside OpenSSL's decoder */

/* What the policy says about a key that OpenSSL has read. */
static bool policy_allows(EVP_PKEY *key)
{
    char group[64] = "";
    bool good = false;

    if (EVP_PKEY_is_a(key, "RSA")) {
        BIGNUM *e = NULL;
        ck_assert_int_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e), 1);
        const int bits = EVP_PKEY_get_bits(key);
        BIGNUM *n = NULL;
        ck_assert_int_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
        good = bits >= 2048 && bits <= 8192 && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
               BN_num_bits(e) <= 2048;
        BN_free(e);
        BN_free(n);
        return good;
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    good = (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
            strcmp(group, "secp521r1") == 0) &&
           EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* The only encoding of the key that OpenSSL writes: with the point's form that it was read in. */
static bool is_canonical(EVP_PKEY *key, struct str der)
{
    unsigned char *again = NULL;
    const int len = i2d_PUBKEY(key, &again);
    const bool same = len > 0 && str_eq((struct str){(const char *)again, (size_t)len}, der);

    OPENSSL_free(again);
    return same;
}

/* What we take is a key for OpenSSL and the policy; what is a key there in its one encoding is one
 * here. */
static void compare(struct str der, enum device_key_type type, size_t *accepted)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);
    const bool whole = key && (const char *)at == der.ptr + der.len;
    const bool allowed = whole && policy_allows(key);
    const bool ours = check_der(der, NULL, type);

    ck_assert_msg(!ours || allowed, "taken here alone");
    ck_assert_msg(ours || !allowed || !is_canonical(key, der), "refused here alone");
    *accepted += ours;
    EVP_PKEY_free(key);
}

static void compare_changed(struct str der, enum device_key_type type, size_t *accepted)
{
    static const uint8_t FLIPS[] = {0x01, 0x02, 0x04, 0x20, 0x80, 0xff};
    char bytes[2048];

    ck_assert_uint_lt(der.len + 1, sizeof(bytes));
    for (size_t at = 0; at < der.len; at++) {
        for (size_t i = 0; i < ARRAY_LEN(FLIPS); i++) {
            memcpy(bytes, der.ptr, der.len);
            bytes[at] = (char)(bytes[at] ^ FLIPS[i]);
            compare((struct str){bytes, der.len}, type, accepted);
        }
        memmove(bytes + at, der.ptr + at + 1, der.len - at - 1);
        compare((struct str){bytes, der.len - 1}, type, accepted);
    }
}

START_TEST(no_change_of_a_byte_is_judged_otherwise_than_by_openssl)
{
    static const struct {
        const char *curve; /* NULL: RSA */
        const char *form;
    } KEYS[] = {{NULL, NULL},        {"P-256", "uncompressed"}, {"P-256", "compressed"},
                {"P-256", "hybrid"}, {"P-384", "uncompressed"}, {"P-521", "compressed"}};
    AUTO_BUF struct buf der;
    EVP_PKEY *key = KEYS[_i].curve ? jose_ec_key(KEYS[_i].curve) : rsa;
    const enum device_key_type type = KEYS[_i].curve ? DEVICE_KEY_EC : DEVICE_KEY_RSA;
    size_t accepted = 0;

    if (KEYS[_i].curve)
        ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(
                             key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, KEYS[_i].form),
                         1);
    buf_init(&der, 4096);
    der_of(key, "SubjectPublicKeyInfo", &der);
    compare(buf_str(&der), type, &accepted);
    ck_assert_uint_eq(accepted, 1);
    compare_changed(buf_str(&der), type, &accepted);
    if (KEYS[_i].curve)
        EVP_PKEY_free(key);
}
END_TEST

START_TEST(the_point_at_infinity_is_no_key)
{
    static const char DER[] =
        "\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48"
        "\xce\x3d\x03\x01\x07\x03\x02\x00\x00";
    ck_assert(!check_der((struct str){DER, sizeof(DER) - 1}, NULL, DEVICE_KEY_EC));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("device_key");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, every_documented_encoding_is_accepted);
    tcase_add_test(t, all_three_curves_and_compressed_points_are_accepted);
    tcase_add_test(t, trailing_and_missing_bytes_are_refused);
    tcase_add_test(t, a_point_off_the_curve_is_refused);
    tcase_add_test(t, other_curves_and_explicit_parameters_are_refused);
    tcase_add_test(t, rsa_sizes_and_exponents_have_bounds);
    tcase_add_test(t, other_key_types_are_refused);
    tcase_add_test(t, a_private_key_is_no_public_key);
    tcase_add_test(t, labels_must_name_what_is_inside);
    tcase_add_test(t, texts_that_are_no_key_are_refused);
    tcase_add_test(t, indefinite_and_long_forms_are_refused);
    tcase_add_loop_test(t, no_change_of_a_byte_is_judged_otherwise_than_by_openssl, 0, 6);
    tcase_add_test(t, the_point_at_infinity_is_no_key);
    return unit_run(t, "device_key");
}
