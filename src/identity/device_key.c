/* SPDX-License-Identifier: Apache-2.0
 * The policy for device public keys (api.md register): text in, verdict out. The text is forwarded
 * to the vendor unchanged, so everything that two readers could read differently is refused. */
#include "identity/jwk.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/base64.h"

enum {
    DEVICE_KEY_TEXT_MAX = 8192, /* an RSA-8192 key takes 1,500 */
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
};

/* OpenSSL's names of the two encodings. */
static const char SPKI[] = "SubjectPublicKeyInfo";
static const char PKCS1[] = "type-specific";

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void decoder_freep(OSSL_DECODER_CTX **ctx)
{
    OSSL_DECODER_CTX_free(*ctx);
}

static void bignum_freep(BIGNUM **number)
{
    BN_free(*number);
}

static bool is_space(char c)
{
    return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

static struct str trim(struct str text)
{
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* RFC 7468 without its optional parts: label lines at both ends and base64 between them.
 * *ret_body is what lies between; false when begin or end is not there. */
static bool pem_body(struct str text, struct str begin, struct str end, struct str *ret_body)
{
    if (text.len < begin.len + end.len || !str_starts_with(text, begin) ||
        !str_ends_with(text, end))
        return false;
    *ret_body = (struct str){text.ptr + begin.len, text.len - begin.len - end.len};
    /* The labels stand on lines of their own. */
    return ret_body->len > 2 && (ret_body->ptr[0] == '\r' || ret_body->ptr[0] == '\n') &&
           (ret_body->ptr[ret_body->len - 1] == '\r' || ret_body->ptr[ret_body->len - 1] == '\n');
}

/* *ret_labelled: the encoding that a PEM label names; NULL for bare base64. */
static bool unwrap(struct str text, struct str *ret_base64, const char **ret_labelled)
{
    *ret_labelled = NULL;
    if (!str_starts_with(text, STR("-----"))) {
        *ret_base64 = text;
        return true;
    }
    *ret_labelled = SPKI;
    if (pem_body(text, STR("-----BEGIN PUBLIC KEY-----"), STR("-----END PUBLIC KEY-----"),
                 ret_base64))
        return true;
    *ret_labelled = PKCS1;
    return pem_body(text, STR("-----BEGIN RSA PUBLIC KEY-----"),
                    STR("-----END RSA PUBLIC KEY-----"), ret_base64);
}

/* Length of the DER element that starts at der, header included; 0 when its header is malformed,
 * indefinite or not of the shortest form. OpenSSL's reader alone would take BER. */
static size_t der_element_len(const uint8_t *der, size_t len)
{
    if (len < 2)
        return 0;
    if (der[1] < 0x80)
        return 2u + der[1];
    if (der[1] == 0x81 && len >= 3 && der[2] >= 0x80)
        return 3u + der[2];
    if (der[1] == 0x82 && len >= 4 && der[2] != 0)
        return 4u + ((size_t)der[2] << 8) + der[3];
    return 0;
}

static EVP_PKEY *der_decode(const uint8_t *der, size_t len, const char *type, const char *structure)
{
    EVP_PKEY *pkey = NULL;
    AUTO(decoder_freep)
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(&pkey, "DER", structure, type,
                                                          EVP_PKEY_PUBLIC_KEY, NULL, NULL);
    const unsigned char *at = der;
    size_t left = len;

    if (!ctx || OSSL_DECODER_from_data(ctx, &at, &left) != 1 || left != 0) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

static bool rsa_is_good(const EVP_PKEY *pkey, const char **ret_what)
{
    AUTO(bignum_freep) BIGNUM *n = NULL;
    AUTO(bignum_freep) BIGNUM *e = NULL;

    *ret_what = "RSA key cannot be read";
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return false;
    if (BN_num_bits(n) < RSA_BITS_MIN || BN_num_bits(n) > RSA_BITS_MAX) {
        *ret_what = "RSA modulus is not of 2048 to 8192 bits";
        return false;
    }
    if (!BN_is_odd(n) || BN_is_negative(n)) {
        *ret_what = "RSA modulus is not odd";
        return false;
    }
    if (!BN_is_odd(e) || BN_is_one(e) || BN_is_negative(e) || BN_num_bits(e) > RSA_BITS_MIN) {
        *ret_what = "RSA exponent is not odd and at least 3";
        return false;
    }
    return true;
}

static bool ec_is_good(EVP_PKEY *pkey, const char **ret_what)
{
    static const char *const GROUPS[] = {"prime256v1", "secp384r1", "secp521r1"};
    char group[64] = "";
    int explicit_parameters = 1;
    bool known = false;

    *ret_what = "EC curve is not P-256, P-384 or P-521";
    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(GROUPS); i++)
        known = known || strcmp(group, GROUPS[i]) == 0;
    /* Explicit parameters may be those of another curve in disguise (CVE-2020-0601). */
    if (!known ||
        EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &explicit_parameters) != 1 ||
        explicit_parameters != 0)
        return false;

    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    *ret_what = "EC point is not on the curve";
    return check && EVP_PKEY_public_check(check) == 1;
}

/* Which of the two a DER element is: SPKI starts with the algorithm, a SEQUENCE; PKCS#1 with the
 * modulus, an INTEGER. OpenSSL alone takes either for the other. */
static const char *structure_of(const uint8_t *der, size_t len)
{
    const size_t header_len = len < 2 || der[1] < 0x80 ? 2 : 2u + (der[1] & 0x7f);

    if (len <= header_len)
        return NULL;
    if (der[header_len] == 0x30)
        return SPKI;
    return der[header_len] == 0x02 ? PKCS1 : NULL;
}

static bool der_check(const uint8_t *der, size_t len, enum device_key_type type,
                      const char *labelled, const char **ret_what)
{
    *ret_what = "key is not one DER structure without trailing bytes";
    if (len == 0 || der[0] != 0x30 || der_element_len(der, len) != len)
        return false;

    const char *structure = structure_of(der, len);
    *ret_what = "key is not what its PEM label says";
    if (labelled && labelled != structure)
        return false;

    *ret_what =
        type == DEVICE_KEY_RSA ? "key is not an RSA public key" : "key is not an EC public key";
    if (!structure || (structure == PKCS1 && type != DEVICE_KEY_RSA))
        return false;
    AUTO(pkey_freep)
    EVP_PKEY *pkey = der_decode(der, len, type == DEVICE_KEY_RSA ? "RSA" : "EC", structure);
    if (!pkey)
        return false;
    return type == DEVICE_KEY_RSA ? rsa_is_good(pkey, ret_what) : ec_is_good(pkey, ret_what);
}

bool device_key_check(struct str text, enum device_key_type type, const char **ret_what)
{
    uint8_t der[DEVICE_KEY_TEXT_MAX / 4 * 3 + 3];
    struct str base64;
    const char *labelled;
    size_t len = 0;

    if (text.len == 0 || text.len > DEVICE_KEY_TEXT_MAX) {
        *ret_what = "key is empty or longer than 8192 bytes";
        return false;
    }
    if (!unwrap(trim(text), &base64, &labelled)) {
        *ret_what = "PEM block is not a PUBLIC KEY or RSA PUBLIC KEY";
        return false;
    }
    if (!base64_decode(base64, true, der, &len)) {
        *ret_what = "key is not base64";
        return false;
    }
    const bool good = der_check(der, len, type, labelled, ret_what);
    ERR_clear_error();
    return good;
}
