/* SPDX-License-Identifier: Apache-2.0
 * What became of each request, and the report of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* X(enum, name in the report): requests without a whole answer */
#define FAILURES(X)                                                                                \
    X(FAILED_REFUSED, "refused")     /* no connection: nobody listens */                           \
    X(FAILED_CONNECT, "connect")     /* no connection for another reason, our own limits too */    \
    X(FAILED_RESET, "reset")         /* a connection that was reset before the answer was whole */ \
    X(FAILED_CLOSED, "closed")       /* likewise, closed */                                        \
    X(FAILED_TIMEOUT, "timeout")     /* no answer in time */                                       \
    X(FAILED_MALFORMED, "malformed") /* not an answer */                                           \
    X(FAILED_UNSENT, "unsent")       /* due, but no connection was free until the end */

enum failure {
#define X(id, name) id,
    FAILURES(X)
#undef X
        FAILURE_COUNT
};

/* Arrival: microseconds after the start at which the request was due. */
void tally_answer(int64_t arrival_us, int64_t latency_us, int status, const char *code);
void tally_failure(int64_t arrival_us, enum failure failure);
uint64_t tally_count(void);
/* One JSON object. */
void tally_report(FILE *out, double seconds, uint64_t connections_opened);
/* CSV: arrival in microseconds, latency in microseconds, status or name of the failure, code.
 * False: could not be written. */
bool tally_write_samples(const char *path);
