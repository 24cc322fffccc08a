/* SPDX-License-Identifier: Apache-2.0
 * The emulator's own CA and the certificates it signs at start: one for the server and, for mutual
 * TLS, one for the client. */
#pragma once

#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/auto.h"

struct tls_files {
    char ca[512];          /* PEM, written always */
    char client_cert[512]; /* PEM, written when a client certificate was asked for; else "" */
    char client_key[512];
};

/* Makes all keys and certificates and writes the files below dir (0600 for the key).
 * client_ca_file: authorities of client certificates besides our own; NULL: none. host: an extra
 * name or address for the server's certificate besides localhost, 127.0.0.1 and ::1. Returns NULL
 * on failure, with a line on stderr. */
NODISCARD SSL_CTX *tls_create(const char *dir, const char *host, bool client_certificate,
                              const char *client_ca_file, struct tls_files *ret_files);
