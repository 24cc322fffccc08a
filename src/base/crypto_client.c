/* SPDX-License-Identifier: Apache-2.0
 * A private key with its certificate; see crypto_client.h. */
#include "base/crypto_client.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/crypto.h"
#include "base/crypto_certificate.h"
#include "base/crypto_internal.h"
#include "base/secret.h"
#include "base/wipe.h"

enum { RSA_BITS_MIN = 2048, RSA_EXPONENT_MIN = 65537 };

struct client_identity {
    atomic_uint owners;
    char *key_pem; /* secret_copy(), owned */
    size_t key_pem_len;
    char *certificate_pem; /* owned; NULL: none */
    size_t certificate_pem_len;
    bool is_rsa, is_p256;
    X509 *certificate;      /* owned; NULL: none */
    STACK_OF(X509) * chain; /* owned; those behind it */
    int64_t expires_s;
    char subject[CERTIFICATE_NAME_BYTES];
};

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static BIO *open_text(struct str pem)
{
    return pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

/* OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    bool *asked = arg;
    (void)buf;
    (void)size;
    (void)for_writing;

    if (asked)
        *asked = true;
    return -1;
}

static enum err refuse(struct client_identity_problem *p, enum client_identity_part part,
                       const char *text)
{
    p->part = part;
    if (crypto_lacked_memory())
        return ERR_NO_MEMORY;
    return err_set(&p->text, ERR_INTERNAL, "%s", text);
}

/* ---- the key */

static EVP_PKEY *read_key(struct str pem, bool *ret_encrypted)
{
    AUTO(free_bio) BIO *in = open_text(pem);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, ret_encrypted) : NULL;

    if (!key)
        (void)crypto_refuse(!in && pem.len > 0);
    return key;
}

static bool is_on(EVP_PKEY *key, const char *curve)
{
    char name[64];
    size_t len = 0;

    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1 && strcmp(name, curve) == 0;
}

static bool has_good_exponent(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    const bool good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                      (BN_num_bits(e) > 32 || BN_get_word(e) >= RSA_EXPONENT_MIN);

    BN_free(e);
    return good;
}

/* NULL: it is good enough. */
static const char *weakness_of(EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA")) {
        if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
            return "the RSA key is too short: give one of at least 2048 bits";
        return has_good_exponent(key)
                   ? NULL
                   : "the RSA key's exponent is too small: give a key with 65537";
    }
    if (is_on(key, "prime256v1") || is_on(key, "secp384r1") || is_on(key, "secp521r1"))
        return NULL;
    return "the key is of another kind: give an RSA key, or an EC key on P-256, P-384 or P-521";
}

static enum err take_key(struct client_identity *c, struct str pem,
                         struct client_identity_problem *reterr)
{
    bool encrypted = false;
    AUTO(free_key) EVP_PKEY *key = read_key(pem, &encrypted);

    if (!key)
        return refuse(reterr, CLIENT_KEY,
                      encrypted ? "the key needs a passphrase, which nobody would be there to "
                                  "type: give it without one"
                                : "the file must hold an unencrypted PEM private key");
    const char *weakness = weakness_of(key);
    if (weakness)
        return refuse(reterr, CLIENT_KEY, weakness);
    c->is_rsa = EVP_PKEY_is_a(key, "RSA");
    c->is_p256 = is_on(key, "prime256v1");
    c->key_pem = secret_copy(pem);
    c->key_pem_len = pem.len;
    return c->key_pem ? ERR_OK : ERR_NO_MEMORY;
}

/* ---- the certificate */

/* All of them, the first apart. False: none, a damaged one, or out of memory. */
static bool read_chain(struct client_identity *c, BIO *in)
{
    bool good = true;

    c->chain = sk_X509_new_null();
    ERR_clear_error();
    while (in && c->chain) {
        X509 *next = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
        if (!next)
            break;
        if (!c->certificate)
            c->certificate = next;
        else if (sk_X509_push(c->chain, next) == 0) {
            X509_free(next);
            good = false;
        }
    }
    /* The orderly end is "no further PEM block"; anything else is damage. */
    good = good && c->certificate && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    return good || crypto_refuse(!in || !c->chain);
}

static void take_expiry(struct client_identity *c)
{
    c->expires_s = x509_time_s(X509_get0_notAfter(c->certificate));
    for (int i = 0; i < sk_X509_num(c->chain); i++) {
        const int64_t end_s = x509_time_s(X509_get0_notAfter(sk_X509_value(c->chain, i)));
        c->expires_s = end_s < c->expires_s ? end_s : c->expires_s;
    }
}

/* An issuer's clock may be ahead of this one. */
enum { NOT_BEFORE_LEEWAY_S = 60 };

static enum err judge_period(const struct client_identity *c, int64_t now_s,
                             struct client_identity_problem *reterr)
{
    reterr->part = CLIENT_CERTIFICATE;
    if (c->expires_s <= now_s)
        return err_set(&reterr->text, ERR_INTERNAL,
                       "the certificate, or one of its chain, expired %lld days ago: give one that "
                       "is in force",
                       (long long)((now_s - c->expires_s) / 86400));
    if (x509_time_s(X509_get0_notBefore(c->certificate)) > now_s + NOT_BEFORE_LEEWAY_S)
        return err_set(&reterr->text, ERR_INTERNAL,
                       "the certificate is not in force yet: look at its date and this clock");
    return ERR_OK;
}

/* OpenSSL's own judgement: a hash or a key that its security level does not take. */
static bool is_taken(const struct client_identity *c)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const bool taken = context && client_identity_give(c, context);

    SSL_CTX_free(context);
    return taken || crypto_refuse(!context);
}

static enum err judge_certificate(const struct client_identity *c, int64_t now_s,
                                  struct client_identity_problem *reterr)
{
    AUTO(free_key) EVP_PKEY *key = read_key((struct str){c->key_pem, c->key_pem_len}, NULL);

    if (!key)
        return ERR_NO_MEMORY; /* it could be read a moment ago */
    if (X509_check_private_key(c->certificate, key) != 1) {
        (void)crypto_refuse(false);
        return refuse(reterr, CLIENT_CERTIFICATE,
                      "the certificate is not for the key in BFF_CLIENT_KEY_FILE: give the two "
                      "that belong together");
    }
    const enum err e = judge_period(c, now_s, reterr);
    if (e != ERR_OK)
        return e;
    if (X509_check_purpose(c->certificate, X509_PURPOSE_SSL_CLIENT, 0) != 1)
        return refuse(reterr, CLIENT_CERTIFICATE,
                      "the certificate's key usage is not that of a TLS client: give one with "
                      "extendedKeyUsage clientAuth");
    if (!is_taken(c))
        return refuse(reterr, CLIENT_CERTIFICATE,
                      "the certificate is signed too weakly for TLS: give one signed with SHA-256 "
                      "or better");
    return ERR_OK;
}

static enum err take_certificate(struct client_identity *c, struct str pem, int64_t now_s,
                                 struct client_identity_problem *reterr)
{
    AUTO(free_bio) BIO *in = open_text(pem);

    c->certificate_pem = strndup(pem.ptr, pem.len);
    c->certificate_pem_len = pem.len;
    if (!c->certificate_pem)
        return ERR_NO_MEMORY;
    if (pem.len == 0 || !read_chain(c, in))
        return refuse(reterr, CLIENT_CERTIFICATE,
                      "the file must hold PEM certificates and nothing damaged");
    take_expiry(c);
    x509_name_text(X509_get_subject_name(c->certificate), c->subject, sizeof(c->subject));
    return judge_certificate(c, now_s, reterr);
}

/* ---- the identity */

enum err client_identity_parse(struct str key_pem, struct str certificate_pem, int64_t now_s,
                               struct client_identity **ret, struct client_identity_problem *reterr)
{
    struct client_identity *c = calloc(1, sizeof(*c));

    if (!c)
        return ERR_NO_MEMORY;
    atomic_init(&c->owners, 1);
    (void)crypto_lacked_memory();
    enum err e = take_key(c, key_pem, reterr);
    if (e == ERR_OK && certificate_pem.ptr)
        e = take_certificate(c, certificate_pem, now_s, reterr);
    if (e == ERR_OK)
        *ret = c;
    else
        client_identity_free(c);
    return e;
}

struct client_identity *client_identity_share(struct client_identity *c)
{
    (void)atomic_fetch_add_explicit(&c->owners, 1, memory_order_relaxed);
    return c;
}

void client_identity_free(struct client_identity *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->owners, 1, memory_order_acq_rel) > 1)
        return;
    secret_free(c->key_pem);
    free(c->certificate_pem);
    X509_free(c->certificate);
    sk_X509_pop_free(c->chain, X509_free);
    free(c);
}

bool client_identity_is_of(const struct client_identity *c, struct str key_pem,
                           struct str certificate_pem)
{
    return crypto_equal((struct str){c->key_pem, c->key_pem_len}, key_pem) &&
           !c->certificate_pem == !certificate_pem.ptr &&
           crypto_equal((struct str){c->certificate_pem, c->certificate_pem_len}, certificate_pem);
}

bool client_identity_same(const struct client_identity *a, const struct client_identity *b)
{
    return a == b ||
           (a && b &&
            client_identity_is_of(a, (struct str){b->key_pem, b->key_pem_len},
                                  (struct str){b->certificate_pem, b->certificate_pem_len}));
}

int64_t client_identity_expires_s(const struct client_identity *c)
{
    return c->expires_s;
}

const char *client_identity_subject(const struct client_identity *c)
{
    return c->subject;
}

const struct client_identity *client_identity_shown(const struct client_identity *c)
{
    return c && c->certificate ? c : NULL;
}

static bool give(const struct client_identity *c, void *ssl_ctx)
{
    AUTO(free_key) EVP_PKEY *key = read_key((struct str){c->key_pem, c->key_pem_len}, NULL);

    return (key && SSL_CTX_use_certificate(ssl_ctx, c->certificate) == 1 &&
            SSL_CTX_set1_chain(ssl_ctx, c->chain) == 1 &&
            SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1) ||
           crypto_refuse(false);
}

/* OpenSSL frees the decoded text of the key as it is, and this may be a worker's thread. */
bool client_identity_give(const struct client_identity *c, void *ssl_ctx)
{
    if (!c->certificate)
        return true;
    const bool before = wipe_while(true);
    const bool given = give(c, ssl_ctx);

    (void)wipe_while(before);
    return given;
}

/* ---- signatures */

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void free_ecdsa(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

bool client_identity_can_sign(const struct client_identity *c, enum client_signature as)
{
    return as == CLIENT_SIGNS_ES256 ? c->is_p256 : c->is_rsa;
}

static bool set_padding(EVP_PKEY_CTX *context, enum client_signature as)
{
    return as != CLIENT_SIGNS_PS256 ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0);
}

/* OpenSSL writes ASN.1, a JWS wants the two numbers side by side (RFC 7518 section 3.4). */
static bool append_two_numbers(struct buf *out, const uint8_t *der, size_t der_len)
{
    enum { NUMBER_BYTES = 32 };
    uint8_t raw[2 * NUMBER_BYTES];
    AUTO(free_ecdsa) ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_len);

    if (!signature ||
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, NUMBER_BYTES) != NUMBER_BYTES ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + NUMBER_BYTES, NUMBER_BYTES) != NUMBER_BYTES)
        return false;
    buf_append(out, (struct str){(const char *)raw, sizeof(raw)});
    return true;
}

static bool sign(EVP_PKEY *key, enum client_signature as, struct str text, struct buf *out)
{
    AUTO(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings = NULL; /* the context's */
    size_t len = 0;

    if (!context || EVP_DigestSignInit(context, &settings, EVP_sha256(), NULL, key) != 1 ||
        !set_padding(settings, as) ||
        EVP_DigestSign(context, NULL, &len, (const uint8_t *)text.ptr, text.len) != 1)
        return false;
    AUTO_FREE uint8_t *signature = malloc(len);
    if (!signature ||
        EVP_DigestSign(context, signature, &len, (const uint8_t *)text.ptr, text.len) != 1)
        return false;
    if (as == CLIENT_SIGNS_ES256)
        return append_two_numbers(out, signature, len);
    buf_append(out, (struct str){(const char *)signature, len});
    return true;
}

static bool sign_with_key(const struct client_identity *c, enum client_signature as,
                          struct str text, struct buf *out)
{
    AUTO(free_key) EVP_PKEY *key = read_key((struct str){c->key_pem, c->key_pem_len}, NULL);

    return (key && sign(key, as, text, out) && buf_ok(out)) || crypto_refuse(false);
}

bool client_identity_sign(const struct client_identity *c, enum client_signature as,
                          struct str text, struct buf *out)
{
    if (!client_identity_can_sign(c, as))
        return false;
    const bool before = wipe_while(true);
    const bool is_signed = sign_with_key(c, as, text, out);

    (void)wipe_while(before);
    return is_signed;
}
