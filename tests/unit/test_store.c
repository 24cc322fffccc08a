/* SPDX-License-Identifier: Apache-2.0
 * identity/store: challenges used once, rates, the vendor's share, the lockout; with time as an
 * argument, and from several threads where a limit must hold over all of them. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/crypto.h"
#include "identity/store.h"

static const struct config BASE = {
    .used_challenges_max = 3,
    .limit_entries_max = 100000,
    .refresh_replay_s = 10,
    .rate_per_user = {30, 60},
    .rate_per_address = {0, 1},
    .lockout_failures = 10,
    .lockout_window_s = 900,
};

static void setup(void)
{
    ck_assert(crypto_init());
}

static struct store *store_of(const struct config *config)
{
    struct err_text text = {""};
    struct store *s = NULL;

    ck_assert_int_eq(store_create(config, &s, &text), ERR_OK);
    return s;
}

static enum err use(struct store *s, uint8_t number, int64_t now_ms, int64_t expires_ms)
{
    const uint8_t id[16] = {number};

    return store_use_challenge(s, id, now_ms, expires_ms);
}

START_TEST(a_challenge_is_used_once_and_a_full_table_refuses)
{
    struct store *s = store_of(&BASE);

    ck_assert_int_eq(use(s, 1, 0, 1000), ERR_OK);
    ck_assert_int_eq(use(s, 1, 0, 1000), ERR_CHALLENGE_USED);
    ck_assert_int_eq(use(s, 1, 999, 1000), ERR_CHALLENGE_USED);
    ck_assert_int_eq(use(s, 2, 0, 2000), ERR_OK);
    ck_assert_int_eq(use(s, 3, 0, 2000), ERR_OK);
    ck_assert_int_eq(use(s, 4, 999, 2000), ERR_OVERLOADED);
    ck_assert_int_eq(use(s, 4, 1000, 2000), ERR_OK);
    ck_assert_int_eq(use(s, 5, 1000, 2000), ERR_OVERLOADED);
    store_destroy(s);
}
END_TEST

/* How many of `tries` at one moment pass. */
static int passes(struct store *s, const char *who, int64_t now_ms, int tries)
{
    int count = 0;

    for (int i = 0; i < tries; i++) {
        int retry_s = 0;
        const enum err e = store_rate_user(s, str_of(who), now_ms, &retry_s);
        if (e == ERR_OK) {
            count++;
        } else {
            ck_assert_int_eq(e, ERR_RATE_LIMITED);
            ck_assert_int_ge(retry_s, 1);
            ck_assert_int_le(retry_s, 3600);
        }
    }
    return count;
}

START_TEST(a_rate_allows_its_count_at_once_and_refills_evenly)
{
    struct store *s = store_of(&BASE);

    ck_assert_int_eq(passes(s, "a", 1000, 100), 30);
    ck_assert_int_eq(passes(s, "a", 2999, 1), 0);
    ck_assert_int_eq(passes(s, "a", 3000, 5), 1);
    ck_assert_int_eq(passes(s, "a", 13000, 100), 5);
    ck_assert_int_eq(passes(s, "b", 3000, 100), 30);
    ck_assert_int_eq(passes(s, "a", 13000 + 60000, 100), 30);
    ck_assert_int_eq(passes(s, "a", 1000000000, 100), 30);
    /* A bucket that is nearly full does not run over. */
    ck_assert_int_eq(passes(s, "c", 0, 5), 5);
    ck_assert_int_eq(passes(s, "c", 59999, 100), 30);
    store_destroy(s);
}
END_TEST

START_TEST(a_rate_is_exact_over_a_long_time)
{
    struct config config = BASE;
    int64_t passed = 0;

    config.rate_per_user = (struct rate){7, 1};
    struct store *s = store_of(&config);
    for (int64_t now_ms = 1; now_ms <= 600000; now_ms += 3)
        passed += passes(s, "a", now_ms, 1);
    ck_assert_int_ge(passed, 7 * 600);
    ck_assert_int_le(passed, 7 * 600 + 7);
    store_destroy(s);
}
END_TEST

START_TEST(retry_after_is_when_the_next_call_passes)
{
    struct config config = BASE;
    int retry_s = 0;

    config.rate_per_user = (struct rate){2, 3600};
    struct store *s = store_of(&config);
    ck_assert_int_eq(passes(s, "a", 0, 2), 2);
    ck_assert_int_eq(store_rate_user(s, STR("a"), 0, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_eq(retry_s, 1800);
    ck_assert_int_eq(passes(s, "a", 1800 * 1000 - 1, 1), 0);
    ck_assert_int_eq(passes(s, "a", 1800 * 1000, 1), 1);
    store_destroy(s);
}
END_TEST

START_TEST(the_largest_rate_does_not_overflow)
{
    struct config config = BASE;

    config.rate_per_user = (struct rate){1000000, 3600};
    struct store *s = store_of(&config);
    for (int64_t now_ms = 0; now_ms < INT64_C(1) << 42; now_ms = now_ms * 3 + 1)
        ck_assert_int_eq(passes(s, "a", now_ms, 2), 2);
    store_destroy(s);
}
END_TEST

START_TEST(a_rate_of_zero_is_off_and_addresses_have_their_own)
{
    struct config config = BASE;
    int retry_s = 0;

    struct store *off = store_of(&config);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(store_rate_address(off, STR("10.0.0.1"), 0, &retry_s), ERR_OK);
    store_destroy(off);

    config.rate_per_address = (struct rate){2, 1};
    struct store *s = store_of(&config);
    ck_assert_int_eq(store_rate_address(s, STR("10.0.0.1"), 0, &retry_s), ERR_OK);
    ck_assert_int_eq(store_rate_address(s, STR("10.0.0.1"), 0, &retry_s), ERR_OK);
    ck_assert_int_eq(store_rate_address(s, STR("10.0.0.1"), 0, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_eq(passes(s, "10.0.0.1", 0, 1), 1);
    store_destroy(s);
}
END_TEST

static enum err locked(struct store *s, const char *user, const char *key, int64_t now_ms,
                       int *ret_retry_s)
{
    return store_lockout_check(s, str_of(user), str_of(key), now_ms, ret_retry_s);
}

static void refuse(struct store *s, const char *user, const char *key, int64_t now_ms, int times)
{
    for (int i = 0; i < times; i++)
        store_lockout_failed(s, str_of(user), str_of(key), now_ms);
}

START_TEST(a_lockout_is_for_one_pair_and_ends_when_its_retry_after_says)
{
    struct store *s = store_of(&BASE);
    const int64_t start_ms = 123456789;
    int retry_s = 0;

    refuse(s, "u", "k", start_ms, 9);
    ck_assert_int_eq(locked(s, "u", "k", start_ms, &retry_s), ERR_OK);
    refuse(s, "u", "k", start_ms + 5000, 1);
    ck_assert_int_eq(locked(s, "u", "k", start_ms + 5000, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_ge(retry_s, 894);
    ck_assert_int_le(retry_s, 900);
    ck_assert_int_eq(locked(s, "u", "other", start_ms + 5000, &retry_s), ERR_OK);
    ck_assert_int_eq(locked(s, "other", "k", start_ms + 5000, &retry_s), ERR_OK);
    ck_assert_int_eq(locked(s, "uk", "", start_ms + 5000, &retry_s), ERR_OK);

    const int64_t end_ms = start_ms + 5000 + retry_s * INT64_C(1000);
    ck_assert_int_eq(locked(s, "u", "k", end_ms - 2000, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_eq(locked(s, "u", "k", end_ms, &retry_s), ERR_OK);
    store_destroy(s);
}
END_TEST

START_TEST(failures_slide_out_of_the_window)
{
    struct store *s = store_of(&BASE);
    int retry_s = 0;

    refuse(s, "u", "k", 0, 8);
    /* Half a window later the 8 of the window before weigh 4. */
    refuse(s, "u", "k", 1350000, 5);
    ck_assert_int_eq(locked(s, "u", "k", 1350000, &retry_s), ERR_OK);
    refuse(s, "u", "k", 1350000, 1);
    ck_assert_int_eq(locked(s, "u", "k", 1350000, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_eq(locked(s, "u", "k", 1350000 + retry_s * INT64_C(1000), &retry_s), ERR_OK);
    /* A window that is not adjacent weighs nothing, and not less. */
    refuse(s, "v", "k", 0, 10);
    refuse(s, "v", "k", 899000, 9);
    refuse(s, "v", "k", 1801000, 9);
    ck_assert_int_eq(locked(s, "v", "k", 1801000, &retry_s), ERR_OK);
    refuse(s, "v", "k", 1801000, 1);
    ck_assert_int_eq(locked(s, "v", "k", 1801000, &retry_s), ERR_RATE_LIMITED);
    /* Two windows later all is forgotten. */
    refuse(s, "u", "k", 5000000, 9);
    ck_assert_int_eq(locked(s, "u", "k", 5000000, &retry_s), ERR_OK);
    store_destroy(s);
}
END_TEST

START_TEST(a_success_clears_and_zero_switches_off)
{
    struct config config = BASE;
    int retry_s = 0;

    struct store *s = store_of(&config);
    refuse(s, "u", "k", 0, 10);
    ck_assert_int_eq(locked(s, "u", "k", 0, &retry_s), ERR_RATE_LIMITED);
    store_lockout_succeeded(s, STR("u"), STR("k"), 0);
    ck_assert_int_eq(locked(s, "u", "k", 0, &retry_s), ERR_OK);
    store_lockout_succeeded(s, STR("nobody"), STR("k"), 0);
    store_destroy(s);

    config.lockout_failures = 0;
    s = store_of(&config);
    refuse(s, "u", "k", 0, 100);
    ck_assert_int_eq(locked(s, "u", "k", 0, &retry_s), ERR_OK);
    store_destroy(s);
}
END_TEST

enum { THREADS = 4 };
static struct store *shared;
static atomic_int used;

static void *hammer(void *arg)
{
    int retry_s = 0;

    for (unsigned i = 0; i < 2000; i++) {
        const uint8_t id[16] = {(uint8_t)i, (uint8_t)(i >> 8)};
        if (store_use_challenge(shared, id, 0, 1000) == ERR_OK)
            atomic_fetch_add(&used, 1);
        store_lockout_failed(shared, STR("u"), STR("k"), 0);
        ck_assert_int_ne(locked(shared, "u", "k", 0, &retry_s), ERR_INTERNAL);
    }
    return arg;
}

START_TEST(limits_hold_over_all_threads)
{
    struct config config = BASE;
    pthread_t threads[THREADS];
    int retry_s = 0;

    config.used_challenges_max = 100000;
    shared = store_of(&config);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&used), 2000);
    ck_assert_int_eq(locked(shared, "u", "k", 0, &retry_s), ERR_RATE_LIMITED);
    store_destroy(shared);
}
END_TEST

START_TEST(other_limits_hold_at_once_and_what_was_counted_stays)
{
    struct config config = BASE;
    struct store *s = store_of(&config);
    const int64_t now_ms = INT64_C(1) << 30;
    int retry_s = 0;

    for (int i = 0; i < 3; i++)
        store_lockout_failed(s, STR("u"), STR("k"), now_ms);
    ck_assert_int_eq(locked(s, "u", "k", now_ms, &retry_s), ERR_OK);
    ck_assert_int_eq(store_rate_user(s, STR("u"), now_ms, &retry_s), ERR_OK);

    config.lockout_failures = 3;
    config.rate_per_user = (struct rate){1, 3600};
    store_configure(s, &config);
    ck_assert_int_eq(locked(s, "u", "k", now_ms, &retry_s), ERR_RATE_LIMITED);
    ck_assert_int_eq(store_rate_user(s, STR("v"), now_ms, &retry_s), ERR_OK);
    ck_assert_int_eq(store_rate_user(s, STR("v"), now_ms, &retry_s), ERR_RATE_LIMITED);
    store_destroy(s);
}
END_TEST

/* A reload from "10/s" to "600/h", and back: who has called before keeps what he had left. */
START_TEST(another_period_takes_nothing_from_who_has_called_before)
{
    struct config config = BASE;
    const int64_t now_ms = INT64_C(1) << 30;
    int retry_s = 0;

    config.rate_per_user = (struct rate){10, 1};
    struct store *s = store_of(&config);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(store_rate_user(s, STR("u"), now_ms, &retry_s), ERR_OK);
    config.rate_per_user = (struct rate){600, 3600};
    store_configure(s, &config);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(store_rate_user(s, STR("u"), now_ms, &retry_s), ERR_OK);
    config.rate_per_user = (struct rate){10, 1};
    store_configure(s, &config);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(store_rate_user(s, STR("u"), now_ms, &retry_s), ERR_OK);
    ck_assert_int_eq(store_rate_user(s, STR("u"), now_ms, &retry_s), ERR_RATE_LIMITED);
    store_destroy(s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("store");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_challenge_is_used_once_and_a_full_table_refuses);
    tcase_add_test(t, a_rate_allows_its_count_at_once_and_refills_evenly);
    tcase_add_test(t, a_rate_is_exact_over_a_long_time);
    tcase_add_test(t, retry_after_is_when_the_next_call_passes);
    tcase_add_test(t, the_largest_rate_does_not_overflow);
    tcase_add_test(t, a_rate_of_zero_is_off_and_addresses_have_their_own);
    tcase_add_test(t, a_lockout_is_for_one_pair_and_ends_when_its_retry_after_says);
    tcase_add_test(t, failures_slide_out_of_the_window);
    tcase_add_test(t, a_success_clears_and_zero_switches_off);
    tcase_add_test(t, another_period_takes_nothing_from_who_has_called_before);
    tcase_add_test(t, other_limits_hold_at_once_and_what_was_counted_stays);
    tcase_add_test(t, limits_hold_over_all_threads);
    return unit_run(t, "store");
}
