/* SPDX-License-Identifier: Apache-2.0
 * An id in a path: one raw segment, split before it is decoded (api.md section 2). */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum { PATH_SEGMENT_BYTES_MAX = 255 };

/* Percent-decodes (RFC 3986 section 2.1) and checks: 1 to 255 bytes, valid UTF-8, no control
 * characters, no '/', not "." or "..". Arena copy. Errors: ERR_INVALID_REQUEST (*ret_what, a
 * literal, says what is wrong), ERR_NO_MEMORY. */
NODISCARD enum err path_segment_decode(struct str raw, struct arena *arena, struct str *ret,
                                       const char **ret_what);
