/* SPDX-License-Identifier: Apache-2.0
 * net/http_client and the certificate that the server shows: readable in the callback, also where
 * the handle of the call is gone by then. A sanitizer sees more than the comparison does. */
#include "unit.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/crypto_trust.h"
#include "net/http_client.h"

enum { GUARD_MS = 30000, DEADLINE_MS = 15000, PEM_BYTES = 8192 };

/* ---- a server for one connection and one request */

static struct {
    EVP_PKEY *key;
    X509 *certificate;
    char pem[PEM_BYTES];
    SSL_CTX *context;
    int listen_fd;
    uint16_t port;
    const char *answer; /* "": none */
    pthread_t thread;
} server;

static void make_certificate(void)
{
    X509 *x = server.certificate = X509_new();
    server.key = EVP_EC_gen("P-256");
    ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"server", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, server.key);
    X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    ck_assert_int_eq(X509_add_ext(x, name, -1), 1);
    X509_EXTENSION_free(name);
    ck_assert_int_gt(X509_sign(x, server.key, EVP_sha256()), 0);

    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(bio, x), 1);
    const int n = BIO_read(bio, server.pem, PEM_BYTES - 1);
    ck_assert_int_gt(n, 0);
    server.pem[n] = '\0';
    BIO_free(bio);
}

static void *serve(void *arg)
{
    char request[4096];
    SSL *ssl = SSL_new(server.context);
    const int fd = accept(server.listen_fd, NULL, NULL);

    if (fd >= 0 && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
        SSL_read(ssl, request, sizeof(request)) > 0) {
        if (server.answer[0] != '\0')
            (void)SSL_write(ssl, server.answer, (int)strlen(server.answer));
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    (void)close(fd);
    return arg;
}

static void server_start(const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    memset(&server, 0, sizeof(server));
    make_certificate();
    server.answer = answer;
    server.context = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(server.context, server.certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(server.context, server.key), 1);
    server.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.listen_fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(server.listen_fd, 8), 0);
    ck_assert_int_eq(getsockname(server.listen_fd, (struct sockaddr *)&address, &len), 0);
    server.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
    (void)pthread_join(server.thread, NULL);
    (void)close(server.listen_fd);
    SSL_CTX_free(server.context);
    X509_free(server.certificate);
    EVP_PKEY_free(server.key);
}

/* ---- one call of a client of its own */

struct got {
    struct loop *loop;
    enum call_result result;
    bool shown;
    char certificate[PEM_BYTES];
};

static void on_guard(struct timer *t)
{
    (void)t;
    ck_abort_msg("a call did not end");
}

static void on_done(void *arg, const struct call_answer *a)
{
    struct got *g = arg;

    g->result = a->result;
    g->shown = a->certificate;
    (void)snprintf(g->certificate, sizeof(g->certificate), "%s",
                   a->certificate ? a->certificate : "");
    loop_stop(g->loop);
}

static struct got call_with(struct http_client_options options)
{
    struct got got = {.loop = loop_create()};
    struct trust *trust = trust_parse(str_of(server.pem));
    struct http_client *client = NULL;
    struct err_text text = {0};
    struct timer guard = {0};
    char url[64];

    options.trust = trust;
    options.connect_timeout_ms = 5000;
    options.connections_max = 1;
    ck_assert_int_eq(http_client_create(got.loop, &options, &client, &text), ERR_OK);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
    const int64_t now_ms = loop_update_now(got.loop);
    const struct call_request request = {
        .method = HTTP_GET, .url = url, .deadline_ms = now_ms + DEADLINE_MS};
    ck_assert_ptr_nonnull(http_client_start(client, &request, on_done, &got));
    timer_start(got.loop, &guard, now_ms + GUARD_MS, on_guard, NULL);
    loop_run(got.loop);
    timer_stop(got.loop, &guard);
    http_client_destroy(client);
    trust_free(trust);
    loop_destroy(got.loop);
    return got;
}

/* libcurl's text and OpenSSL's differ in nothing but where lines end. */
static bool is_of_server(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    const bool same = x && X509_cmp(x, server.certificate) == 0;
    X509_free(x);
    BIO_free(bio);
    return same;
}

static const char GOOD[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

START_TEST(certificate_is_readable_whatever_becomes_of_the_handle)
{
    const struct http_client_options options = {.wants_certificate = true,
                                                .keeps_no_request = _i == 1};
    server_start(GOOD);
    const struct got got = call_with(options);
    ck_assert_int_eq(got.result, CALL_ANSWERED);
    ck_assert(is_of_server(got.certificate));
    server_stop();
}
END_TEST

START_TEST(certificate_is_readable_when_the_call_broke)
{
    server_start("");
    const struct got got = call_with((struct http_client_options){.wants_certificate = true});
    ck_assert_int_eq(got.result, CALL_BROKEN);
    ck_assert(is_of_server(got.certificate));
    server_stop();
}
END_TEST

START_TEST(certificate_is_shown_to_nobody_who_did_not_ask)
{
    server_start(GOOD);
    const struct got got = call_with((struct http_client_options){0});
    ck_assert_int_eq(got.result, CALL_ANSWERED);
    ck_assert(!got.shown);
    server_stop();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http_client_tls");
    (void)signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, certificate_is_readable_whatever_becomes_of_the_handle, 0, 2);
    tcase_add_test(tests, certificate_is_readable_when_the_call_broke);
    tcase_add_test(tests, certificate_is_shown_to_nobody_who_did_not_ask);
    return unit_run(tests, "http_client_tls");
}
