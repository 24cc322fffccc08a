/* SPDX-License-Identifier: Apache-2.0
 * Lookups become addresses that are kept through failures, and connections that fail put an
 * address at the end of the queue. An address is never taken away for being down: when all are
 * down, all are tried. */
#include "net/name_record.h"

#include <stdio.h>

enum {
    REFRESH_SPREAD = 10, /* up to a tenth sooner, so that a fleet does not ask in step */
    RETRY_SPREAD = 2,    /* up to half */
    SHIFT_MAX = 16,
};

static bool same_ip(const struct ip *a, const struct ip *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* first, 2 x first, 4 x first ... max; n counts from 1 */
static int64_t doubled_ms(int64_t first_ms, unsigned n, int64_t max_ms)
{
    const unsigned shift = n > SHIFT_MAX ? SHIFT_MAX : n - 1;
    const int64_t ms = first_ms << shift;

    return ms < max_ms ? ms : max_ms;
}

/* ---- lookups */

void lookup_add(struct lookup *l, const struct ip *ip)
{
    for (size_t i = 0; i < l->count; i++) {
        if (same_ip(&l->addresses[i], ip))
            return;
    }
    if (l->count < NAME_ADDRESSES_MAX)
        l->addresses[l->count++] = *ip;
    else
        l->dropped++;
}

struct name_address *name_record_find(struct name_record *r, const struct ip *ip)
{
    for (size_t i = 0; i < r->address_count; i++) {
        if (same_ip(&r->addresses[i].ip, ip))
            return &r->addresses[i];
    }
    return NULL;
}

static struct name_news take_addresses(struct name_record *r, const struct lookup *l)
{
    struct name_record before = *r;
    struct name_news news = {.publish = true, .set_changed = l->count != before.address_count};

    for (size_t i = 0; i < l->count; i++) {
        const struct name_address *known = name_record_find(&before, &l->addresses[i]);
        if (!known)
            news.set_changed = true;
        r->addresses[i] = known ? *known : (struct name_address){.ip = l->addresses[i]};
    }
    r->address_count = l->count;
    return news;
}

static struct name_news learn_failure(struct name_record *r, const struct lookup *l, int64_t now_ms)
{
    struct name_news news = {.began_failing = r->failed_lookups++ == 0};

    (void)snprintf(r->reason, sizeof(r->reason), "%s", l->problem);
    if (name_record_usable(r, now_ms))
        return news;
    news.expired = r->state == NAME_USABLE;
    news.publish = true;
    r->state = NAME_FAILED;
    r->address_count = 0;
    return news;
}

struct name_news name_record_learn(struct name_record *r, const struct lookup *l,
                                   const struct name_limits *limits, int64_t now_ms)
{
    if (l->result != LOOKUP_OK)
        return learn_failure(r, l, now_ms);
    struct name_news news = take_addresses(r, l);
    news.ended_failing = r->failed_lookups > 0;
    r->state = NAME_USABLE;
    r->good_until_ms = now_ms + limits->stale_max_ms;
    r->failed_lookups = 0;
    r->reason[0] = '\0';
    return news;
}

int64_t name_record_next_ms(const struct name_record *r, const struct name_limits *limits,
                            int64_t now_ms, uint64_t spread)
{
    const bool failing = r->failed_lookups > 0;
    const int64_t wait_ms =
        failing ? doubled_ms(LOOKUP_RETRY_FIRST_MS, r->failed_lookups, limits->refresh_ms)
                : limits->refresh_ms;
    const int64_t sooner_max_ms = wait_ms / (failing ? RETRY_SPREAD : REFRESH_SPREAD);

    return now_ms + wait_ms - (int64_t)(spread % (uint64_t)(sooner_max_ms + 1));
}

bool name_record_usable(const struct name_record *r, int64_t now_ms)
{
    return r->state == NAME_USABLE && now_ms < r->good_until_ms;
}

/* ---- passive health */

bool address_connect_failed(struct name_address *a, int64_t now_ms)
{
    /* Several workers report one outage. */
    if (address_is_down(a, now_ms))
        return false;
    a->downs++;
    a->failures = 0;
    a->down_until_ms = now_ms + doubled_ms(ADDRESS_DOWN_FIRST_MS, a->downs, ADDRESS_DOWN_MAX_MS);
    return true;
}

bool address_answer_failed(struct name_address *a, int64_t now_ms)
{
    if (address_is_down(a, now_ms) || ++a->failures < ADDRESS_FAILURES_MAX)
        return false;
    return address_connect_failed(a, now_ms);
}

bool address_answered(struct name_address *a, bool new_connection)
{
    const bool was_down = a->downs > 0;

    a->failures = 0;
    /* Where connecting fails, connections of old may still work. */
    if (!new_connection)
        return false;
    a->downs = 0;
    a->down_until_ms = 0;
    return was_down;
}

void name_addresses_order(const struct name_address *addresses, size_t count, int64_t now_ms,
                          uint8_t order[NAME_ADDRESSES_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (!address_is_down(&addresses[i], now_ms))
            order[n++] = (uint8_t)i;
    }
    const size_t up = n;
    for (size_t i = 0; i < count; i++) {
        if (!address_is_down(&addresses[i], now_ms))
            continue;
        size_t at = n++;
        while (at > up && addresses[order[at - 1]].down_until_ms > addresses[i].down_until_ms) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint8_t)i;
    }
}
