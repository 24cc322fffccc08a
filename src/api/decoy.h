/* SPDX-License-Identifier: Apache-2.0
 * Challenges for users that the vendor does not know: made to look like the last genuine one, in
 * length and alphabet, so that start tells nobody which users exist. Shared by all workers without
 * a lock. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

struct decoy_shape;

/* Before the first genuine challenge: 32 random bytes in base64url. NULL: out of memory. */
NODISCARD struct decoy_shape *decoy_shape_create(void);
void decoy_shape_destroy(struct decoy_shape *d); /* accepts NULL */
/* Any thread. */
void decoy_learn(struct decoy_shape *d, struct str genuine);
/* A random challenge of the shape learnt last. Errors: ERR_NO_MEMORY, ERR_INTERNAL (the system
 * gives no randomness). */
NODISCARD enum err decoy_challenge(const struct decoy_shape *d, struct arena *arena,
                                   struct str *ret);
