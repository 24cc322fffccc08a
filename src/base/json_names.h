/* SPDX-License-Identifier: Apache-2.0
 * The member names seen in one document, for the reader's search for duplicates: only a 61-bit hash
 * of each is kept. The hash is a polynomial under a secret random point (Carter and Wegman), so
 * nobody can build names that collide; by chance two of n names of length l do with a probability
 * of less than n * n * (l / 7 + 3) / 2^60, and that document is refused. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

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

enum json_names_result { JSON_NAME_NEW, JSON_NAME_SEEN, JSON_NAME_NO_MEMORY };

/* object: the number, from 1, of the object that has the name. */
NODISCARD enum json_names_result json_names_insert(struct json_names *set, uint32_t object,
                                                   struct str name);
