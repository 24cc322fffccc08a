/* SPDX-License-Identifier: Apache-2.0
 * base/crypto_trust: what is a bundle (one, two, none, damaged, a key), and that contexts of many
 * threads verify with one parsed bundle, also when its owner let it go. */
#include "base/crypto_trust.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>

#include "unit.h"

enum { PEM_BYTES = 8192, THREADS = 4, ROUNDS = 50 };

static EVP_PKEY *key;
static X509 *certificate;
static char pem[PEM_BYTES];

static X509 *make_certificate(const char *name)
{
    X509 *x = X509_new();
    ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    return x;
}

static void write_text(X509 *x, char out[PEM_BYTES])
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(bio, x), 1);
    const int n = BIO_read(bio, out, PEM_BYTES - 1);
    ck_assert_int_gt(n, 0);
    out[n] = '\0';
    BIO_free(bio);
}

static void setup(void)
{
    key = EVP_EC_gen("P-256");
    certificate = make_certificate("known");
    write_text(certificate, pem);
}

static void teardown(void)
{
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static bool verifies(SSL_CTX *context, X509 *x)
{
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    ck_assert_int_eq(X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(context), x, NULL), 1);
    const bool good = X509_verify_cert(v) == 1;
    X509_STORE_CTX_free(v);
    return good;
}

static bool is_bundle(struct str text)
{
    struct trust *t = trust_parse(text);
    trust_free(t);
    return t;
}

START_TEST(bundles_of_certificates_are_good_unless_one_is_damaged)
{
    char two[2 * PEM_BYTES + 32];
    ck_assert(is_bundle(str_of(pem)));

    (void)snprintf(two, sizeof(two), "# first\n%s\n# second\n%s", pem, pem);
    ck_assert(is_bundle(str_of(two)));

    /* A byte in the middle of the second one. */
    *(strstr(two, "# second") + 80) = '!';
    ck_assert(!is_bundle(str_of(two)));
    ck_assert(!is_bundle(STR("")));
    ck_assert(!is_bundle(STR("rubbish\n")));
}
END_TEST

START_TEST(a_key_is_no_certificate)
{
    char text[PEM_BYTES] = {0};
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_gt(BIO_read(bio, text, PEM_BYTES - 1), 0);
    BIO_free(bio);
    ck_assert(!is_bundle(str_of(text)));
}
END_TEST

START_TEST(a_context_trusts_what_it_was_given_and_nothing_else)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    X509 *stranger = make_certificate("stranger");
    struct trust *t = trust_parse(str_of(pem));
    ck_assert_ptr_nonnull(t);

    ck_assert(!verifies(context, certificate));
    ck_assert(trust_give(t, context));
    trust_free(t);
    ck_assert(verifies(context, certificate));
    ck_assert(!verifies(context, stranger));

    X509_free(stranger);
    SSL_CTX_free(context);
}
END_TEST

static void *verify_often(void *arg)
{
    size_t good = 0;

    for (int i = 0; i < ROUNDS; i++) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        good += trust_give(arg, context) && verifies(context, certificate);
        SSL_CTX_free(context);
    }
    return good == ROUNDS ? arg : NULL;
}

START_TEST(threads_share_it)
{
    struct trust *t = trust_parse(str_of(pem));
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, verify_often, t), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *good = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &good), 0);
        ck_assert_ptr_nonnull(good);
    }
    trust_free(t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("crypto_trust");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, bundles_of_certificates_are_good_unless_one_is_damaged);
    tcase_add_test(t, a_key_is_no_certificate);
    tcase_add_test(t, a_context_trusts_what_it_was_given_and_nothing_else);
    tcase_add_test(t, threads_share_it);
    return unit_run(t, "crypto_trust");
}
