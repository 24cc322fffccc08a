/* SPDX-License-Identifier: Apache-2.0
 * Growable bytes with a mandatory ceiling. Failure is sticky: after a failed append the buffer
 * ignores further appends and buf_ok() is false, so a writer checks once, at the end.
 * Contents are cleansed when grown, reset or freed: answers carry tokens. */
#pragma once

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

enum buf_state { BUF_OK = 0, BUF_FULL, BUF_NO_MEMORY };

struct buf {
    char *ptr; /* owned; always NUL-terminated behind len when not NULL */
    size_t len;
    size_t cap;
    size_t max; /* ceiling in bytes, without the terminator */
    enum buf_state state;
};

/* max_bytes: the ceiling; 0 is a bug. No allocation yet. */
void buf_init(struct buf *b, size_t max_bytes);
/* Frees and cleanses; accepts a zeroed buffer; the buffer can be initialised again. */
void buf_finish(struct buf *b);
/* Empties and cleanses, keeps the allocation and clears the failure. */
void buf_reset(struct buf *b);
void buf_append(struct buf *b, struct str bytes);
void buf_append_z(struct buf *b, const char *z);
void buf_append_u64(struct buf *b, uint64_t value);
void buf_append_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Of buf_room(): where the allocation does not have the room yet, or must not have it. */
NODISCARD char *buf_room_grown(struct buf *b, size_t n);

/* Makes room for n more bytes and returns where they go, NULL on failure; then buf_added(n). */
NODISCARD static inline char *buf_room(struct buf *b, size_t n)
{
    if (b->state == BUF_OK && n < b->cap - b->len && n <= b->max - b->len)
        return b->ptr + b->len;
    return buf_room_grown(b, n);
}

static inline void buf_added(struct buf *b, size_t n)
{
    assert(b->ptr && n < b->cap - b->len);
    b->len += n;
    b->ptr[b->len] = '\0';
}

static inline void buf_append_byte(struct buf *b, char c)
{
    char *to = buf_room(b, 1);
    if (to) {
        *to = c;
        buf_added(b, 1);
    }
}

static inline bool buf_ok(const struct buf *b)
{
    return b->state == BUF_OK;
}

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

/* Hands the allocation to the caller (free() it), NULL when empty or failed; b is as after
 * buf_init(). */
NODISCARD char *buf_take(struct buf *b, size_t *ret_len);

#define AUTO_BUF AUTO(buf_finish)
