/* SPDX-License-Identifier: Apache-2.0
 * What a command finds out, a line each on standard output: for people, or a JSON object. */
#pragma once

#include <stdbool.h>

#include "base/auto.h"

struct findings {
    bool as_json;
    bool failed; /* bad() was called */
};

/* what: one word, e.g. "dns". */
void good(struct findings *f, const char *what, const char *format, ...) PRINTF_LIKE(3, 4);
void note(struct findings *f, const char *what, const char *format, ...) PRINTF_LIKE(3, 4);
void bad(struct findings *f, const char *what, const char *format, ...) PRINTF_LIKE(3, 4);
