/* SPDX-License-Identifier: Apache-2.0
 * Reads the answers that a connection brings: as much of HTTP/1.1 as a generator of load needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum answer_state { ANSWER_PARTIAL, ANSWER_WHOLE, ANSWER_MALFORMED };

struct answer {
    int status;
    size_t bytes;  /* of the whole answer */
    bool closes;   /* the connection carries no other */
    char code[40]; /* of a problem document; "" without */
};

/* at_end: the connection brings nothing more. Answers of 1xx are passed over: *ret tells of the one
 * behind them. Bodies need a Content-Length or the end of the connection. */
enum answer_state answer_read(const char *data, size_t len, bool at_end, struct answer *ret);
