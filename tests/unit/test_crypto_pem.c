/* SPDX-License-Identifier: Apache-2.0
 * base/crypto_pem: certificate bundles (one, two, none, damaged) and private keys (RSA long enough,
 * too short, EC, encrypted, rubbish). */
#include "base/crypto_pem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
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

static void certificate_text(EVP_PKEY *key, char out[PEM_BYTES])
{
    X509 *x = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(bio, x), 1);
    take_text(bio, out);
    X509_free(x);
}

START_TEST(an_unencrypted_rsa_key_of_2048_bits_is_good)
{
    char pem[PEM_BYTES];
    EVP_PKEY *key = EVP_RSA_gen(2048);
    key_text(key, NULL, pem);
    ck_assert(crypto_pem_is_rsa_private_key(str_of(pem)));
    ck_assert(!crypto_pem_has_certificates(str_of(pem)));

    key_text(key, "secret", pem);
    ck_assert(!crypto_pem_is_rsa_private_key(str_of(pem)));
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(other_keys_and_rubbish_are_refused)
{
    char pem[PEM_BYTES];
    EVP_PKEY *key = EVP_RSA_gen(1024);
    key_text(key, NULL, pem);
    ck_assert(!crypto_pem_is_rsa_private_key(str_of(pem)));
    EVP_PKEY_free(key);

    key = EVP_EC_gen("P-256");
    key_text(key, NULL, pem);
    ck_assert(!crypto_pem_is_rsa_private_key(str_of(pem)));
    EVP_PKEY_free(key);

    ck_assert(!crypto_pem_is_rsa_private_key(STR("")));
    ck_assert(!crypto_pem_is_rsa_private_key(STR("rubbish")));
    ck_assert(!crypto_pem_is_rsa_private_key(
        STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")));
}
END_TEST

START_TEST(bundles_of_certificates_are_good_unless_one_is_damaged)
{
    char one[PEM_BYTES], two[2 * PEM_BYTES + 32];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    certificate_text(key, one);
    EVP_PKEY_free(key);
    ck_assert(crypto_pem_has_certificates(str_of(one)));
    ck_assert(!crypto_pem_is_rsa_private_key(str_of(one)));

    (void)snprintf(two, sizeof(two), "# first\n%s\n# second\n%s", one, one);
    ck_assert(crypto_pem_has_certificates(str_of(two)));

    /* A byte in the middle of the second one. */
    char *at = strstr(two, "# second") + 80;
    *at = '!';
    ck_assert(!crypto_pem_has_certificates(str_of(two)));
    ck_assert(!crypto_pem_has_certificates(STR("")));
    ck_assert(!crypto_pem_has_certificates(STR("rubbish\n")));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("crypto_pem");
    tcase_add_test(t, an_unencrypted_rsa_key_of_2048_bits_is_good);
    tcase_add_test(t, other_keys_and_rubbish_are_refused);
    tcase_add_test(t, bundles_of_certificates_are_good_unless_one_is_damaged);
    return unit_run(t, "crypto_pem");
}
