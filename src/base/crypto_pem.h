/* SPDX-License-Identifier: Apache-2.0
 * How long a private key is, for whoever gives advice on it; what is refused is judged in
 * crypto_client.h. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

/* The size of its modulus; 0: it is no unencrypted RSA private key (PKCS#8 or PKCS#1). */
NODISCARD int crypto_pem_rsa_private_key_bits(struct str pem);
