/* SPDX-License-Identifier: Apache-2.0
 * PEM checks; see crypto_pem.h. */
#include "base/crypto_pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static BIO *open_text(struct str pem)
{
    return pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

/* OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    return -1;
}

int crypto_pem_rsa_private_key_bits(struct str pem)
{
    BIO *in = open_text(pem);
    if (!in)
        return 0;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    const int bits = key && EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_get_bits(key) : 0;

    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(in);
    return bits;
}
