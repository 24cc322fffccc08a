/* SPDX-License-Identifier: Apache-2.0
 * The header section of an answer, read line by line as it arrives: what a caller needs of it, and
 * the reasons for which the answer is refused. Pure: no I/O, no clock, no libcurl. */
#pragma once

#include <stdint.h>

#include "base/str.h"
#include "net/http_date.h"

enum {
    HEADER_BYTES_MAX = 32 * 1024, /* all header sections of one answer, 1xx included */
    HEADER_FIELDS_MAX = 100,
    MEDIA_TYPE_BYTES = 128,
    RETRY_AFTER_MAX_S = 60,
};

struct answer_head {
    size_t bytes, fields;
    char media_type[MEDIA_TYPE_BYTES]; /* lower case, without parameters; "" when absent */
    unsigned type_fields;              /* Content-Type fields seen */
    bool charset_ok;
    int retry_after_s;          /* -1: none; else 0..RETRY_AFTER_MAX_S */
    char date[HTTP_DATE_BYTES]; /* Date as it came; "" when absent or not of that length */
    bool complete;              /* the empty line came, and not after an interim answer */
    bool interim;        /* the section is that of a 1xx answer; 101 ends an exchange and is none */
    const char *refused; /* literal: why the answer must not be used; NULL while it is good */
};

void answer_head_init(struct answer_head *h);
/* line: one line as received, with or without its line end: a status line (starts a new section:
 * forgets the fields of an interim answer, but not the counters), a field, or the empty line.
 * wall_s: for Retry-After dates. False: h->refused says why. */
bool answer_head_line(struct answer_head *h, struct str line, int64_t wall_s);
