/* SPDX-License-Identifier: Apache-2.0
 * identity/keeper_policy with invented time: renewal, back-off windows, pauses after a refusal,
 * Retry-After, the cool-down, tokens refused one after the other. */
#include "unit.h"

#include "identity/keeper_policy.h"

enum { NOW_MS = 1000000 };
static const uint32_t RANDOMS[] = {0, 1, UINT32_MAX / 2, UINT32_MAX};

START_TEST(renewal_is_around_four_fifths_of_the_life)
{
    ck_assert_int_eq(token_renewal_in_ms(3600000, 0), 2700000);
    ck_assert_int_eq(token_renewal_in_ms(3600000, UINT32_MAX / 2 + 1), 2880000);
    ck_assert_int_ge(token_renewal_in_ms(3600000, UINT32_MAX), 3059999);
    ck_assert_int_le(token_renewal_in_ms(3600000, UINT32_MAX), 3060000);
}
END_TEST

START_TEST(tiny_lives_do_not_hammer)
{
    for (size_t i = 0; i < ARRAY_LEN(RANDOMS); i++) {
        ck_assert_int_eq(token_renewal_in_ms(0, RANDOMS[i]), 1000);
        ck_assert_int_eq(token_renewal_in_ms(1000, RANDOMS[i]), 1000);
    }
}
END_TEST

START_TEST(keys_are_refreshed_around_the_interval)
{
    ck_assert_int_eq(keys_refresh_in_ms(&KEEPER_LIMITS, 0), 15 * 60 * 900);
    ck_assert_int_le(keys_refresh_in_ms(&KEEPER_LIMITS, UINT32_MAX), 15 * 60 * 1100);
}
END_TEST

START_TEST(backoff_doubles_to_its_ceiling)
{
    static const struct {
        unsigned failures;
        int64_t window_ms;
    } CASES[] = {{1, 500},   {2, 1000},  {3, 2000},   {4, 4000},          {6, 16000},
                 {7, 30000}, {8, 30000}, {60, 30000}, {UINT32_MAX, 30000}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (size_t r = 0; r < ARRAY_LEN(RANDOMS); r++) {
            const int64_t ms = fetch_backoff_ms(&KEEPER_LIMITS, CASES[i].failures,
                                                ERR_UPSTREAM_UNAVAILABLE, -1, RANDOMS[r]);
            ck_assert_int_ge(ms, 100);
            ck_assert_int_le(ms, CASES[i].window_ms);
        }
        const int64_t last = fetch_backoff_ms(&KEEPER_LIMITS, CASES[i].failures,
                                              ERR_UPSTREAM_UNAVAILABLE, -1, UINT32_MAX);
        ck_assert_int_ge(last, CASES[i].window_ms - 1);
    }
}
END_TEST

START_TEST(refused_credentials_are_tried_at_most_twice_a_minute)
{
    for (unsigned failures = 1; failures < 5; failures++) {
        for (size_t r = 0; r < ARRAY_LEN(RANDOMS); r++)
            ck_assert_int_ge(fetch_backoff_ms(&KEEPER_LIMITS, failures,
                                              ERR_UPSTREAM_REFUSED_CREDENTIALS, -1, RANDOMS[r]),
                             30000);
    }
}
END_TEST

START_TEST(retry_after_is_honoured)
{
    ck_assert_int_eq(fetch_backoff_ms(&KEEPER_LIMITS, 1, ERR_UPSTREAM_RATE_LIMITED, 60, 0), 60000);
    ck_assert_int_ge(fetch_backoff_ms(&KEEPER_LIMITS, 1, ERR_UPSTREAM_RATE_LIMITED, 0, 0), 100);
}
END_TEST

START_TEST(failures_count_until_a_success)
{
    struct fetch_state s = {0};
    fetch_begins(&s);
    ck_assert(s.fetching);
    fetch_fails(&s, &KEEPER_LIMITS, NOW_MS, ERR_UPSTREAM_TIMEOUT, -1, 0);
    ck_assert(!s.fetching);
    fetch_begins(&s);
    fetch_fails(&s, &KEEPER_LIMITS, NOW_MS, ERR_UPSTREAM_TIMEOUT, 7, 0);
    ck_assert_uint_eq(s.failures, 2);
    ck_assert_int_eq(s.last_error, ERR_UPSTREAM_TIMEOUT);
    ck_assert_int_eq(s.next_ms, NOW_MS + 7000);
    ck_assert(!s.ever_ok);
    fetch_begins(&s);
    fetch_succeeds(&s, NOW_MS, 50);
    ck_assert(s.ever_ok && !s.fetching);
    ck_assert_uint_eq(s.failures, 0);
    ck_assert_int_eq(s.last_error, ERR_OK);
    ck_assert_int_eq(s.next_ms, NOW_MS + 50);
    ck_assert_int_eq(s.last_ok_ms, NOW_MS);
}
END_TEST

START_TEST(token_is_asked_for_unless_the_backoff_runs)
{
    struct fetch_state s = {0};
    ck_assert_int_eq(ask_for_token(&s, NOW_MS), ASK_FETCH);
    fetch_begins(&s);
    ck_assert_int_eq(ask_for_token(&s, NOW_MS), ASK_WAIT);
    fetch_fails(&s, &KEEPER_LIMITS, NOW_MS, ERR_UPSTREAM_TIMEOUT, 2, 0);
    ck_assert_int_eq(ask_for_token(&s, NOW_MS + 1999), ASK_TOO_SOON);
    ck_assert_int_eq(ask_for_token(&s, NOW_MS + 2000), ASK_FETCH);
    fetch_succeeds(&s, NOW_MS, 60000); /* and then expired, or refused */
    ck_assert_int_eq(ask_for_token(&s, NOW_MS), ASK_FETCH);
}
END_TEST

START_TEST(keys_cool_down_after_a_good_fetch_only)
{
    struct fetch_state s = {0};
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS), ASK_FETCH);
    fetch_succeeds(&s, NOW_MS, 900000);
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS + 29999), ASK_SETTLED);
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS + 30000), ASK_FETCH);
    fetch_begins(&s);
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS + 30000), ASK_WAIT);
    fetch_fails(&s, &KEEPER_LIMITS, NOW_MS + 30000, ERR_UPSTREAM_TIMEOUT, 1, 0);
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS + 30999), ASK_TOO_SOON);
    ck_assert_int_eq(ask_for_keys(&s, &KEEPER_LIMITS, NOW_MS + 31000), ASK_FETCH);
}
END_TEST

START_TEST(first_refused_tokens_are_renewed_at_once_the_next_later)
{
    const int64_t fetched_ms = NOW_MS - 10;
    ck_assert_int_eq(token_refused_fetch_at_ms(&KEEPER_LIMITS, 1, fetched_ms, NOW_MS), NOW_MS);
    ck_assert_int_eq(token_refused_fetch_at_ms(&KEEPER_LIMITS, 4, fetched_ms, NOW_MS), NOW_MS);
    ck_assert_int_eq(token_refused_fetch_at_ms(&KEEPER_LIMITS, 5, fetched_ms, NOW_MS),
                     fetched_ms + 30000);
    ck_assert_int_eq(token_refused_fetch_at_ms(&KEEPER_LIMITS, 6, NOW_MS - 40000, NOW_MS), NOW_MS);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("keeper_policy");
    tcase_add_test(tests, renewal_is_around_four_fifths_of_the_life);
    tcase_add_test(tests, tiny_lives_do_not_hammer);
    tcase_add_test(tests, keys_are_refreshed_around_the_interval);
    tcase_add_test(tests, backoff_doubles_to_its_ceiling);
    tcase_add_test(tests, refused_credentials_are_tried_at_most_twice_a_minute);
    tcase_add_test(tests, retry_after_is_honoured);
    tcase_add_test(tests, failures_count_until_a_success);
    tcase_add_test(tests, token_is_asked_for_unless_the_backoff_runs);
    tcase_add_test(tests, keys_cool_down_after_a_good_fetch_only);
    tcase_add_test(tests, first_refused_tokens_are_renewed_at_once_the_next_later);
    return unit_run(tests, "keeper_policy");
}
