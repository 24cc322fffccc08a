/* SPDX-License-Identifier: Apache-2.0
 * Token making for tests; see jose_support.h. */
#include "jose_support.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "unit.h"

#include "base/base64.h"

EVP_PKEY *jose_rsa_key(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);

    ck_assert_ptr_nonnull(key);
    return key;
}

EVP_PKEY *jose_ec_key(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);

    ck_assert_ptr_nonnull(key);
    return key;
}

static void number_member(struct buf *out, const EVP_PKEY *key, const char *param, size_t width)
{
    BIGNUM *number = NULL;
    uint8_t bytes[1024];

    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, param, &number), 1);
    const size_t len = width > 0 ? width : (size_t)BN_num_bytes(number);
    ck_assert_int_eq(BN_bn2binpad(number, bytes, (int)len), (int)len);
    base64url_append(out, bytes, len);
    BN_free(number);
}

void jose_jwk(struct buf *out, const EVP_PKEY *key, const char *kid, const char *more)
{
    if (EVP_PKEY_is_a(key, "RSA")) {
        buf_append_z(out, "{\"kty\":\"RSA\",\"n\":\"");
        number_member(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
        buf_append_z(out, "\",\"e\":\"");
        number_member(out, key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else {
        const int bits = EVP_PKEY_get_bits(key);
        buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"", bits);
        number_member(out, key, OSSL_PKEY_PARAM_EC_PUB_X, (size_t)(bits + 7) / 8);
        buf_append_z(out, "\",\"y\":\"");
        number_member(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, (size_t)(bits + 7) / 8);
    }
    buf_printf(out, "\",\"kid\":\"%s\"%s}", kid, more);
    ck_assert(buf_ok(out));
}

static const EVP_MD *digest_of(enum jws_alg alg)
{
    const char *name = jws_alg_name(alg);

    if (strcmp(name + 2, "256") == 0)
        return EVP_sha256();
    return strcmp(name + 2, "384") == 0 ? EVP_sha384() : EVP_sha512();
}

/* DER to the r and s of RFC 7518 §3.4. */
static size_t ecdsa_flatten(const EVP_PKEY *key, uint8_t *sig, size_t len)
{
    const unsigned char *at = sig;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)len);
    const int width = (EVP_PKEY_get_bits(key) + 7) / 8;

    ck_assert_ptr_nonnull(parsed);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), sig, width), width);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), sig + width, width), width);
    ECDSA_SIG_free(parsed);
    return 2 * (size_t)width;
}

size_t jose_signature(EVP_PKEY *key, enum jws_alg alg, struct str text, uint8_t out[1024])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    size_t len = 1024;

    ck_assert_int_eq(EVP_DigestSignInit(ctx, &pctx, digest_of(alg), NULL, key), 1);
    if (jws_alg_name(alg)[0] == 'P') {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    ck_assert_int_eq(EVP_DigestSign(ctx, out, &len, (const uint8_t *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    return EVP_PKEY_is_a(key, "EC") ? ecdsa_flatten(key, out, len) : len;
}

static void signing_input(struct buf *out, struct str header, struct str payload)
{
    base64url_append(out, (const uint8_t *)header.ptr, header.len);
    buf_append_byte(out, '.');
    base64url_append(out, (const uint8_t *)payload.ptr, payload.len);
}

void jose_compact(struct buf *out, struct str header, struct str payload, const uint8_t *sig,
                  size_t sig_len)
{
    signing_input(out, header, payload);
    buf_append_byte(out, '.');
    base64url_append(out, sig, sig_len);
    ck_assert(buf_ok(out));
}

void jose_sign(struct buf *out, EVP_PKEY *key, enum jws_alg alg, struct str header,
               struct str payload)
{
    struct buf input;
    uint8_t sig[1024];

    buf_init(&input, 1 << 20);
    signing_input(&input, header, payload);
    const size_t sig_len = jose_signature(key, alg, buf_str(&input), sig);
    buf_finish(&input);
    jose_compact(out, header, payload, sig, sig_len);
}
