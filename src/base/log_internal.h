/* SPDX-License-Identifier: Apache-2.0
 * The parts of the log that only src/base/log*.c see: the text of a line, and the ring that carries
 * lines from one thread to the log thread. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/log.h"

enum { LOG_LINE_BYTES = 8192, LOG_RING_BYTES = 256 * 1024 };

struct log_line {
    int64_t wall_ms;
    enum log_level level;
    const char *action;
    const char *message;
    const struct log_field *fields;
    size_t field_count;
};

/* Appends the line and its line feed, at most LOG_LINE_BYTES. Fields that do not fit are left out
 * and the line says "log.truncated": true. Where even the others do not, for want of memory, the
 * buffer is not ok. */
void log_encode_json(struct buf *out, const struct log_line *line);
void log_encode_text(struct buf *out, const struct log_line *line, bool colour);

/* Whole lines from one producer to one consumer, without a lock. Positions only grow; a byte lies
 * at its position modulo the size. */
struct log_ring {
    struct log_ring *next; /* owned by the list that it is in */
    struct buf line;       /* the producer's scratch */
    _Atomic(size_t) head;  /* written by the producer */
    _Atomic(size_t) tail;  /* written by the consumer */
    atomic_bool retired;   /* its thread has ended: free it when empty */
    char bytes[LOG_RING_BYTES];
};

NODISCARD struct log_ring *log_ring_create(void);
void log_ring_destroy(struct log_ring *ring);
/* Producer. False when the line does not fit: nothing was written. */
NODISCARD bool log_ring_push(struct log_ring *ring, struct str line);
/* Consumer. The longest contiguous piece that is ready; empty when there is none. */
struct str log_ring_peek(const struct log_ring *ring);
void log_ring_consume(struct log_ring *ring, size_t bytes);
