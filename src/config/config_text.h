/* SPDX-License-Identifier: Apache-2.0
 * Text at start-up: copies that cannot fail, small files, and the list of problems that is printed
 * before the process refuses to start. */
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

/* These end the process when memory is out, for they run at start only. */
NODISCARD char *config_copy(struct str text);
NODISCARD void *config_table(size_t rows, size_t row_bytes); /* zeroed */
void config_free_text(char *text);                           /* cleanses; accepts NULL */
/* In memory for secrets; free with secret_free(). */
NODISCARD char *config_copy_secret(struct str text);

/* Whole file as text. NULL: *reterr says why (unreadable, too large, NUL inside). Free with
 * config_free_text(). */
NODISCARD char *config_read_file(const char *path, size_t max_bytes, struct option_problem *reterr);

/* Problems are printed as they are found, a line each; the counts decide the exit code. */
struct problems {
    FILE *out;
    unsigned usage; /* the command line itself is wrong */
    unsigned values;
};
void problem_usage(struct problems *p, const char *format, ...) PRINTF_LIKE(2, 3);
void problem_value(struct problems *p, const char *format, ...) PRINTF_LIKE(2, 3);

enum { QUOTED_BYTES = 128 };
/* The value in double quotes, control characters as \xNN, a long one cut. */
void config_quote(struct str value, char out[QUOTED_BYTES]);
