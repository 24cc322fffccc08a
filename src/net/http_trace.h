/* SPDX-License-Identifier: Apache-2.0
 * The two ids that follow a request through logs: X-Request-Id, and the W3C trace context
 * (traceparent, version 00). */
#pragma once

#include "base/auto.h"
#include "base/str.h"

enum {
    REQUEST_ID_MADE_BYTES = 33,
    TRACEPARENT_BYTES = 56,
    TRACE_ID_CHARS = 32,
    SPAN_ID_CHARS = 16
};

/* 1 to 128 of A-Z a-z 0-9 . _ - */
NODISCARD bool request_id_is_valid(struct str id);
/* 128 random bits in lower-case hex. */
void request_id_make(char out[REQUEST_ID_MADE_BYTES]);

/* 00-<32 hex, not all zero>-<16 hex, not all zero>-<2 hex>, lower case. */
NODISCARD bool traceparent_is_valid(struct str text);
/* A child of a valid incoming traceparent: same trace, same flags, new span. Otherwise the root of
 * a new trace that nobody has decided to sample. */
void traceparent_make(struct str incoming, char out[TRACEPARENT_BYTES]);
/* The ids inside a traceparent made above. */
static inline struct str traceparent_trace_id(const char *traceparent)
{
    return (struct str){traceparent + 3, TRACE_ID_CHARS};
}
static inline struct str traceparent_span_id(const char *traceparent)
{
    return (struct str){traceparent + 3 + TRACE_ID_CHARS + 1, SPAN_ID_CHARS};
}
