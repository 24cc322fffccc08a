/* SPDX-License-Identifier: Apache-2.0
 * Blocking I/O: the emulator has one thread for each connection, which keeps handlers plain. */
#include "emulator/connection.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "base/base64.h"
#include "base/buf.h"

bool connection_open(struct connection *c, int fd, SSL_CTX *context)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->fd = fd;
    if (!context)
        return true;

    c->ssl = SSL_new(context);
    if (c->ssl && SSL_set_fd(c->ssl, fd) == 1 && SSL_accept(c->ssl) == 1)
        return true;
    ERR_clear_error();
    connection_close(c);
    return false;
}

size_t connection_read(struct connection *c, char *out, size_t bytes)
{
    if (c->ssl) {
        size_t got = 0;
        const bool ok = SSL_read_ex(c->ssl, out, bytes, &got) == 1;
        ERR_clear_error();
        return ok ? got : 0;
    }
    ssize_t got = 0;
    do
        got = recv(c->fd, out, bytes, 0);
    while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}

bool connection_write(struct connection *c, struct str bytes)
{
    if (c->ssl) {
        size_t sent = 0;
        const bool ok = bytes.len == 0 || SSL_write_ex(c->ssl, bytes.ptr, bytes.len, &sent) == 1;
        ERR_clear_error();
        return ok;
    }
    while (bytes.len > 0) {
        const ssize_t sent = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        bytes.ptr += sent;
        bytes.len -= (size_t)sent;
    }
    return true;
}

void connection_close(struct connection *c)
{
    if (c->ssl) {
        (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        ERR_clear_error();
    }
    if (c->fd >= 0)
        (void)close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
}

void connection_drop(struct connection *c, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    SSL_free(c->ssl);
    (void)close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
}

static void print_subject(X509 *cert, char *out, size_t bytes)
{
    BIO *bio = BIO_new(BIO_s_mem());
    out[0] = '\0';
    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        const int len = BIO_read(bio, out, (int)bytes - 1);
        out[len > 0 ? len : 0] = '\0';
    }
    BIO_free(bio);
}

static void print_thumbprint(X509 *cert, char *out, size_t bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    AUTO_BUF struct buf text = {0};
    buf_init(&text, bytes);
    if (X509_digest(cert, EVP_sha256(), digest, &len) == 1)
        base64url_append(&text, digest, len);
    snprintf(out, bytes, "%s", text.ptr ? text.ptr : "");
}

bool connection_client_cert(const struct connection *c, struct client_cert *ret)
{
    X509 *cert = c->ssl ? SSL_get1_peer_certificate(c->ssl) : NULL;
    if (!cert)
        return false;
    ret->trusted = SSL_get_verify_result(c->ssl) == X509_V_OK;
    print_subject(cert, ret->subject, sizeof(ret->subject));
    print_thumbprint(cert, ret->thumbprint, sizeof(ret->thumbprint));
    X509_free(cert);
    return true;
}
