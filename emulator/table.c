/* SPDX-License-Identifier: Apache-2.0
 * Chained hash with a fixed number of slots, sized for the ceiling at the start. */
#include "emulator/table.h"

#include <stdint.h>

enum { SLOTS_MIN = 64, SLOTS_MAX = 1 << 16 };

static uint64_t hash_fnv1a(struct str key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (uint8_t)key.ptr[i]) * 1099511628211u;
    return h ^ (h >> 32);
}

static struct table_entry **slot_of(const struct table *t, struct str key)
{
    return &t->slots[hash_fnv1a(key) & (t->slot_count - 1)];
}

/* The pointer that points to the entry, or to the NULL that ends its chain. */
static struct table_entry **find_link(const struct table *t, struct str key)
{
    struct table_entry **link = slot_of(t, key);
    while (*link && !str_eq(key, (struct str){(*link)->key, (*link)->key_len}))
        link = &(*link)->chain;
    return link;
}

static void *unlink_entry(struct table *t, struct table_entry **link)
{
    struct table_entry *e = *link;
    *link = e->chain;
    *(e->older ? &e->older->newer : &t->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &t->newest) = e->older;
    t->count--;
    void *value = e->value;
    free(e);
    return value;
}

bool table_init(struct table *t, size_t max, void (*destroy)(void *value))
{
    size_t slots = SLOTS_MIN;
    while (slots < max && slots < SLOTS_MAX)
        slots *= 2;
    *t = (struct table){.slot_count = slots, .max = max, .destroy = destroy};
    t->slots = calloc(slots, sizeof(struct table_entry *));
    return t->slots != NULL;
}

void table_finish(struct table *t)
{
    while (t->oldest)
        table_remove(t, (struct str){t->oldest->key, t->oldest->key_len});
    free(t->slots);
    *t = (struct table){0};
}

bool table_put(struct table *t, struct str key, void *value)
{
    if (*find_link(t, key))
        return false;
    struct table_entry *e = malloc(sizeof(*e) + key.len);
    if (!e)
        return false;
    if (t->count >= t->max)
        table_remove(t, (struct str){t->oldest->key, t->oldest->key_len});

    struct table_entry **link = find_link(t, key);
    *e = (struct table_entry){.older = t->newest, .value = value, .key_len = key.len};
    memcpy(e->key, key.ptr, key.len);
    *(t->newest ? &t->newest->newer : &t->oldest) = e;
    t->newest = e;
    *link = e;
    t->count++;
    return true;
}

void *table_find(const struct table *t, struct str key)
{
    const struct table_entry *e = *find_link(t, key);
    return e ? e->value : NULL;
}

void *table_take(struct table *t, struct str key)
{
    struct table_entry **link = find_link(t, key);
    return *link ? unlink_entry(t, link) : NULL;
}

void table_remove(struct table *t, struct str key)
{
    void *value = table_take(t, key);
    if (value && t->destroy)
        t->destroy(value);
}
