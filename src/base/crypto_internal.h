/* SPDX-License-Identifier: Apache-2.0
 * What the crypto files share; nobody else includes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called by crypto_init() and crypto_finish(). */
bool crypto_curves_init(void);
void crypto_curves_finish(void);

/* ---- crypto_certificate.c: OpenSSL's X509_NAME and ASN1_TIME */
struct X509_name_st;
struct asn1_string_st;
/* As RFC 2253 has it; cut to what fits, "" for want of memory. */
void x509_name_text(const struct X509_name_st *name, char *to, size_t room);
/* Unix seconds; 0: it cannot be read. */
int64_t x509_time_s(const struct asn1_string_st *time);
