/* SPDX-License-Identifier: Apache-2.0
 * A growing set of hashes. Small documents stay in the table that is part of the set. */
#include "base/json_names.h"

#include "base/crypto.h"

/* One secret point for each thread: it never leaves the process, so it can serve many documents. */
static bool secret_point(uint64_t *ret)
{
    static _Thread_local uint64_t point;
    if (point == 0) {
        uint64_t fresh = 0;
        if (!crypto_random(&fresh, sizeof(fresh)))
            return false;
        /* In [2^32, 2^60): small points would leave short names unmixed. */
        point = (fresh >> 4 | UINT64_C(1) << 32) & ~(UINT64_C(1) << 60);
    }
    *ret = point;
    return true;
}

bool json_names_init(struct json_names *set)
{
    *set = (struct json_names){.cap = JSON_NAMES_INLINE};
    set->slots = set->inline_slots;
    return secret_point(&set->point);
}

void json_names_finish(struct json_names *set)
{
    if (set->slots != set->inline_slots)
        free(set->slots);
    set->slots = NULL;
}

static bool place(uint64_t *slots, size_t cap, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 29) & (cap - 1);
    while (slots[at] != 0) {
        if (slots[at] == hash)
            return false;
        at = (at + 1) & (cap - 1);
    }
    slots[at] = hash;
    return true;
}

static bool grow(struct json_names *set)
{
    const size_t cap = set->cap * 4;
    uint64_t *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < set->cap; i++) {
        if (set->slots[i] != 0)
            (void)place(slots, cap, set->slots[i]);
    }
    json_names_finish(set);
    set->slots = slots;
    set->cap = cap;
    return true;
}

enum json_names_result json_names_insert(struct json_names *set, uint64_t hash)
{
    if (set->count >= set->cap / 2 && !grow(set))
        return JSON_NAME_NO_MEMORY;
    /* 0 marks an empty slot. */
    if (!place(set->slots, set->cap, hash == 0 ? 1 : hash))
        return JSON_NAME_SEEN;
    set->count++;
    return JSON_NAME_NEW;
}
