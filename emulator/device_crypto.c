/* SPDX-License-Identifier: Apache-2.0
 * The vendor names no algorithm, so everything that its SDKs might send is accepted here. */
#include "emulator/device_crypto.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/crypto.h"

enum { SIGNATURE_TEXT_MAX = 4096, KEY_TEXT_MAX = 16 * 1024 };

static EVP_PKEY *from_der(const uint8_t *der, size_t len)
{
    const uint8_t *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)len);
    if (!key) {
        at = der;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)len);
    }
    if (key && at != der + len) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* The base64 between the marker lines; the whole text when there are none. */
static struct str pem_body(struct str text)
{
    static const char BEGIN[] = "-----BEGIN ", DASHES[] = "-----", END[] = "-----END ";
    const char *begin = memmem(text.ptr, text.len, BEGIN, sizeof(BEGIN) - 1);
    if (!begin)
        return text;
    const char *stop = text.ptr + text.len;
    begin += sizeof(BEGIN) - 1;
    begin = memmem(begin, (size_t)(stop - begin), DASHES, sizeof(DASHES) - 1);
    if (!begin)
        return (struct str){0};
    begin += sizeof(DASHES) - 1;
    const char *end = memmem(begin, (size_t)(stop - begin), END, sizeof(END) - 1);
    return end ? (struct str){begin, (size_t)(end - begin)} : (struct str){0};
}

EVP_PKEY *device_crypto_read_key(struct str text)
{
    uint8_t der[KEY_TEXT_MAX];
    size_t len = 0;
    const struct str body = pem_body(text);
    if (body.len == 0 || base64_decoded_max(body.len) > sizeof(der) ||
        !base64_decode(body, true, der, &len))
        return NULL;
    EVP_PKEY *key = from_der(der, len);
    ERR_clear_error();
    return key;
}

bool device_crypto_is_type(EVP_PKEY *key, struct str type)
{
    return EVP_PKEY_is_a(key, str_is(type, "ec") ? "EC" : "RSA");
}

bool device_crypto_fingerprint(EVP_PKEY *key, char out[FINGERPRINT_BYTES])
{
    uint8_t *der = NULL;
    uint8_t digest[SHA256_BYTES];
    const int len = i2d_PUBKEY(key, &der);
    const bool made =
        len > 0 && crypto_sha256((struct str){(const char *)der, (size_t)len}, digest);
    OPENSSL_free(der);
    if (made)
        hex_encode(digest, sizeof(digest), out);
    return made;
}

/* padding 0: the key's own. */
static bool verifies(EVP_PKEY *key, int padding, struct str challenge, const uint8_t *signature,
                     size_t signature_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL;
    const bool good = context &&
                      EVP_DigestVerifyInit(context, &key_context, EVP_sha256(), NULL, key) == 1 &&
                      (padding == 0 || EVP_PKEY_CTX_set_rsa_padding(key_context, padding) > 0) &&
                      EVP_DigestVerify(context, signature, signature_len,
                                       (const uint8_t *)challenge.ptr, challenge.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

bool device_crypto_verify(EVP_PKEY *key, struct str challenge, struct str signature)
{
    uint8_t bytes[SIGNATURE_TEXT_MAX];
    size_t len = 0;
    if (base64_decoded_max(signature.len) > sizeof(bytes) ||
        !(base64_decode(signature, true, bytes, &len) || base64url_decode(signature, bytes, &len)))
        return false;
    if (EVP_PKEY_is_a(key, "EC"))
        return verifies(key, 0, challenge, bytes, len);
    return verifies(key, RSA_PKCS1_PADDING, challenge, bytes, len) ||
           verifies(key, RSA_PKCS1_PSS_PADDING, challenge, bytes, len);
}
