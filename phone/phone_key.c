/* SPDX-License-Identifier: Apache-2.0
 * What the mobile SDK does in hardware, done on EVP. */
#include "phone/phone_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"

enum { RSA_BITS = 2048, SIGNATURE_BYTES_MAX = 1024 };

EVP_PKEY *phone_key_make(const char *type)
{
    return strcmp(type, "rsa") == 0 ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
}

bool phone_key_save(EVP_PKEY *key, const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        perror(path);
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    const int written = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    return fclose(file) == 0 && written == 1;
}

EVP_PKEY *phone_key_load(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void)fclose(file);
    ERR_clear_error();
    return key;
}

bool phone_key_public(EVP_PKEY *key, struct buf *out)
{
    uint8_t *der = NULL;
    const int len = i2d_PUBKEY(key, &der);
    if (len > 0)
        base64_append(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0 && buf_ok(out);
}

bool phone_key_sign(EVP_PKEY *key, struct str challenge, bool spoil, struct buf *out)
{
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t len = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool made = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                      EVP_DigestSign(context, signature, &len, (const uint8_t *)challenge.ptr,
                                     challenge.len) == 1;
    EVP_MD_CTX_free(context);
    if (!made)
        return false;
    if (spoil)
        signature[len - 1] ^= 1;
    base64_append(out, signature, len);
    return buf_ok(out);
}
