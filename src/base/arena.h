/* SPDX-License-Identifier: Apache-2.0
 * Request-lifetime allocations with one free. Used by one thread at a time. All memory is zeroed
 * when handed out and cleansed when the arena ends, for tokens pass through it. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned, newest first */
    size_t used_bytes;
    size_t max_bytes; /* ceiling over all blocks */
};

void arena_init(struct arena *a, size_t max_bytes);
/* Accepts a zeroed arena. */
void arena_finish(struct arena *a);
/* Empties, keeps one block for reuse. */
void arena_reset(struct arena *a);
/* Zeroed, aligned for any type; NULL when the ceiling or memory is reached. */
NODISCARD void *arena_alloc(struct arena *a, size_t bytes);
/* NUL-terminated copy; NULL on failure. */
NODISCARD char *arena_strdup(struct arena *a, struct str text);
/* As arena_strdup(), as a struct str; ptr is NULL on failure. */
NODISCARD struct str arena_copy(struct arena *a, struct str text);
/* head and tail in one text; ptr is NULL on failure. */
NODISCARD struct str arena_join(struct arena *a, struct str head, struct str tail);
NODISCARD char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
