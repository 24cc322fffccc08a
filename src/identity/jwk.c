/* SPDX-License-Identifier: Apache-2.0
 * The import policy for one key of a JWK set (RFC 7517, RFC 7518 §6): what is weak, ambiguous or
 * not meant for signatures is refused here, once, so that verification needs no such question. */
#include "identity/jwk_internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/base64.h"

const char *const JWK_REFUSAL_LABELS[JWK_REFUSAL_COUNT] = {
#define X(id, label) [id] = label,
    JWK_REFUSAL_TABLE(X)
#undef X
};

/* SEC 2: orders of the base points. */
static const uint8_t P256_ORDER[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};
static const uint8_t P384_ORDER[48] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
};
static const uint8_t P521_ORDER[66] = {
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b,
    0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c,
    0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
};

enum { P256, P384, P521, CURVE_COUNT };
static const struct jwk_curve_row CURVES[CURVE_COUNT] = {
    [P256] = {"P-256", "prime256v1", sizeof(P256_ORDER), P256_ORDER},
    [P384] = {"P-384", "secp384r1", sizeof(P384_ORDER), P384_ORDER},
    [P521] = {"P-521", "secp521r1", sizeof(P521_ORDER), P521_ORDER},
};

struct alg_row {
    enum jwk_digest digest;
    bool pss;
    const struct jwk_curve_row *curve; /* NULL: RSA */
};

static const struct alg_row ALGS[JWS_ALG_COUNT] = {
    [JWS_RS256] = {JWK_SHA256, false, NULL},
    [JWS_RS384] = {JWK_SHA384, false, NULL},
    [JWS_RS512] = {JWK_SHA512, false, NULL},
    [JWS_PS256] = {JWK_SHA256, true, NULL},
    [JWS_PS384] = {JWK_SHA384, true, NULL},
    [JWS_PS512] = {JWK_SHA512, true, NULL},
    [JWS_ES256] = {JWK_SHA256, false, &CURVES[P256]},
    [JWS_ES384] = {JWK_SHA384, false, &CURVES[P384]},
    [JWS_ES512] = {JWK_SHA512, false, &CURVES[P521]},
};

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void bignum_freep(BIGNUM **number)
{
    BN_free(*number);
}

static void param_bld_freep(OSSL_PARAM_BLD **bld)
{
    OSSL_PARAM_BLD_free(*bld);
}

static void params_freep(OSSL_PARAM **params)
{
    OSSL_PARAM_free(*params);
}

/* A published private or symmetric key is nobody's key any more. */
static bool has_private_member(const struct json *entry)
{
    static const char *const NAMES[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (json_member(entry, NAMES[i]))
            return true;
    }
    return false;
}

static bool kid_read(const struct json *entry, struct jwk *key)
{
    const struct str kid = json_string(json_member(entry, "kid"));

    if (kid.len < 1 || kid.len > KID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < kid.len; i++) {
        if (kid.ptr[i] < 0x20 || kid.ptr[i] > 0x7e)
            return false;
    }
    memcpy(key->kid, kid.ptr, kid.len);
    key->kid_len = kid.len;
    return true;
}

/* RFC 7517 §4.2 and §4.3: each is honoured when present. */
static bool is_for_signatures(const struct json *entry)
{
    const struct json *use = json_member(entry, "use");
    const struct json *ops = json_member(entry, "key_ops");

    if (use && !str_is(json_string(use), "sig"))
        return false;
    if (!ops)
        return true;
    if (json_type(ops) != JSON_ARRAY)
        return false;
    for (const struct json *op = json_first(ops); op; op = json_next(op)) {
        if (str_is(json_string(op), "verify"))
            return true;
    }
    return false;
}

static EVP_PKEY *pkey_from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    AUTO(params_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1)
        return NULL;
    if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return pkey;
}

static EVP_PKEY *rsa_pkey(const uint8_t *n_bytes, size_t n_len)
{
    AUTO(bignum_freep) BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
    AUTO(bignum_freep) BIGNUM *e = BN_new();
    AUTO(param_bld_freep) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

    if (!n || !e || !bld || BN_set_word(e, RSA_F4) != 1)
        return NULL;
    if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        return NULL;
    return pkey_from_params("RSA", bld);
}

/* Both bounds matter: a small key or exponent can be forged, a large one costs 164 times the CPU of
 * a usual one for each token. */
static EVP_PKEY *rsa_import(const struct json *entry, struct jwk *key,
                            enum jwk_refusal *ret_refusal)
{
    const struct str n_text = json_string(json_member(entry, "n"));
    const struct str e_text = json_string(json_member(entry, "e"));
    uint8_t n[JWK_RSA_BYTES_MAX + 3];
    size_t n_len = 0;

    *ret_refusal = JWK_REFUSED_MALFORMED;
    if (!n_text.ptr || !e_text.ptr)
        return NULL;
    if (!str_is(e_text, "AQAB")) { /* 65537 */
        *ret_refusal = JWK_REFUSED_EXPONENT;
        return NULL;
    }
    if (n_text.len > base64url_len(JWK_RSA_BYTES_MAX)) {
        *ret_refusal = JWK_REFUSED_SIZE;
        return NULL;
    }
    if (!base64url_decode(n_text, n, &n_len))
        return NULL;
    if (n_len < JWK_RSA_BYTES_MIN || n_len > JWK_RSA_BYTES_MAX || (n[0] & 0x80) == 0) {
        *ret_refusal = JWK_REFUSED_SIZE;
        return NULL;
    }
    if ((n[n_len - 1] & 1) == 0)
        return NULL;

    key->curve = NULL;
    key->signature_bytes = n_len;
    return rsa_pkey(n, n_len);
}

static EVP_PKEY *ec_pkey(const struct jwk_curve_row *curve, const uint8_t *point, size_t point_len)
{
    AUTO(param_bld_freep) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

    if (!bld)
        return NULL;
    if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, point_len) != 1)
        return NULL;

    AUTO(pkey_freep) EVP_PKEY *pkey = pkey_from_params("EC", bld);
    AUTO(pkey_ctx_freep)
    EVP_PKEY_CTX *check = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (!check || EVP_PKEY_public_check(check) != 1)
        return NULL;

    EVP_PKEY *ret = pkey;
    pkey = NULL;
    return ret;
}

static bool coordinate_read(const struct json *entry, const char *name, size_t width, uint8_t *out)
{
    const struct str text = json_string(json_member(entry, name));
    uint8_t bytes[JWK_EC_BYTES_MAX + 3];
    size_t len = 0;

    /* RFC 7518 §6.2.1.2: the length is that of the curve, leading zeros included. */
    if (text.len != base64url_len(width) || !base64url_decode(text, bytes, &len) || len != width)
        return false;
    memcpy(out, bytes, width);
    return true;
}

static EVP_PKEY *ec_import(const struct json *entry, struct jwk *key, enum jwk_refusal *ret_refusal)
{
    const struct str crv = json_string(json_member(entry, "crv"));
    const struct jwk_curve_row *curve = NULL;
    uint8_t point[1 + 2 * JWK_EC_BYTES_MAX] = {0x04} /* uncompressed */;

    for (size_t i = 0; i < CURVE_COUNT; i++) {
        if (str_is(crv, CURVES[i].crv))
            curve = &CURVES[i];
    }
    if (!curve) {
        *ret_refusal = JWK_REFUSED_TYPE;
        return NULL;
    }
    if (!coordinate_read(entry, "x", curve->width, point + 1) ||
        !coordinate_read(entry, "y", curve->width, point + 1 + curve->width)) {
        *ret_refusal = JWK_REFUSED_MALFORMED;
        return NULL;
    }

    *ret_refusal = JWK_REFUSED_POINT;
    key->curve = curve;
    key->signature_bytes = 2 * curve->width;
    return ec_pkey(curve, point, 1 + 2 * curve->width);
}

/* A context that is ready for one signature of alg under pkey. */
static EVP_MD_CTX *verifier_make(EVP_PKEY *pkey, const EVP_MD *md, bool pss)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL; /* owned by ctx */

    if (!ctx || EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey) != 1)
        goto fail;
    /* RFC 7518 §3.5: MGF1 with the same digest, a salt as long as the digest. */
    if (pss && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
                EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) != 1 ||
                EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto fail;
    return ctx;

fail:
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static bool verifiers_make(struct jwk *key, EVP_PKEY *pkey, const struct jwk_digests *digests,
                           const bool *wanted)
{
    for (size_t i = 0; i < JWS_ALG_COUNT; i++) {
        if (!wanted[i])
            continue;
        key->verifiers[i] = verifier_make(pkey, digests->md[ALGS[i].digest], ALGS[i].pss);
        if (!key->verifiers[i])
            return false;
    }
    return true;
}

/* The algorithms that the entry's alg member, or without one its type and curve, stand for. */
static bool algs_read(const struct json *entry, const struct jwk_curve_row *curve,
                      bool wanted[JWS_ALG_COUNT])
{
    const struct json *member = json_member(entry, "alg");
    enum jws_alg named;

    if (member) {
        if (!jws_alg_parse(json_string(member), &named) || ALGS[named].curve != curve)
            return false;
        wanted[named] = true;
        return true;
    }
    for (size_t i = 0; i < JWS_ALG_COUNT; i++)
        wanted[i] = ALGS[i].curve == curve;
    return true;
}

static bool material_import(const struct json *entry, const struct jwk_digests *digests,
                            struct jwk *key, enum jwk_refusal *ret_refusal)
{
    const struct str kty = json_string(json_member(entry, "kty"));
    bool wanted[JWS_ALG_COUNT] = {false};
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;

    *ret_refusal = JWK_REFUSED_TYPE;
    if (str_is(kty, "RSA"))
        pkey = rsa_import(entry, key, ret_refusal);
    else if (str_is(kty, "EC"))
        pkey = ec_import(entry, key, ret_refusal);
    if (!pkey)
        return false;

    *ret_refusal = JWK_REFUSED_ALG;
    if (!algs_read(entry, key->curve, wanted))
        return false;
    *ret_refusal = JWK_REFUSED_MALFORMED;
    return verifiers_make(key, pkey, digests, wanted);
}

bool jwk_import(const struct json *entry, const struct jwk_digests *digests, struct jwk *ret,
                enum jwk_refusal *ret_refusal)
{
    *ret = (struct jwk){.kid_len = 0};
    bool good = false;

    if (!entry || json_type(entry) != JSON_OBJECT)
        *ret_refusal = JWK_REFUSED_MALFORMED;
    else if (has_private_member(entry))
        *ret_refusal = JWK_REFUSED_PRIVATE;
    else if (!is_for_signatures(entry))
        *ret_refusal = JWK_REFUSED_USE;
    else if (!kid_read(entry, ret))
        *ret_refusal = JWK_REFUSED_KID;
    else
        good = material_import(entry, digests, ret, ret_refusal);

    if (!good) {
        jwk_finish(ret);
        ERR_clear_error();
    }
    return good;
}

void jwk_finish(struct jwk *key)
{
    for (size_t i = 0; i < JWS_ALG_COUNT; i++)
        EVP_MD_CTX_free(key->verifiers[i]);
    *key = (struct jwk){.kid_len = 0};
}
