/* SPDX-License-Identifier: Apache-2.0
 * String-keyed map with insertion order and a ceiling: beyond it the oldest entry goes. Not
 * thread-safe; the owner holds the lock. */
#pragma once

#include <stddef.h>

#include "base/auto.h"
#include "base/str.h"

struct table_entry {
    struct table_entry *chain; /* next in the same slot */
    struct table_entry *older, *newer;
    void *value; /* owned */
    size_t key_len;
    char key[];
};

struct table {
    struct table_entry **slots; /* owned */
    size_t slot_count;          /* a power of two */
    size_t count, max;
    struct table_entry *oldest, *newest;
    void (*destroy)(void *value);
};

/* destroy is called for each value that leaves the table, except by table_take(). */
NODISCARD bool table_init(struct table *t, size_t max, void (*destroy)(void *value));
/* Accepts a zeroed table. */
void table_finish(struct table *t);
/* Takes ownership of value on success; false (value stays the caller's) when the key exists or
 * memory is out. */
NODISCARD bool table_put(struct table *t, struct str key, void *value);
/* Borrowed until the entry leaves; NULL when absent. */
void *table_find(const struct table *t, struct str key);
/* As table_find(), but the entry leaves the table and the value is the caller's. */
void *table_take(struct table *t, struct str key);
void table_remove(struct table *t, struct str key);
