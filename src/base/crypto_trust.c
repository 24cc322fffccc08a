/* SPDX-License-Identifier: Apache-2.0
 * One X509_STORE; see crypto_trust.h. No certificate is added once it was parsed, OpenSSL locks
 * its look-ups and counts its references: so connections of all threads may verify with it.
 * (libcurl 7.88 sets flags on it that it has already.) */
#include "base/crypto_trust.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct trust {
    atomic_uint owners;
    X509_STORE *store; /* owned */
};

/* OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    return -1;
}

/* The number of certificates; 0 when there is none, or something else than certificates. */
static size_t add_all(X509_STORE *store, BIO *in)
{
    size_t count = 0;
    bool good = true;

    ERR_clear_error();
    for (;;) {
        X509 *certificate = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
        if (!certificate)
            break;
        good = X509_STORE_add_cert(store, certificate) == 1 && good;
        X509_free(certificate);
        count++;
    }
    /* The orderly end is "no further PEM block"; anything else is damage. */
    good = good && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return good ? count : 0;
}

struct trust *trust_parse(struct str pem)
{
    struct trust *t = calloc(1, sizeof(*t));
    BIO *in = pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;

    if (t) {
        atomic_init(&t->owners, 1);
        t->store = X509_STORE_new();
    }
    /* A certificate that is named here is trusted whether or not it signed itself. */
    const bool good = in && t && t->store &&
                      X509_STORE_set_flags(t->store, X509_V_FLAG_TRUSTED_FIRST |
                                                         X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                      add_all(t->store, in) > 0;
    BIO_free(in);
    if (good)
        return t;
    trust_free(t);
    return NULL;
}

struct trust *trust_share(struct trust *t)
{
    (void)atomic_fetch_add_explicit(&t->owners, 1, memory_order_relaxed);
    return t;
}

void trust_free(struct trust *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->owners, 1, memory_order_acq_rel) > 1)
        return;
    X509_STORE_free(t->store);
    free(t);
}

bool trust_give(const struct trust *t, void *ssl_ctx)
{
    if (X509_STORE_up_ref(t->store) != 1)
        return false;
    SSL_CTX_set_cert_store(ssl_ctx, t->store); /* takes the reference */
    return true;
}
