/* SPDX-License-Identifier: Apache-2.0
 * The policy for device public keys (api.md register): text in, verdict out. The text is forwarded
 * to the vendor unchanged, so everything that two readers could read differently is refused: the
 * DER is walked here, byte for byte, because OpenSSL's decoder takes BER as well, and 300 us. */
#include "identity/jwk.h"

#include "base/base64.h"
#include "base/crypto.h"

enum {
    DEVICE_KEY_TEXT_MAX = 8192, /* an RSA-8192 key takes 1,500 */
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
};

/* X.680, universal class; SEQUENCE is constructed. */
enum {
    TAG_INTEGER = 0x02,
    TAG_BIT_STRING = 0x03,
    TAG_NULL = 0x05,
    TAG_OID = 0x06,
    TAG_SEQUENCE = 0x30,
};

enum encoding { ENCODING_NONE, ENCODING_SPKI, ENCODING_PKCS1 };

/* rsaEncryption and id-ecPublicKey (RFC 3279 section 2.3) */
static const struct str ALGORITHMS[] = {
    [DEVICE_KEY_RSA] = {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9},
    [DEVICE_KEY_EC] = {"\x2a\x86\x48\xce\x3d\x02\x01", 7},
};

/* RFC 5480 section 2.1.1.1 */
static const struct {
    struct str oid;
    enum crypto_curve curve;
} CURVES[] = {
    {{"\x2a\x86\x48\xce\x3d\x03\x01\x07", 8}, CRYPTO_P256},
    {{"\x2b\x81\x04\x00\x22", 5}, CRYPTO_P384},
    {{"\x2b\x81\x04\x00\x23", 5}, CRYPTO_P521},
};

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

/* *ret_labelled: the encoding that a PEM label names; none for bare base64. */
static bool unwrap(struct str text, struct str *ret_base64, enum encoding *ret_labelled)
{
    *ret_labelled = ENCODING_NONE;
    if (!str_starts_with(text, STR("-----"))) {
        *ret_base64 = text;
        return true;
    }
    *ret_labelled = ENCODING_SPKI;
    if (pem_body(text, STR("-----BEGIN PUBLIC KEY-----"), STR("-----END PUBLIC KEY-----"),
                 ret_base64))
        return true;
    *ret_labelled = ENCODING_PKCS1;
    return pem_body(text, STR("-----BEGIN RSA PUBLIC KEY-----"),
                    STR("-----END RSA PUBLIC KEY-----"), ret_base64);
}

/* Takes the next DER element, which must have this tag; *ret is its contents. Lengths of the
 * shortest form alone: another would be BER. */
static bool take(struct str *in, uint8_t tag, struct str *ret)
{
    const uint8_t *at = (const uint8_t *)in->ptr;
    size_t header = 2;
    size_t len = 0;

    if (in->len < 2 || at[0] != tag)
        return false;
    if (at[1] < 0x80) {
        len = at[1];
    } else if (at[1] == 0x81 && in->len >= 3 && at[2] >= 0x80) {
        header = 3;
        len = at[2];
    } else if (at[1] == 0x82 && in->len >= 4 && at[2] != 0) {
        header = 4;
        len = (size_t)at[2] << 8 | at[3];
    } else {
        return false;
    }
    if (len > in->len - header)
        return false;
    *ret = (struct str){in->ptr + header, len};
    *in = (struct str){in->ptr + header + len, in->len - header - len};
    return true;
}

/* A positive INTEGER of the shortest form, without the byte that carries its sign. */
static bool take_number(struct str *in, struct str *ret)
{
    struct str number;

    if (!take(in, TAG_INTEGER, &number) || number.len == 0)
        return false;
    const uint8_t first = (uint8_t)number.ptr[0];
    if (first == 0 && number.len > 1) {
        number.ptr++;
        number.len--;
        if ((uint8_t)number.ptr[0] < 0x80)
            return false;
    } else if (first == 0 || first >= 0x80) {
        return false;
    }
    *ret = number;
    return true;
}

static bool is_odd(struct str number)
{
    return (number.ptr[number.len - 1] & 1) != 0;
}

static size_t count_bits(struct str number)
{
    size_t bits = number.len * 8;

    for (unsigned first = (uint8_t)number.ptr[0]; first < 0x80; first <<= 1)
        bits--;
    return bits;
}

/* RSAPublicKey (RFC 8017 A.1.1): what is inside of its SEQUENCE. */
static bool rsa_is_good(struct str in, const char **ret_what)
{
    struct str n, e;

    if (!take_number(&in, &n) || !take_number(&in, &e) || in.len != 0)
        return false;
    if (count_bits(n) < RSA_BITS_MIN || count_bits(n) > RSA_BITS_MAX) {
        *ret_what = "RSA modulus is not of 2048 to 8192 bits";
        return false;
    }
    if (!is_odd(n)) {
        *ret_what = "RSA modulus is not odd";
        return false;
    }
    if (!is_odd(e) || count_bits(e) == 1 || count_bits(e) > RSA_BITS_MIN) {
        *ret_what = "RSA exponent is not odd and at least 3";
        return false;
    }
    return true;
}

/* Explicit parameters are no OBJECT IDENTIFIER, so they name no curve: they may be those of another
 * one in disguise (CVE-2020-0601). */
static bool ec_is_good(struct str parameters, struct str point, const char **ret_what)
{
    struct str oid;

    if (parameters.len == 0)
        return false;
    *ret_what = "EC curve is not P-256, P-384 or P-521";
    if (!take(&parameters, TAG_OID, &oid) || parameters.len != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(CURVES); i++) {
        if (!str_eq(oid, CURVES[i].oid))
            continue;
        *ret_what = "EC point is not on the curve";
        return crypto_point_is_good(CURVES[i].curve, point);
    }
    return false;
}

/* The body of an RSA SubjectPublicKeyInfo's bit string is a DER document of its own. */
static bool rsa_spki_is_good(struct str parameters, struct str key, const char **ret_what)
{
    struct str null, inside;

    /* RFC 3279 section 2.3.1 demands NULL; some writers leave it out. */
    if (parameters.len != 0 &&
        (!take(&parameters, TAG_NULL, &null) || null.len != 0 || parameters.len != 0))
        return false;
    return take(&key, TAG_SEQUENCE, &inside) && key.len == 0 && rsa_is_good(inside, ret_what);
}

/* SubjectPublicKeyInfo (RFC 5280 section 4.1): what is inside of its SEQUENCE. */
static bool spki_is_good(struct str in, enum device_key_type type, const char **ret_what)
{
    struct str algorithm, oid, bits;

    if (!take(&in, TAG_SEQUENCE, &algorithm) || !take(&algorithm, TAG_OID, &oid) ||
        !take(&in, TAG_BIT_STRING, &bits) || in.len != 0)
        return false;
    /* The first byte counts unused bits, of which whole bytes have none. */
    if (!str_eq(oid, ALGORITHMS[type]) || bits.len == 0 || bits.ptr[0] != 0)
        return false;
    const struct str key = {bits.ptr + 1, bits.len - 1};
    return type == DEVICE_KEY_RSA ? rsa_spki_is_good(algorithm, key, ret_what)
                                  : ec_is_good(algorithm, key, ret_what);
}

/* Which of the two it is: SPKI starts with the algorithm, a SEQUENCE; PKCS#1 with the modulus, an
 * INTEGER. */
static enum encoding encoding_of(struct str inside)
{
    if (inside.len == 0)
        return ENCODING_NONE;
    if (inside.ptr[0] == TAG_SEQUENCE)
        return ENCODING_SPKI;
    return inside.ptr[0] == TAG_INTEGER ? ENCODING_PKCS1 : ENCODING_NONE;
}

static bool der_check(struct str der, enum device_key_type type, enum encoding labelled,
                      const char **ret_what)
{
    struct str inside;

    *ret_what = "key is not one DER structure without trailing bytes";
    if (!take(&der, TAG_SEQUENCE, &inside) || der.len != 0)
        return false;

    const enum encoding encoding = encoding_of(inside);
    *ret_what = "key is not what its PEM label says";
    if (labelled != ENCODING_NONE && labelled != encoding)
        return false;

    *ret_what =
        type == DEVICE_KEY_RSA ? "key is not an RSA public key" : "key is not an EC public key";
    if (encoding == ENCODING_SPKI)
        return spki_is_good(inside, type, ret_what);
    return encoding == ENCODING_PKCS1 && type == DEVICE_KEY_RSA && rsa_is_good(inside, ret_what);
}

bool device_key_check(struct str text, enum device_key_type type, const char **ret_what)
{
    uint8_t der[DEVICE_KEY_TEXT_MAX / 4 * 3 + 3];
    struct str base64;
    enum encoding labelled;
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
    return der_check((struct str){(const char *)der, len}, type, labelled, ret_what);
}
