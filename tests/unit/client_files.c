/* SPDX-License-Identifier: Apache-2.0
 * Keys and certificates as PEM texts; see client_files.h. */
#include "client_files.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "unit.h"

EVP_PKEY *files_key(const char *kind)
{
    EVP_PKEY *key = NULL;
    if (strcmp(kind, "RSA") == 0)
        key = EVP_RSA_gen(2048);
    else if (strcmp(kind, "RSA-1024") == 0)
        key = EVP_RSA_gen(1024);
    else if (strcmp(kind, "ED25519") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    else
        key = EVP_EC_gen(kind);
    ck_assert_ptr_nonnull(key);
    return key;
}

static char *text_of(BIO *bio)
{
    char *bytes = NULL;
    const long len = BIO_get_mem_data(bio, &bytes);
    char *text = calloc(1, (size_t)len + 1); /* what the BIO holds has no end of its own */
    ck_assert_ptr_nonnull(text);
    memcpy(text, bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

char *files_key_pem(EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(
        PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                                      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    return text_of(bio);
}

static void add_usage(X509 *x, const char *usage)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

char *files_certificate_pem(const struct files_certificate *what)
{
    X509 *x = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    const int64_t from_s = what->from_s ? what->from_s : FILES_NOW_S - FILES_DAY_S;
    const int64_t until_s = what->until_s ? what->until_s : FILES_NOW_S + 30 * FILES_DAY_S;
    ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notBefore(x), from_s));
    ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notAfter(x), until_s));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)what->name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, what->key);
    add_usage(x, what->extended_usage ? what->extended_usage : "clientAuth");
    ck_assert_int_gt(X509_sign(x, what->issuer_key ? what->issuer_key : what->key, EVP_sha256()),
                     0);
    ck_assert_int_eq(PEM_write_bio_X509(bio, x), 1);
    X509_free(x);
    return text_of(bio);
}

struct client_identity *files_identity(const char *kind)
{
    EVP_PKEY *key = files_key(kind);
    AUTO_FREE char *pem = files_key_pem(key, NULL);
    struct client_identity *identity = NULL;
    struct client_identity_problem problem = {0};
    ck_assert_int_eq(
        client_identity_parse(str_of(pem), (struct str){0}, FILES_NOW_S, &identity, &problem),
        ERR_OK);
    EVP_PKEY_free(key);
    return identity;
}

void free_identity(struct client_identity **identity)
{
    client_identity_free(*identity);
}

void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
