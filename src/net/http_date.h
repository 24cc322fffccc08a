/* SPDX-License-Identifier: Apache-2.0
 * The date of HTTP fields (RFC 9110 §5.6.7), whatever the locale. Pure. */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and the terminator */

/* unix_s: seconds of the years 1970 to 9999; others are clamped to these. */
void http_date_format(int64_t unix_s, char out[HTTP_DATE_BYTES]);
/* Reads what http_date_format() writes, and nothing else (no obsolete form, no leap second, no
 * wrong day of the week). Returns Unix seconds; 0 when it is something else. */
int64_t http_date_parse(struct str text);
