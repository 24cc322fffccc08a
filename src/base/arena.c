/* SPDX-License-Identifier: Apache-2.0
 * A list of blocks that are filled front to back. Blocks double up to a size, larger allocations
 * get a block of their own; the ceiling counts whole blocks, for that is what the process pays. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/crypto.h"

enum { BLOCK_FIRST_BYTES = 4096, BLOCK_LARGEST_BYTES = 65536 };

struct arena_block {
    struct arena_block *next; /* owned */
    size_t size;              /* bytes in data */
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        crypto_cleanse(block->data, block->used);
        free(block);
        block = next;
    }
}

void arena_finish(struct arena *a)
{
    free_blocks(a->blocks);
    a->blocks = NULL;
    a->used_bytes = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->blocks;
    if (!kept)
        return;
    free_blocks(kept->next);
    kept->next = NULL;
    crypto_cleanse(kept->data, kept->used);
    kept->used = 0;
    a->used_bytes = kept->size;
}

static struct arena_block *add_block(struct arena *a, size_t bytes)
{
    size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_FIRST_BYTES;
    if (size > BLOCK_LARGEST_BYTES)
        size = BLOCK_LARGEST_BYTES;
    const size_t left = a->max_bytes - a->used_bytes;
    if (size > left)
        size = left;
    if (size < bytes)
        size = bytes;
    if (size > left)
        return NULL;

    struct arena_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = a->blocks;
    a->blocks = block;
    a->used_bytes += size;
    return block;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    if (bytes > SIZE_MAX / 2)
        return NULL;
    const size_t rounded = bytes == 0 ? align : (bytes + align - 1) / align * align;

    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < rounded)
        block = add_block(a, rounded);
    if (!block)
        return NULL;
    void *p = block->data + block->used;
    block->used += rounded;
    return p;
}

char *arena_strdup(struct arena *a, struct str text)
{
    if (text.len > SIZE_MAX / 4)
        return NULL;
    char *copy = arena_alloc(a, text.len + 1);
    if (copy && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

struct str arena_copy(struct arena *a, struct str text)
{
    const char *copy = arena_strdup(a, text);
    return (struct str){copy, copy ? text.len : 0};
}

struct str arena_join(struct arena *a, struct str head, struct str tail)
{
    if (head.len > SIZE_MAX / 4 || tail.len > SIZE_MAX / 4)
        return (struct str){NULL, 0};
    char *text = arena_alloc(a, head.len + tail.len + 1);
    if (!text)
        return (struct str){NULL, 0};
    if (head.len > 0)
        memcpy(text, head.ptr, head.len);
    if (tail.len > 0)
        memcpy(text + head.len, tail.ptr, tail.len);
    return (struct str){text, head.len + tail.len};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text)
        (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
