/* SPDX-License-Identifier: Apache-2.0
 * identity/device_key: a text is a key of one type at most, and a refusal says why. The bytes are
 * also taken for the DER itself: what passes is a public key for OpenSSL too. */
#include "fuzz.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "identity/jwk.h"

enum { DER_BYTES_MAX = 4096 };

/* Whether it passed. */
static bool check_text(struct str text, enum device_key_type *ret_type)
{
    const char *what_rsa = NULL;
    const char *what_ec = NULL;
    const bool rsa = device_key_check(text, DEVICE_KEY_RSA, &what_rsa);
    const bool ec = device_key_check(text, DEVICE_KEY_EC, &what_ec);

    FUZZ_CHECK(!rsa || !ec);
    FUZZ_CHECK(rsa || what_rsa);
    FUZZ_CHECK(ec || what_ec);
    *ret_type = rsa ? DEVICE_KEY_RSA : DEVICE_KEY_EC;
    return rsa || ec;
}

static bool openssl_takes(const uint8_t *der, size_t len, enum device_key_type type)
{
    const uint8_t *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)len);

    if (!key && type == DEVICE_KEY_RSA) {
        at = der;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)len);
    }
    const bool taken =
        key && at == der + len && EVP_PKEY_is_a(key, type == DEVICE_KEY_RSA ? "RSA" : "EC");
    EVP_PKEY_free(key);
    return taken;
}

static void check_der(const uint8_t *der, size_t len)
{
    AUTO_BUF struct buf text;
    enum device_key_type type;

    buf_init(&text, 2 * DER_BYTES_MAX);
    base64_append(&text, der, len);
    if (buf_ok(&text) && check_text(buf_str(&text), &type))
        FUZZ_CHECK(openssl_takes(der, len, type));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    enum device_key_type type;

    FUZZ_CHECK(crypto_init());
    (void)check_text((struct str){(const char *)bytes, len}, &type);
    if (len <= DER_BYTES_MAX)
        check_der(bytes, len);
    return 0;
}
