/* SPDX-License-Identifier: Apache-2.0
 * One accepted TCP connection, plain or TLS, with blocking reads and writes. Used by its own
 * thread; the server may shut its socket down to end a wait. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "base/auto.h"
#include "base/str.h"

struct connection {
    int fd;
    SSL *ssl;        /* owned; NULL: plain */
    uint64_t number; /* counts from 1 */
};

/* Takes fd. context NULL: plain. Does the TLS handshake. False: closed. */
NODISCARD bool connection_open(struct connection *c, int fd, SSL_CTX *context);
/* Bytes read, 0 when the peer closed or the connection broke. */
size_t connection_read(struct connection *c, char *out, size_t bytes);
/* False: the connection broke. */
bool connection_write(struct connection *c, struct str bytes);
/* A close that the peer sees as an orderly end of stream. */
void connection_close(struct connection *c);
/* A close in the middle: no close_notify, so that a TLS peer sees a truncated stream; reset: a TCP
 * RST instead of an end of stream. */
void connection_drop(struct connection *c, bool reset);
struct client_cert {
    bool trusted;        /* it leads to an authority that the context trusts, and is in force */
    char subject[256];   /* RFC 2253 */
    char thumbprint[48]; /* base64url of the SHA-256 of its DER (x5t#S256) */
};
/* False: the peer showed none. */
NODISCARD bool connection_client_cert(const struct connection *c, struct client_cert *ret);
