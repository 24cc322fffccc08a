/* SPDX-License-Identifier: Apache-2.0
 * The configuration's texts: copies, small files, and the list of problems that is printed before a
 * start or a reload is refused. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/str.h"

enum { OPTION_PROBLEM_BYTES = 256 };

/* What is wrong with a value and what would be right; never the value itself, which may be a
 * secret. */
struct option_problem {
    char text[OPTION_PROBLEM_BYTES];
};
/* Always false, for `return option_wrong(...)`. */
bool option_wrong(struct option_problem *reterr, const char *format, ...) PRINTF_LIKE(2, 3);

/* NULL: out of memory. */
NODISCARD char *config_copy(struct str text);
/* As config_copy(), for readers of options. */
NODISCARD bool config_copy_to(char **ret, struct str text, struct option_problem *reterr);
/* Always false: "out of memory". */
bool option_no_memory(struct option_problem *reterr);
void config_free_text(char *text); /* cleanses; accepts NULL */

/* Whole file as text. NULL: *reterr says why (unreadable, too large, NUL inside, memory). Free with
 * config_free_text(). */
NODISCARD char *config_read_file(const char *path, size_t max_bytes, struct option_problem *reterr);

/* Problems are printed as they are found, a line each; the counts decide the exit code. */
struct problems {
    FILE *out;
    unsigned usage; /* the command line itself is wrong */
    unsigned values;
    bool no_memory; /* texts are missing: what follows from that would only be noise */
};
void problem_usage(struct problems *p, const char *format, ...) PRINTF_LIKE(2, 3);
void problem_value(struct problems *p, const char *format, ...) PRINTF_LIKE(2, 3);
void problem_no_memory(struct problems *p, const char *what);

enum { QUOTED_BYTES = 128 };
/* The value in double quotes, control characters as \xNN, a long one cut. */
void config_quote(struct str value, char out[QUOTED_BYTES]);
