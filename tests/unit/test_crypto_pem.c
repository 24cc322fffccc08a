/* SPDX-License-Identifier: Apache-2.0
 * base/crypto_pem: private keys (RSA long enough, too short, EC, encrypted, rubbish). */
#include "base/crypto_pem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "unit.h"

enum { PEM_BYTES = 8192 };

static void take_text(BIO *bio, char out[PEM_BYTES])
{
    const int n = BIO_read(bio, out, PEM_BYTES - 1);
    ck_assert_int_gt(n, 0);
    out[n] = '\0';
    BIO_free(bio);
}

static void key_text(EVP_PKEY *key, const char *passphrase, char out[PEM_BYTES])
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase,
                                                   passphrase ? (int)strlen(passphrase) : 0, NULL,
                                                   NULL),
                     1);
    take_text(bio, out);
}

START_TEST(an_unencrypted_rsa_key_has_a_size)
{
    char pem[PEM_BYTES];
    EVP_PKEY *key = EVP_RSA_gen(2048);
    key_text(key, NULL, pem);
    ck_assert_int_eq(2048, crypto_pem_rsa_private_key_bits(str_of(pem)));

    key_text(key, "secret", pem);
    ck_assert_int_eq(0, crypto_pem_rsa_private_key_bits(str_of(pem)));
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(other_keys_and_rubbish_have_none)
{
    char pem[PEM_BYTES];
    EVP_PKEY *key = EVP_RSA_gen(1024);
    key_text(key, NULL, pem);
    ck_assert_int_eq(1024, crypto_pem_rsa_private_key_bits(str_of(pem)));
    EVP_PKEY_free(key);

    key = EVP_EC_gen("P-256");
    key_text(key, NULL, pem);
    ck_assert_int_eq(0, crypto_pem_rsa_private_key_bits(str_of(pem)));
    EVP_PKEY_free(key);

    ck_assert_int_eq(0, crypto_pem_rsa_private_key_bits(STR("")));
    ck_assert_int_eq(0, crypto_pem_rsa_private_key_bits(STR("rubbish")));
    ck_assert_int_eq(0, crypto_pem_rsa_private_key_bits(
                            STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("crypto_pem");
    tcase_add_test(t, an_unencrypted_rsa_key_has_a_size);
    tcase_add_test(t, other_keys_and_rubbish_have_none);
    return unit_run(t, "crypto_pem");
}
