/* SPDX-License-Identifier: Apache-2.0
 * The sealed box under the handles: bytes in, handle text out. Not for other modules. */
#pragma once

#include "identity/seal.h"

/* Appends the handle text. Errors: ERR_INTERNAL (no randomness, or longer than HANDLE_CHARS_MAX),
 * ERR_NO_MEMORY. */
NODISCARD enum err seal_box(const struct seal_ring *r, enum seal_purpose purpose, struct str plain,
                            struct buf *out);
/* Errors: ERR_CHALLENGE_INVALID or ERR_SESSION_INVALID (by purpose: the text does not open),
 * ERR_NO_MEMORY. */
NODISCARD enum err seal_unbox(const struct seal_ring *r, enum seal_purpose purpose, struct str text,
                              struct arena *arena, struct str *ret_plain);
