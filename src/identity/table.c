/* SPDX-License-Identifier: Apache-2.0
 * Chained buckets over a fixed array of slots in each shard. Expired entries are unseen at once and
 * freed by a hand that moves a few slots with each addition, or by a sweep when there is no room.
 */
#include "identity/table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SHARDS_MAX = 64,
    /* A shard of fewer would fill up by chance long before the table does. */
    SHARD_ENTRIES_MIN = 4096,
    HAND_STEPS = 4,
    NO_SLOT = 0, /* slots are numbered from 1, so that zeroed buckets are empty */
};

struct table_entry {
    struct table_key key;
    int64_t expires_ms;
    uint32_t next; /* slot in the same bucket, or in the free list */
    bool used;
    _Alignas(max_align_t) uint8_t value[];
};

struct table_shard {
    pthread_mutex_t lock;
    uint8_t *slots;    /* owned, [slot_count] of entry_bytes, and the buckets behind them */
    uint32_t *buckets; /* [bucket_mask + 1] */
    uint32_t bucket_mask;
    uint32_t slot_count;
    uint32_t fresh;         /* slots from here on were never used */
    uint32_t free;          /* list of slots */
    uint32_t hand;          /* next slot to look at */
    int64_t next_expiry_ms; /* no entry expires sooner: a sweep before that is idle */
};

struct table {
    size_t entries_max;
    size_t value_bytes, entry_bytes;
    table_drop_fn *drop;
    atomic_size_t count;
    size_t shard_count; /* a power of two */
    struct table_shard shards[SHARDS_MAX];
};

static struct table_entry *entry_at(const struct table *t, const struct table_shard *shard,
                                    uint32_t slot)
{
    return (struct table_entry *)(shard->slots + (size_t)(slot - 1) * t->entry_bytes);
}

static uint32_t key_word(const struct table_key *key, size_t at)
{
    uint32_t word;

    memcpy(&word, key->bytes + at, sizeof(word));
    return word;
}

static uint32_t *bucket_of(const struct table_shard *shard, const struct table_key *key)
{
    return &shard->buckets[key_word(key, 4) & shard->bucket_mask];
}

static bool shard_init(struct table *t, struct table_shard *shard, size_t slots)
{
    uint32_t buckets = 1;

    while (buckets < slots)
        buckets *= 2;
    (void)pthread_mutex_init(&shard->lock, NULL);
    shard->bucket_mask = buckets - 1;
    shard->slot_count = (uint32_t)slots;
    shard->fresh = 1;
    shard->hand = 1;
    shard->next_expiry_ms = TABLE_NEVER_MS;
    /* One block, large enough for pages of its own: those that are never used are never there. */
    const size_t slots_bytes = slots * t->entry_bytes;
    shard->slots = calloc(1, slots_bytes + buckets * sizeof(uint32_t));
    if (!shard->slots)
        return false;
    shard->buckets = (uint32_t *)(void *)(shard->slots + slots_bytes);
    return true;
}

struct table *table_create(size_t entries_max, size_t value_bytes, table_drop_fn *drop)
{
    struct table *t = calloc(1, sizeof(*t));
    const size_t align = _Alignof(struct table_entry);

    if (!t)
        return NULL;
    t->entries_max = entries_max;
    t->value_bytes = value_bytes;
    t->entry_bytes = (sizeof(struct table_entry) + value_bytes + align - 1) / align * align;
    t->drop = drop;
    t->shard_count = 1;
    while (t->shard_count < SHARDS_MAX && entries_max / (t->shard_count * 2) >= SHARD_ENTRIES_MIN)
        t->shard_count *= 2;

    /* A quarter more than the fair share is over 16 standard deviations of it. */
    const size_t share = entries_max / t->shard_count + 1;
    const size_t slots = t->shard_count == 1 ? share : share + share / 4;
    bool good = true;
    for (size_t i = 0; i < t->shard_count; i++)
        good = shard_init(t, &t->shards[i], slots) && good;
    if (!good) {
        table_destroy(t);
        return NULL;
    }
    return t;
}

/* previous: where the entry's slot number stands. */
static void entry_free(struct table *t, struct table_shard *shard, uint32_t *previous)
{
    const uint32_t slot = *previous;
    struct table_entry *entry = entry_at(t, shard, slot);

    *previous = entry->next;
    if (t->drop)
        t->drop(entry->value);
    memset(entry, 0, t->entry_bytes);
    entry->next = shard->free;
    shard->free = slot;
    atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
}

static uint32_t *link_to(const struct table *t, const struct table_shard *shard,
                         const struct table_key *key)
{
    uint32_t *link = bucket_of(shard, key);

    while (*link != NO_SLOT && memcmp(&entry_at(t, shard, *link)->key, key, sizeof(*key)) != 0)
        link = &entry_at(t, shard, *link)->next;
    return link;
}

void table_destroy(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->shard_count; i++) {
        struct table_shard *shard = &t->shards[i];
        for (uint32_t slot = 1; shard->slots && slot < shard->fresh; slot++) {
            struct table_entry *entry = entry_at(t, shard, slot);
            if (entry->used && t->drop)
                t->drop(entry->value);
        }
        free(shard->slots);
        (void)pthread_mutex_destroy(&shard->lock);
    }
    free(t);
}

struct table_look table_find(struct table *t, const struct table_key *key, int64_t now_ms)
{
    struct table_shard *shard = &t->shards[key_word(key, 0) & (t->shard_count - 1)];
    struct table_look look = {.table = t, .shard = shard};

    (void)pthread_mutex_lock(&shard->lock);
    uint32_t *link = link_to(t, shard, key);
    if (*link == NO_SLOT)
        return look;
    struct table_entry *entry = entry_at(t, shard, *link);
    if (entry->expires_ms <= now_ms) {
        entry_free(t, shard, link);
        return look;
    }
    look.entry = entry;
    look.value = entry->value;
    return look;
}

/* Frees the entry in `slot` if it has expired. */
static void slot_expire(struct table *t, struct table_shard *shard, uint32_t slot, int64_t now_ms)
{
    const struct table_entry *entry = entry_at(t, shard, slot);

    if (entry->used && entry->expires_ms <= now_ms)
        entry_free(t, shard, link_to(t, shard, &entry->key));
}

static void hand_move(struct table *t, struct table_shard *shard, int64_t now_ms)
{
    for (int i = 0; i < HAND_STEPS && shard->fresh > 1; i++) {
        if (shard->hand >= shard->fresh)
            shard->hand = 1;
        slot_expire(t, shard, shard->hand++, now_ms);
    }
}

static void sweep(struct table *t, struct table_shard *shard, int64_t now_ms)
{
    if (now_ms < shard->next_expiry_ms)
        return;
    shard->next_expiry_ms = TABLE_NEVER_MS;
    for (uint32_t slot = 1; slot < shard->fresh; slot++) {
        slot_expire(t, shard, slot, now_ms);
        const struct table_entry *entry = entry_at(t, shard, slot);
        if (entry->used && entry->expires_ms < shard->next_expiry_ms)
            shard->next_expiry_ms = entry->expires_ms;
    }
}

/* Counts one entry more, unless that would pass the ceiling of the whole table. */
static bool count_up(struct table *t)
{
    size_t count = atomic_load_explicit(&t->count, memory_order_relaxed);

    while (count < t->entries_max) {
        if (atomic_compare_exchange_weak_explicit(&t->count, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return false;
}

static bool has_slot(const struct table_shard *shard)
{
    return shard->free != NO_SLOT || shard->fresh <= shard->slot_count;
}

/* has_slot() must hold. */
static uint32_t slot_take(struct table *t, struct table_shard *shard)
{
    if (shard->free == NO_SLOT)
        return shard->fresh++;
    const uint32_t slot = shard->free;
    shard->free = entry_at(t, shard, slot)->next;
    return slot;
}

/* Sweeps the shard and, while the whole table is at its ceiling, the others. They are only tried,
 * for two threads may be at this with each other's shard locked. True: one entry is counted. */
static bool make_room(struct table *t, struct table_shard *shard, int64_t now_ms)
{
    sweep(t, shard, now_ms);
    if (!has_slot(shard))
        return false;
    for (size_t i = 0; i < t->shard_count; i++) {
        if (count_up(t))
            return true;
        struct table_shard *other = &t->shards[i];
        if (other == shard || pthread_mutex_trylock(&other->lock) != 0)
            continue;
        sweep(t, other, now_ms);
        (void)pthread_mutex_unlock(&other->lock);
    }
    return count_up(t);
}

bool table_add(struct table_look *look, const struct table_key *key, int64_t now_ms,
               int64_t expires_ms)
{
    struct table *t = look->table;
    struct table_shard *shard = look->shard;

    hand_move(t, shard, now_ms);
    if (!(has_slot(shard) && count_up(t)) && !make_room(t, shard, now_ms))
        return false;

    uint32_t *bucket = bucket_of(shard, key);
    const uint32_t slot = slot_take(t, shard);
    struct table_entry *entry = entry_at(t, shard, slot);
    entry->key = *key;
    entry->used = true;
    entry->next = *bucket;
    *bucket = slot;
    look->entry = entry;
    look->value = entry->value;
    table_expire_at(look, expires_ms);
    return true;
}

void table_expire_at(struct table_look *look, int64_t expires_ms)
{
    look->entry->expires_ms = expires_ms;
    if (expires_ms < look->shard->next_expiry_ms)
        look->shard->next_expiry_ms = expires_ms;
}

void table_remove(struct table_look *look)
{
    entry_free(look->table, look->shard, link_to(look->table, look->shard, &look->entry->key));
    look->entry = NULL;
    look->value = NULL;
}

void table_release(struct table_look *look)
{
    (void)pthread_mutex_unlock(&look->shard->lock);
}

size_t table_count(const struct table *t)
{
    return atomic_load_explicit(&((struct table *)t)->count, memory_order_relaxed);
}

size_t table_max(const struct table *t)
{
    return t->entries_max;
}
