/* SPDX-License-Identifier: Apache-2.0
 * Certificates live as long as the process: a new CA at each start, so nothing can be trusted by
 * mistake later. */
#include "emulator/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { CERT_DAYS = 30, CERT_BACKDATE_S = 3600 };

/* What one certificate says; issuer NULL: self-signed. */
struct cert_plan {
    const char *common_name;
    EVP_PKEY *key;
    X509 *issuer;
    EVP_PKEY *issuer_key;
    const char *const *extensions; /* name, value, ..., NULL */
};

static bool add_extensions(X509 *cert, const struct cert_plan *plan)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, plan->issuer ? plan->issuer : cert, cert, NULL, NULL, 0);
    for (const char *const *pair = plan->extensions; *pair; pair += 2) {
        X509_EXTENSION *extension = X509V3_EXT_conf(NULL, &context, pair[0], pair[1]);
        if (!extension)
            return false;
        const int added = X509_add_ext(cert, extension, -1);
        X509_EXTENSION_free(extension);
        if (!added)
            return false;
    }
    return true;
}

static bool set_serial(X509 *cert)
{
    uint64_t serial = 0;
    if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
        return false;
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1);
}

static bool fill_cert(X509 *cert, const struct cert_plan *plan)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    const unsigned char *name = (const unsigned char *)plan->common_name;
    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -CERT_BACKDATE_S) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), CERT_DAYS, 0, NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) &&
           X509_set_issuer_name(cert,
                                plan->issuer ? X509_get_subject_name(plan->issuer) : subject) &&
           X509_set_pubkey(cert, plan->key) && add_extensions(cert, plan) &&
           X509_sign(cert, plan->issuer_key, EVP_sha256()) > 0;
}

static X509 *make_cert(const struct cert_plan *plan)
{
    X509 *cert = X509_new();
    if (!cert)
        return NULL;
    if (!fill_cert(cert, plan)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static bool write_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, key ? 0600 : 0644);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        fprintf(stderr, "cannot write %s\n", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    const int written = key ? PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)
                            : PEM_write_X509(file, cert);
    return fclose(file) == 0 && written;
}

static void format_names(char *out, size_t out_bytes, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    const bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    snprintf(out, out_bytes, "DNS:localhost,IP:127.0.0.1,IP:::1,%s:%s", is_address ? "IP" : "DNS",
             host);
}

struct authority {
    X509 *cert;
    EVP_PKEY *key;
};

static void authority_finish(struct authority *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static bool authority_init(struct authority *ca)
{
    static const char *const EXTENSIONS[] = {"basicConstraints",
                                             "critical,CA:TRUE",
                                             "keyUsage",
                                             "critical,keyCertSign",
                                             "subjectKeyIdentifier",
                                             "hash",
                                             NULL};
    ca->key = EVP_EC_gen("P-256");
    if (!ca->key)
        return false;
    ca->cert = make_cert(&(struct cert_plan){.common_name = "Emulator CA",
                                             .key = ca->key,
                                             .issuer_key = ca->key,
                                             .extensions = EXTENSIONS});
    return ca->cert != NULL;
}

static bool use_server_cert(SSL_CTX *context, const struct authority *ca, const char *host)
{
    char names[512];
    format_names(names, sizeof(names), host);
    const char *const extensions[] = {
        "subjectAltName", names, "extendedKeyUsage", "serverAuth", "authorityKeyIdentifier",
        "keyid",          NULL};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_cert(&(struct cert_plan){.common_name = "Emulator",
                                                     .key = key,
                                                     .issuer = ca->cert,
                                                     .issuer_key = ca->key,
                                                     .extensions = extensions})
                     : NULL;
    const bool used = cert && SSL_CTX_use_certificate(context, cert) == 1 &&
                      SSL_CTX_use_PrivateKey(context, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    return used;
}

/* Every certificate is let in: it is the token endpoint that judges it, and says so. */
static int let_in(int good, X509_STORE_CTX *verification)
{
    (void)good;
    (void)verification;
    return 1;
}

/* Writes a client certificate and asks every peer for one; who shows none is still let in, because
 * only the token endpoint requires it. */
static bool accept_client_certs(SSL_CTX *context, const struct authority *ca,
                                const char *client_ca_file, const struct tls_files *files)
{
    static const char *const EXTENSIONS[] = {"extendedKeyUsage", "clientAuth", NULL};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_cert(&(struct cert_plan){.common_name = "Emulator client",
                                                     .key = key,
                                                     .issuer = ca->cert,
                                                     .issuer_key = ca->key,
                                                     .extensions = EXTENSIONS})
                     : NULL;
    const bool written = cert && write_pem(files->client_cert, cert, NULL) &&
                         write_pem(files->client_key, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, let_in);
    if (client_ca_file && SSL_CTX_load_verify_file(context, client_ca_file) != 1)
        return false;
    return written && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca->cert) == 1;
}

static bool set_up(SSL_CTX *context, const char *host, const char *client_ca_file,
                   const struct tls_files *files)
{
    struct authority ca = {0};
    bool done = authority_init(&ca) && write_pem(files->ca, ca.cert, NULL) &&
                use_server_cert(context, &ca, host);
    if (done && files->client_cert[0])
        done = accept_client_certs(context, &ca, client_ca_file, files);
    authority_finish(&ca);
    return done;
}

SSL_CTX *tls_create(const char *dir, const char *host, bool client_certificate,
                    const char *client_ca_file, struct tls_files *ret_files)
{
    struct tls_files files = {0};
    snprintf(files.ca, sizeof(files.ca), "%s/ca.pem", dir);
    if (client_certificate) {
        snprintf(files.client_cert, sizeof(files.client_cert), "%s/client-cert.pem", dir);
        snprintf(files.client_key, sizeof(files.client_key), "%s/client-key.pem", dir);
    }

    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    static const unsigned char SESSION_CONTEXT[] = "emulator";
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
        !SSL_CTX_set_session_id_context(context, SESSION_CONTEXT, sizeof(SESSION_CONTEXT) - 1) ||
        !set_up(context, host, client_ca_file, &files)) {
        fprintf(stderr, "cannot make the TLS certificates\n");
        SSL_CTX_free(context);
        return NULL;
    }
    *ret_files = files;
    return context;
}
