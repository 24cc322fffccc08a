/* SPDX-License-Identifier: Apache-2.0
 * A bounded hash table of expiring entries, in shards with a mutex each: the ground under the
 * store. Keys are uniformly distributed (they are MACs), so the first bytes choose shard and
 * bucket. All memory is reserved at creation; pages are touched as entries come. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct table;
struct table_shard;
struct table_entry;

enum { TABLE_KEY_BYTES = 16 };
struct table_key {
    uint8_t bytes[TABLE_KEY_BYTES];
};

static const int64_t TABLE_NEVER_MS = INT64_MAX;

/* Called with the value of an entry that expires, is removed, or is there at the end. */
typedef void table_drop_fn(void *value);

/* entries_max: exact ceiling; drop may be NULL. NULL: no memory. */
NODISCARD struct table *table_create(size_t entries_max, size_t value_bytes, table_drop_fn *drop);
void table_destroy(struct table *t); /* accepts NULL */

/* A look at one key, with its shard locked until table_release(). Hold one at a time. */
struct table_look {
    struct table *table;
    struct table_shard *shard;
    struct table_entry *entry;
    void *value; /* NULL: absent (or, after table_add(), full) */
};
/* Entries whose expiry is not after now_ms are absent. */
NODISCARD struct table_look table_find(struct table *t, const struct table_key *key,
                                       int64_t now_ms);
/* After a look that found nothing: adds a zeroed value. False: full of entries that live. */
NODISCARD bool table_add(struct table_look *look, const struct table_key *key, int64_t now_ms,
                         int64_t expires_ms);
void table_expire_at(struct table_look *look, int64_t expires_ms);
void table_remove(struct table_look *look);
void table_release(struct table_look *look);

size_t table_count(const struct table *t); /* expired entries count until they are swept */
size_t table_max(const struct table *t);
