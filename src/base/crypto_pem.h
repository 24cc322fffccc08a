/* SPDX-License-Identifier: Apache-2.0
 * Looks into PEM files of the configuration at start, so that a wrong file is refused there and not
 * at the first call. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

/* An unencrypted RSA private key (PKCS#8 or PKCS#1) of at least 2048 bits. */
NODISCARD bool crypto_pem_is_rsa_private_key(struct str pem);
