/* SPDX-License-Identifier: Apache-2.0
 * The three algorithms differ in padding and in the form of the signature only. */
#include "emulator/jose.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/base64.h"

enum { RSA_BITS = 2048, ES256_HALF_BYTES = 32, SIGNATURE_BYTES_MAX = 1024 };

static const struct json_limits PART_LIMITS = {
    .bytes_max = 64 * 1024, .depth_max = 16, .values_max = 2000};

static const char *const ALG_NAMES[JOSE_ALG_COUNT] = {
    [JOSE_RS256] = "RS256", [JOSE_PS256] = "PS256", [JOSE_ES256] = "ES256"};

const char *jose_alg_name(enum jose_alg alg)
{
    return ALG_NAMES[alg];
}

bool jose_alg_parse(struct str name, enum jose_alg *ret)
{
    for (size_t i = 0; i < JOSE_ALG_COUNT; i++) {
        if (str_is(name, ALG_NAMES[i])) {
            *ret = (enum jose_alg)i;
            return true;
        }
    }
    return false;
}

EVP_PKEY *jose_generate_key(enum jose_alg alg)
{
    return alg == JOSE_ES256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(RSA_BITS);
}

/* ---- signatures ---------------------------------------------------------------------------- */

static void free_md_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void free_ecdsa_signature(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

static bool set_padding(enum jose_alg alg, EVP_PKEY_CTX *context)
{
    if (alg != JOSE_PS256)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static bool fits(enum jose_alg alg, const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, alg == JOSE_ES256 ? "EC" : "RSA");
}

static bool append_raw_ecdsa(struct buf *out, const uint8_t *der, size_t der_len)
{
    AUTO(free_ecdsa_signature) ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    uint8_t raw[2 * ES256_HALF_BYTES];
    if (!signature ||
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, ES256_HALF_BYTES) != ES256_HALF_BYTES ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + ES256_HALF_BYTES, ES256_HALF_BYTES) !=
            ES256_HALF_BYTES)
        return false;
    buf_append(out, (struct str){(const char *)raw, sizeof(raw)});
    return true;
}

bool jose_sign(enum jose_alg alg, EVP_PKEY *key, struct str input, struct buf *out)
{
    AUTO(free_md_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL;
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t len = sizeof(signature);
    if (!context || !fits(alg, key) ||
        EVP_DigestSignInit(context, &key_context, EVP_sha256(), NULL, key) != 1 ||
        !set_padding(alg, key_context) ||
        EVP_DigestSign(context, signature, &len, (const uint8_t *)input.ptr, input.len) != 1)
        return false;
    if (alg == JOSE_ES256)
        return append_raw_ecdsa(out, signature, len);
    buf_append(out, (struct str){(const char *)signature, len});
    return buf_ok(out);
}

/* DER form of r and s; its length, 0 when the raw form is not 64 bytes. */
static size_t ecdsa_to_der(struct str raw, uint8_t *der)
{
    if (raw.len != 2 * ES256_HALF_BYTES)
        return 0;
    AUTO(free_ecdsa_signature) ECDSA_SIG *signature = ECDSA_SIG_new();
    const uint8_t *bytes = (const uint8_t *)raw.ptr;
    BIGNUM *r = BN_bin2bn(bytes, ES256_HALF_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
    if (!signature || !r || !s || !ECDSA_SIG_set0(signature, r, s)) {
        BN_free(r);
        BN_free(s);
        return 0;
    }
    const int len = i2d_ECDSA_SIG(signature, &der);
    return len > 0 ? (size_t)len : 0;
}

bool jose_verify(enum jose_alg alg, EVP_PKEY *key, struct str input, struct str signature)
{
    AUTO(free_md_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL;
    uint8_t der[2 * ES256_HALF_BYTES + 16];
    if (!context || !fits(alg, key))
        return false;
    if (alg == JOSE_ES256)
        signature = (struct str){(const char *)der, ecdsa_to_der(signature, der)};
    const bool good = signature.len > 0 &&
                      EVP_DigestVerifyInit(context, &key_context, EVP_sha256(), NULL, key) == 1 &&
                      set_padding(alg, key_context) &&
                      EVP_DigestVerify(context, (const uint8_t *)signature.ptr, signature.len,
                                       (const uint8_t *)input.ptr, input.len) == 1;
    ERR_clear_error();
    return good;
}

void jose_append_input(struct buf *out, struct str header, struct str claims)
{
    base64url_append(out, (const uint8_t *)header.ptr, header.len);
    buf_append_byte(out, '.');
    base64url_append(out, (const uint8_t *)claims.ptr, claims.len);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static struct json *decode_part(struct str part)
{
    AUTO_FREE uint8_t *bytes = malloc(base64_decoded_max(part.len));
    size_t len = 0;
    struct json *root = NULL;
    struct json_error error;
    if (!bytes || !base64url_decode(part, bytes, &len) ||
        json_parse((struct str){(const char *)bytes, len}, &PART_LIMITS, &root, &error) != ERR_OK)
        return NULL;
    return root;
}

bool jose_split(struct str token, struct jose_token *ret)
{
    const char *first = memchr(token.ptr, '.', token.len);
    const char *last = memrchr(token.ptr, '.', token.len);
    if (!first || last == first || memchr(first + 1, '.', (size_t)(last - first - 1)))
        return false;
    const struct str signature = {last + 1, (size_t)(token.ptr + token.len - last - 1)};
    *ret = (struct jose_token){.input = {token.ptr, (size_t)(last - token.ptr)}};
    if (base64_decoded_max(signature.len) > sizeof(ret->signature) ||
        !base64url_decode(signature, ret->signature, &ret->signature_len))
        return false;
    ret->header = decode_part((struct str){token.ptr, (size_t)(first - token.ptr)});
    ret->claims = decode_part((struct str){first + 1, (size_t)(last - first - 1)});
    if (ret->header && ret->claims)
        return true;
    jose_finish(ret);
    return false;
}

void jose_finish(struct jose_token *j)
{
    json_free(j->header);
    json_free(j->claims);
    *j = (struct jose_token){0};
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void write_number(struct json_writer *w, const char *name, EVP_PKEY *key, const char *param,
                         int width)
{
    BIGNUM *number = NULL;
    uint8_t bytes[SIGNATURE_BYTES_MAX];
    AUTO_BUF struct buf text = {0};
    buf_init(&text, 2 * SIGNATURE_BYTES_MAX);
    if (EVP_PKEY_get_bn_param(key, param, &number) == 1 &&
        BN_num_bytes(number) <= SIGNATURE_BYTES_MAX) {
        const int len = width ? BN_bn2binpad(number, bytes, width) : BN_bn2bin(number, bytes);
        base64url_append(&text, bytes, len > 0 ? (size_t)len : 0);
    }
    BN_free(number);
    jw_member(w, name, buf_str(&text));
}

void jose_write_jwk(struct json_writer *w, EVP_PKEY *key, enum jose_alg alg, const char *kid)
{
    jw_object_begin(w);
    jw_member(w, "kty", alg == JOSE_ES256 ? STR("EC") : STR("RSA"));
    jw_member(w, "use", STR("sig"));
    jw_member(w, "alg", str_of(jose_alg_name(alg)));
    jw_member(w, "kid", str_of(kid));
    if (alg == JOSE_ES256) {
        jw_member(w, "crv", STR("P-256"));
        write_number(w, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, ES256_HALF_BYTES);
        write_number(w, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, ES256_HALF_BYTES);
    } else {
        write_number(w, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        write_number(w, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    jw_object_end(w);
}

/* Decodes a member of at most out_max bytes; 0 when absent or wrong. */
static size_t read_member(const struct json *jwk, const char *name, uint8_t *out, size_t out_max)
{
    const struct str text = json_string(json_member(jwk, name));
    size_t len = 0;
    if (text.len == 0 || base64_decoded_max(text.len) > out_max + 3 ||
        !base64url_decode(text, out, &len) || len > out_max)
        return 0;
    return len;
}

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params && context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *read_rsa(const struct json *jwk)
{
    uint8_t n_bytes[SIGNATURE_BYTES_MAX + 3], e_bytes[16 + 3];
    const size_t n_len = read_member(jwk, "n", n_bytes, SIGNATURE_BYTES_MAX);
    const size_t e_len = read_member(jwk, "e", e_bytes, 16);
    BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
    BIGNUM *e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (n_len && e_len && n && e && builder &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
        key = key_from_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *read_ec(const struct json *jwk)
{
    /* Uncompressed point: 0x04, x, y (SEC 1 §2.3.3). */
    uint8_t point[1 + 2 * ES256_HALF_BYTES + 3] = {0x04};
    const bool read =
        str_is(json_string(json_member(jwk, "crv")), "P-256") &&
        read_member(jwk, "x", point + 1, ES256_HALF_BYTES) == ES256_HALF_BYTES &&
        read_member(jwk, "y", point + 1 + ES256_HALF_BYTES, ES256_HALF_BYTES) == ES256_HALF_BYTES;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (read && builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * ES256_HALF_BYTES))
        key = key_from_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

EVP_PKEY *jose_read_jwk(const struct json *jwk)
{
    const struct str type = json_string(json_member(jwk, "kty"));
    EVP_PKEY *key = NULL;
    if (str_is(type, "RSA"))
        key = read_rsa(jwk);
    else if (str_is(type, "EC"))
        key = read_ec(jwk);
    ERR_clear_error();
    return key;
}
