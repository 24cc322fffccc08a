/* SPDX-License-Identifier: Apache-2.0
 * Growable bytes under a ceiling. Growing copies into a new block and cleanses the old one, for
 * realloc() would leave copies of tokens behind. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>

#include "base/crypto.h"

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max_bytes)
{
    assert(max_bytes > 0 && max_bytes < SIZE_MAX / 4);
    *b = (struct buf){.max = max_bytes};
}

static void release(struct buf *b)
{
    if (b->ptr)
        crypto_cleanse(b->ptr, b->cap);
    free(b->ptr);
    b->ptr = NULL;
    b->cap = 0;
    b->len = 0;
}

void buf_finish(struct buf *b)
{
    release(b);
    b->state = BUF_OK;
}

void buf_reset(struct buf *b)
{
    if (b->ptr) {
        crypto_cleanse(b->ptr, b->len);
        b->ptr[0] = '\0';
    }
    b->len = 0;
    b->state = BUF_OK;
}

/* What has been written stays readable for whoever finishes the buffer; only new bytes are lost. */
static bool fail(struct buf *b, enum buf_state state)
{
    b->state = state;
    return false;
}

static bool grow(struct buf *b, size_t needed)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
    while (cap < needed)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;

    char *fresh = malloc(cap);
    if (!fresh)
        return fail(b, BUF_NO_MEMORY);
    const size_t len = b->len;
    if (len > 0)
        memcpy(fresh, b->ptr, len);
    release(b);
    b->ptr = fresh;
    b->ptr[len] = '\0';
    b->len = len;
    b->cap = cap;
    return true;
}

/* With the terminator. */
char *buf_room_grown(struct buf *b, size_t n)
{
    if (b->state != BUF_OK)
        return NULL;
    assert(b->max > 0 && b->len <= b->max);
    if (n > b->max - b->len) {
        (void)fail(b, BUF_FULL);
        return NULL;
    }
    if (n >= b->cap - b->len && !grow(b, b->len + n + 1))
        return NULL;
    return b->ptr + b->len;
}

void buf_append(struct buf *b, struct str bytes)
{
    if (bytes.len == 0)
        return;
    char *to = buf_room(b, bytes.len);
    if (!to)
        return;
    memcpy(to, bytes.ptr, bytes.len);
    buf_added(b, bytes.len);
}

void buf_append_z(struct buf *b, const char *z)
{
    buf_append(b, str_of(z));
}

void buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append(b, (struct str){digits + at, sizeof(digits) - at});
}

void buf_append_i64(struct buf *b, int64_t value)
{
    if (value < 0)
        buf_append_byte(b, '-');
    /* Negated as unsigned: -INT64_MIN does not exist. */
    buf_append_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        (void)fail(b, BUF_NO_MEMORY);
    else if (buf_room(b, (size_t)n)) {
        (void)vsnprintf(b->ptr + b->len, (size_t)n + 1, format, again);
        buf_added(b, (size_t)n);
    }
    va_end(again);
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->state != BUF_OK || b->len == 0) {
        buf_finish(b);
        return NULL;
    }
    char *taken = b->ptr;
    *ret_len = b->len;
    *b = (struct buf){.max = b->max};
    return taken;
}
