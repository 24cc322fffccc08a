/* SPDX-License-Identifier: Apache-2.0
 * Command line of the emulator. Every value has a demo default, so that it runs without arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/auto.h"

enum accepted_auth {
    ACCEPT_ANY,
    ACCEPT_SECRET_POST,
    ACCEPT_SECRET_BASIC,
    ACCEPT_PRIVATE_KEY_JWT,
    ACCEPT_TLS,
};

/* All text is borrowed from argv or literal. */
struct options {
    const char *listen; /* host:port, IPv6 hosts in brackets */
    bool tls;
    const char *tls_name; /* NULL: the listen host */
    const char *dir;      /* NULL: a new temporary directory, removed at exit */
    const char *client_id;
    const char *client_secret;
    const char *admin_client_id;
    const char *admin_client_secret;
    const char *tenant_id;
    const char *issuer;
    enum accepted_auth accepted_auth;
    const char *client_key_file; /* PEM public key or JWKS that verifies assertions; or NULL */
    const char *assertion_alg;   /* the one that assertions must have; NULL: any of the three */
    const char *client_ca_file;  /* PEM of further authorities for client certificates; or NULL */
    const char *client_dn;       /* subject (RFC 2253) of the client's certificate */
    bool bind_tokens;            /* client tokens are good with their certificate alone */
    const char *alg;             /* RS256, PS256 or ES256 */
    const char *call_log_file;   /* NULL: none */
    int64_t token_ttl_s;
    bool exit_with_stdin;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG };

/* Prints what is wrong to err. *ret is complete only with OPTIONS_RUN. */
NODISCARD enum options_result options_parse(int argc, char **argv, struct options *ret, FILE *err);
void options_help(FILE *out);
