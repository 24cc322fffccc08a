/* SPDX-License-Identifier: Apache-2.0
 * The date of HTTP fields (RFC 9110 §5.6.7), without the locale and the time zone's lock. Pure. */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and the terminator */

/* unix_s: seconds of the years 1970 to 9999; others are clamped to these. */
void http_date_format(int64_t unix_s, char out[HTTP_DATE_BYTES]);
/* IMF-fixdate alone, to the letter; the obsolete forms are not read. Returns Unix seconds; 0 when
 * it is none, or one before 1970. The name of the day is not held against the date. */
int64_t http_date_parse(struct str text);
