/* SPDX-License-Identifier: Apache-2.0
 * What a certificate says of itself, for whoever reports on it. It is judged elsewhere: clients' in
 * crypto_client.h, servers' by OpenSSL during the handshake. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

enum { CERTIFICATE_NAME_BYTES = 256 };

struct certificate_facts {
    char subject[CERTIFICATE_NAME_BYTES], issuer[CERTIFICATE_NAME_BYTES]; /* RFC 2253; cut */
    int64_t expires_s;                                                    /* Unix seconds */
};

/* Of the first certificate in the PEM text. False: there is none, or memory is out. */
NODISCARD bool certificate_read(struct str pem, struct certificate_facts *ret);
