/* SPDX-License-Identifier: Apache-2.0
 * What the crypto files share; nobody else includes it. */
#pragma once

#include <stdbool.h>

/* Called by crypto_init() and crypto_finish(). */
bool crypto_curves_init(void);
void crypto_curves_finish(void);
