/* SPDX-License-Identifier: Apache-2.0
 * See crypto_certificate.h. */
#include "base/crypto_certificate.h"

#include <limits.h>

#include <openssl/pem.h>

#include "base/crypto.h"
#include "base/crypto_internal.h"

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

void x509_name_text(const X509_NAME *name, char *to, size_t room)
{
    AUTO(free_bio) BIO *out = BIO_new(BIO_s_mem());
    int n = -1;

    if (out && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0)
        n = BIO_read(out, to, (int)room - 1);
    to[n > 0 ? n : 0] = '\0';
}

/* OpenSSL compares calendars; that there is none in the C library for UTC text is its own story. */
int64_t x509_time_s(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    const bool good = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    return good ? (int64_t)days * 86400 + seconds : 0;
}

bool certificate_read(struct str pem, struct certificate_facts *ret)
{
    AUTO(free_bio)
    BIO *in = pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    AUTO(free_certificate) X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

    if (!certificate)
        return crypto_refuse(!in && pem.len > 0);
    x509_name_text(X509_get_subject_name(certificate), ret->subject, sizeof(ret->subject));
    x509_name_text(X509_get_issuer_name(certificate), ret->issuer, sizeof(ret->issuer));
    ret->expires_s = x509_time_s(X509_get0_notAfter(certificate));
    return ret->expires_s != 0;
}
