/* SPDX-License-Identifier: Apache-2.0
 * The member names seen in one document, for the validator's search for duplicates. A name is
 * hashed while it is scanned and only the 61-bit hash is kept. The hash is a polynomial under a
 * secret random point (Carter and Wegman), so nobody can build names that collide; by chance two of
 * n names of length l do with a probability of n * n * l / 2^62, and that document is refused. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"

enum { JSON_NAMES_INLINE = 64 };

struct json_names {
    uint64_t point;
    uint64_t *slots; /* owned unless it is inline_slots; open addressing, 0 is empty */
    size_t cap;      /* a power of two */
    size_t count;
    uint64_t inline_slots[JSON_NAMES_INLINE];
};

/* False when there is no randomness. */
NODISCARD bool json_names_init(struct json_names *set);
void json_names_finish(struct json_names *set);

/* The hash of a name in the object with this number (from 1) starts with the number and takes the
 * unescaped bytes one by one. */
static inline uint64_t json_name_begin(uint32_t object)
{
    return object;
}

static inline uint64_t json_name_add(const struct json_names *set, uint64_t hash, uint8_t byte)
{
    const uint64_t prime = (UINT64_C(1) << 61) - 1;
    const unsigned __int128 product = (unsigned __int128)hash * set->point;
    uint64_t sum = (uint64_t)(product & prime) + (uint64_t)(product >> 61) + byte + 1;
    sum = (sum & prime) + (sum >> 61);
    return sum >= prime ? sum - prime : sum;
}

enum json_names_result { JSON_NAME_NEW, JSON_NAME_SEEN, JSON_NAME_NO_MEMORY };

NODISCARD enum json_names_result json_names_insert(struct json_names *set, uint64_t hash);
