/* SPDX-License-Identifier: Apache-2.0
 * Used challenges: a handle is good for one call to the vendor. */
#include "identity/store_internal.h"

enum err store_use_challenge(struct store *s, const uint8_t id[16], int64_t now_ms,
                             int64_t expires_ms)
{
    struct table_key key;

    if (!store_key(s, (struct str){(const char *)id, 16}, &key))
        return ERR_INTERNAL;
    struct table_look look = table_find(s->tables[STORE_USED_CHALLENGES], &key, now_ms);
    enum err e = ERR_OK;
    if (look.value)
        e = ERR_CHALLENGE_USED;
    else if (!table_add(&look, &key, now_ms, expires_ms))
        e = ERR_OVERLOADED; /* closed: what cannot be remembered must not be used */
    table_release(&look);
    if (e == ERR_OVERLOADED)
        metric_add(M_LIMITED, STORE_LIMIT_USED_CHALLENGES_FULL, 0, 1);
    return e;
}
