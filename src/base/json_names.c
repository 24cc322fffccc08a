/* SPDX-License-Identifier: Apache-2.0
 * A growing set of hashes. Small documents stay in the table that is part of the set. */
#include "base/json_names.h"

#include "base/crypto.h"

enum { WORD_BYTES = 7 };

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

/* The next coefficient of the polynomial: word < 2^56. */
static uint64_t add_word(const struct json_names *set, uint64_t hash, uint64_t word)
{
    const uint64_t prime = (UINT64_C(1) << 61) - 1;
    const unsigned __int128 product = (unsigned __int128)hash * set->point;
    uint64_t sum = (uint64_t)(product & prime) + (uint64_t)(product >> 61) + word;
    sum = (sum & prime) + (sum >> 61);
    return sum >= prime ? sum - prime : sum;
}

/* Object, length, then seven bytes at a time: different names have different polynomials, because
 * the length says where the padding begins. */
static uint64_t hash_of(const struct json_names *set, uint32_t object, struct str name)
{
    uint64_t hash = add_word(set, object, name.len);
    for (size_t at = 0; at < name.len; at += WORD_BYTES) {
        const size_t left = name.len - at;
        uint64_t word = 0;
        memcpy(&word, name.ptr + at, left < WORD_BYTES ? left : WORD_BYTES);
        hash = add_word(set, hash, word);
    }
    return hash;
}

enum json_names_result json_names_insert(struct json_names *set, uint32_t object, struct str name)
{
    const uint64_t hash = hash_of(set, object, name);
    if (set->count >= set->cap / 2 && !grow(set))
        return JSON_NAME_NO_MEMORY;
    /* 0 marks an empty slot. */
    if (!place(set->slots, set->cap, hash == 0 ? 1 : hash))
        return JSON_NAME_SEEN;
    set->count++;
    return JSON_NAME_NEW;
}
