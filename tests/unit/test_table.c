/* SPDX-License-Identifier: Apache-2.0
 * identity/table: find, add, expiry, the exact ceiling, dropped values, many shards, many threads.
 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "identity/table.h"

/* Spread as a MAC would be. */
static struct table_key key_of(uint64_t number)
{
    struct table_key key;
    uint64_t x = number;

    for (size_t i = 0; i < sizeof(key.bytes); i += sizeof(x)) {
        x += 0x9e3779b97f4a7c15u;
        uint64_t z = x;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(key.bytes + i, &z, sizeof(z));
    }
    return key;
}

/* False: full. */
static bool put(struct table *t, uint64_t number, int value, int64_t now_ms, int64_t expires_ms)
{
    const struct table_key key = key_of(number);
    struct table_look look = table_find(t, &key, now_ms);
    const bool there = look.value || table_add(&look, &key, now_ms, expires_ms);

    if (there)
        *(int *)look.value = value;
    table_release(&look);
    return there;
}

/* -1: absent. */
static int get(struct table *t, uint64_t number, int64_t now_ms)
{
    const struct table_key key = key_of(number);
    struct table_look look = table_find(t, &key, now_ms);
    const int value = look.value ? *(int *)look.value : -1;

    table_release(&look);
    return value;
}

static void take(struct table *t, uint64_t number)
{
    const struct table_key key = key_of(number);
    struct table_look look = table_find(t, &key, 0);

    ck_assert_ptr_nonnull(look.value);
    table_remove(&look);
    ck_assert_ptr_null(look.value);
    table_release(&look);
}

START_TEST(what_is_added_is_found_until_it_expires_or_is_removed)
{
    struct table *t = table_create(100, sizeof(int), NULL);

    ck_assert_int_eq(get(t, 1, 0), -1);
    ck_assert(put(t, 1, 11, 0, 1000));
    ck_assert(put(t, 2, 22, 0, TABLE_NEVER_MS));
    ck_assert_int_eq(get(t, 1, 999), 11);
    ck_assert_int_eq(get(t, 2, 999), 22);
    ck_assert_uint_eq(table_count(t), 2);
    ck_assert_int_eq(get(t, 1, 1000), -1);
    ck_assert_uint_eq(table_count(t), 1);
    take(t, 2);
    ck_assert_int_eq(get(t, 2, 0), -1);
    ck_assert_uint_eq(table_count(t), 0);
    table_destroy(t);
}
END_TEST

static void fill_and_overfill(size_t max)
{
    struct table *t = table_create(max, sizeof(int), NULL);

    ck_assert_uint_eq(table_max(t), max);
    for (size_t i = 0; i < max; i++)
        ck_assert_msg(put(t, i, (int)i, 0, i % 2 ? 1000 : 2000), "entry %zu of %zu", i, max);
    ck_assert(!put(t, max, 0, 999, 5000));
    ck_assert_uint_eq(table_count(t), max);
    for (size_t i = 0; i < max; i++)
        ck_assert_int_eq(get(t, i, 999), (int)i);

    /* What has expired makes room, wherever it lies. */
    for (size_t i = 0; i < max / 2; i++)
        ck_assert_msg(put(t, max + i, 7, 1000, 5000), "room %zu of %zu", i, max);
    ck_assert_uint_le(table_count(t), max);
    ck_assert_int_eq(get(t, 0, 1999), 0);
    table_destroy(t);
}

START_TEST(the_ceiling_is_exact)
{
    static const size_t MAX[] = {1, 2, 3, 100, 8191, 8192, 50000};

    for (size_t i = 0; i < ARRAY_LEN(MAX); i++)
        fill_and_overfill(MAX[i]);
}
END_TEST

START_TEST(room_is_found_in_other_shards)
{
    enum { MAX = 16384 };
    struct table *t = table_create(MAX, sizeof(int), NULL);

    for (uint64_t i = 0; i < MAX; i++)
        ck_assert(put(t, i, 1, 0, i == 5 ? 1000 : TABLE_NEVER_MS));
    ck_assert(!put(t, MAX, 1, 999, TABLE_NEVER_MS));
    ck_assert_msg(put(t, MAX + 1, 1, 1000, 2000), "the expired entry lies elsewhere");
    ck_assert(!put(t, MAX + 2, 1, 1000, TABLE_NEVER_MS));
    ck_assert(put(t, MAX + 3, 1, 2000, TABLE_NEVER_MS));
    table_destroy(t);
}
END_TEST

START_TEST(expired_entries_are_freed_as_others_come)
{
    struct table *t = table_create(100000, sizeof(int), NULL);

    for (uint64_t i = 0; i < 20000; i++)
        ck_assert(put(t, i, 1, (int64_t)i, (int64_t)i + 100));
    ck_assert_uint_lt(table_count(t), 5000);
    table_destroy(t);
}
END_TEST

static int dropped;

static void count_drop(void *value)
{
    dropped += *(int *)value;
}

START_TEST(each_value_is_dropped_once)
{
    struct table *t = table_create(3, sizeof(int), count_drop);

    dropped = 0;
    ck_assert(put(t, 1, 1, 0, 100));
    ck_assert(put(t, 2, 10, 0, TABLE_NEVER_MS));
    ck_assert(put(t, 3, 100, 0, TABLE_NEVER_MS));
    ck_assert_int_eq(get(t, 1, 100), -1);
    ck_assert_int_eq(dropped, 1);
    take(t, 2);
    ck_assert_int_eq(dropped, 11);
    ck_assert(put(t, 4, 1000, 0, 50));
    ck_assert(put(t, 5, 10000, 0, 50));
    ck_assert(put(t, 6, 100000, 60, 100)); /* sweeps 4 or 5 or both */
    table_destroy(t);
    ck_assert_int_eq(dropped, 111111);
}
END_TEST

START_TEST(a_new_value_is_zeroed_and_an_expiry_can_move)
{
    struct table *t = table_create(1, sizeof(int), NULL);
    const struct table_key key = key_of(9);

    ck_assert(put(t, 8, 42, 0, 10));
    struct table_look look = table_find(t, &key, 10);
    ck_assert(table_add(&look, &key, 10, 20));
    ck_assert_int_eq(*(int *)look.value, 0);
    table_expire_at(&look, 500);
    table_release(&look);
    ck_assert_int_eq(get(t, 9, 499), 0);
    ck_assert_int_eq(get(t, 9, 500), -1);
    table_destroy(t);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000, SHARED_MAX = 10000 };
static struct table *shared;
static atomic_int added;

static void *hammer(void *arg)
{
    for (uint64_t i = 0; i < ROUNDS; i++) {
        const struct table_key key = key_of(i);
        struct table_look look = table_find(shared, &key, 0);
        if (!look.value && table_add(&look, &key, 0, TABLE_NEVER_MS))
            atomic_fetch_add(&added, 1);
        table_release(&look);
    }
    return arg;
}

START_TEST(threads_share_it_without_passing_the_ceiling)
{
    pthread_t threads[THREADS];

    shared = table_create(SHARED_MAX, sizeof(int), NULL);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(table_count(shared), SHARED_MAX);
    ck_assert_int_eq(atomic_load(&added), SHARED_MAX);
    table_destroy(shared);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("table");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_added_is_found_until_it_expires_or_is_removed);
    tcase_add_test(t, the_ceiling_is_exact);
    tcase_add_test(t, room_is_found_in_other_shards);
    tcase_add_test(t, expired_entries_are_freed_as_others_come);
    tcase_add_test(t, each_value_is_dropped_once);
    tcase_add_test(t, a_new_value_is_zeroed_and_an_expiry_can_move);
    tcase_add_test(t, threads_share_it_without_passing_the_ceiling);
    return unit_run(t, "table");
}
