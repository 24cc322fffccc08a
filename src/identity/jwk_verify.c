/* SPDX-License-Identifier: Apache-2.0
 * One signature under one imported key (RFC 7515 §5.2, RFC 7518 §3). Everything but the return
 * value 1 of OpenSSL is a refusal. Any thread: a key is only read. */
#include "identity/jwk_internal.h"

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/crypto.h"

enum {
    /* SEQUENCE with a long-form length, two INTEGERs with a sign byte each */
    ECDSA_DER_MAX = 3 + 2 * (2 + 1 + JWK_EC_BYTES_MAX),
};

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

bool jwk_allows(const struct jwk *key, enum jws_alg alg)
{
    return key->verifiers[alg] != NULL;
}

/* 1 <= scalar <= order - 1; outside of it lie the "psychic" signatures (CVE-2022-21449). */
static bool scalar_in_range(const uint8_t *scalar, const struct jwk_curve_row *curve)
{
    uint8_t any = 0;

    for (size_t i = 0; i < curve->width; i++)
        any |= scalar[i];
    return any != 0 && memcmp(scalar, curve->order, curve->width) < 0;
}

/* A DER INTEGER of a positive number; returns the bytes written. */
static size_t der_integer(const uint8_t *number, size_t len, uint8_t *out)
{
    while (len > 1 && number[0] == 0) {
        number++;
        len--;
    }
    const size_t sign = number[0] >> 7;

    out[0] = 0x02;
    out[1] = (uint8_t)(len + sign);
    out[2] = 0;
    memcpy(out + 2 + sign, number, len);
    return 2 + sign + len;
}

/* RFC 7518 §3.4 has r and s side by side at full width; OpenSSL wants ECDSA-Sig-Value. */
static bool ecdsa_to_der(const struct jwk_curve_row *curve, const uint8_t *sig,
                         uint8_t out[ECDSA_DER_MAX], size_t *ret_len)
{
    uint8_t body[ECDSA_DER_MAX];

    if (!scalar_in_range(sig, curve) || !scalar_in_range(sig + curve->width, curve))
        return false;
    size_t body_len = der_integer(sig, curve->width, body);
    body_len += der_integer(sig + curve->width, curve->width, body + body_len);

    size_t at = 0;
    out[at++] = 0x30;
    if (body_len > 0x7f)
        out[at++] = 0x81;
    out[at++] = (uint8_t)body_len;
    memcpy(out + at, body, body_len);
    *ret_len = at + body_len;
    return true;
}

bool jwk_verify(const struct jwk *key, enum jws_alg alg, struct str signing_input,
                const uint8_t *sig, size_t sig_len)
{
    uint8_t der[ECDSA_DER_MAX];

    if (!jwk_allows(key, alg) || sig_len != key->signature_bytes)
        return crypto_refuse(false);
    if (key->curve) {
        if (!ecdsa_to_der(key->curve, sig, der, &sig_len))
            return crypto_refuse(false);
        sig = der;
    }

    AUTO(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_MD_CTX_copy_ex(ctx, key->verifiers[alg]) != 1)
        return crypto_refuse(true);
    /* Used once: without this OpenSSL would work on one more copy, and where there is no memory for
     * that call the signature bad. */
    EVP_MD_CTX_set_flags(ctx, EVP_MD_CTX_FLAG_FINALISE);
    return EVP_DigestVerify(ctx, sig, sig_len, (const uint8_t *)signing_input.ptr,
                            signing_input.len) == 1 ||
           crypto_refuse(false);
}

bool jwk_half_hash(const struct jwk *key, enum jws_alg alg, struct str text, struct buf *out)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const EVP_MD *md = jwk_allows(key, alg) ? EVP_MD_CTX_get0_md(key->verifiers[alg]) : NULL;

    if (!md || EVP_Digest(text.ptr, text.len, hash, &len, md, NULL) != 1)
        return crypto_refuse(md);
    base64url_append(out, hash, len / 2);
    return true;
}
