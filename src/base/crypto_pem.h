/* SPDX-License-Identifier: Apache-2.0
 * Looks into PEM files of the configuration at start, so that a wrong file is refused there and not
 * at the first call. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

/* The size of its modulus; 0: it is no unencrypted RSA private key (PKCS#8 or PKCS#1). */
NODISCARD int crypto_pem_rsa_private_key_bits(struct str pem);
/* One of at least 2048 bits. */
NODISCARD bool crypto_pem_is_rsa_private_key(struct str pem);
