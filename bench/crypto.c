/* SPDX-License-Identifier: Apache-2.0
 * What OpenSSL itself takes for the two operations that a ceremony cannot do without: verifying an
 * RS256 signature (RSA-2048, PKCS#1 v1.5, SHA-256) with a key that was imported before, and
 * importing an EC P-256 public key from SPKI DER. Prints one line of JSON: the median of many
 * batches, in microseconds of processor time. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 101, RUNS_PER_BATCH = 20, MESSAGE_BYTES = 512, SIGNATURE_MAX_BYTES = 512 };

struct signed_message {
    EVP_PKEY *key;
    EVP_MD *sha256;
    EVP_MD_CTX *context;
    unsigned char message[MESSAGE_BYTES];
    unsigned char signature[SIGNATURE_MAX_BYTES];
    size_t signature_bytes;
};

struct spki {
    unsigned char *der;
    int bytes;
};

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "crypto: %s failed\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_us(void (*run)(void *), void *arg)
{
    double samples[BATCHES];

    for (int i = 0; i < BATCHES; i++) {
        const double begin = cpu_us();
        for (int n = 0; n < RUNS_PER_BATCH; n++)
            run(arg);
        samples[i] = (cpu_us() - begin) / RUNS_PER_BATCH;
    }
    qsort(samples, BATCHES, sizeof(samples[0]), compare);
    return samples[BATCHES / 2];
}

static void sign(struct signed_message *m)
{
    memset(m->message, 'x', sizeof(m->message));
    m->key = EVP_RSA_gen(2048U);
    m->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    m->context = EVP_MD_CTX_new();
    m->signature_bytes = sizeof(m->signature);
    require(m->key && m->sha256 && m->context &&
                EVP_DigestSignInit(m->context, NULL, m->sha256, NULL, m->key) == 1 &&
                EVP_DigestSign(m->context, m->signature, &m->signature_bytes, m->message,
                               sizeof(m->message)) == 1,
            "signing");
}

static void verify(void *arg)
{
    struct signed_message *m = arg;

    require(EVP_MD_CTX_reset(m->context) == 1 &&
                EVP_DigestVerifyInit(m->context, NULL, m->sha256, NULL, m->key) == 1 &&
                EVP_DigestVerify(m->context, m->signature, m->signature_bytes, m->message,
                                 sizeof(m->message)) == 1,
            "verifying");
}

static void make_spki(struct spki *s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    require(key != NULL, "making an EC key");
    s->bytes = i2d_PUBKEY(key, &s->der);
    require(s->bytes > 0, "encoding an EC key");
    EVP_PKEY_free(key);
}

static void import(void *arg)
{
    const struct spki *s = arg;
    const unsigned char *at = s->der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, s->bytes);

    require(key != NULL, "importing an EC key");
    EVP_PKEY_free(key);
}

int main(void)
{
    struct signed_message message = {0};
    struct spki spki = {0};

    sign(&message);
    make_spki(&spki);
    const double verify_us = median_us(verify, &message);
    const double import_us = median_us(import, &spki);
    printf("{\"verify_us\": %.2f, \"import_us\": %.2f}\n", verify_us, import_us);
    EVP_MD_CTX_free(message.context);
    EVP_MD_free(message.sha256);
    EVP_PKEY_free(message.key);
    OPENSSL_free(spki.der);
    return 0;
}
