/* SPDX-License-Identifier: Apache-2.0
 * What the store files share. Not for other modules. */
#pragma once

#include <stdatomic.h>

#include "base/crypto.h"
#include "identity/store.h"
#include "identity/table.h"
#include "observe/metrics.h"

/* Sizes of the values that store_limits.c keeps. */
enum { STORE_RATE_BYTES = 16, STORE_LOCKOUT_BYTES = 16 };

struct refresh_table;

struct store {
    uint8_t mac_key[SHA256_BYTES];
    struct table *tables[STORE_TABLE_COUNT]; /* owned; NULL for STORE_REFRESHES */
    struct refresh_table *refreshes;         /* owned */
    /* Limits, which a reload changes under way: each is read once for one question. */
    _Atomic struct rate rate_user, rate_address;
    _Atomic int64_t lockout_failures, lockout_window_ms;
};

/* The MAC that stands for what a peer chose. False: it could not be made. */
NODISCARD bool store_key(const struct store *s, struct str text, struct table_key *ret);
NODISCARD bool store_key_pair(const struct store *s, struct str a, struct str b,
                              struct table_key *ret);

NODISCARD struct refresh_table *refresh_table_create(int64_t replay_s);
void refresh_table_set_replay(struct refresh_table *r, int64_t replay_s);
void refresh_table_destroy(struct refresh_table *r);
struct table *refresh_table_ground(struct refresh_table *r);
