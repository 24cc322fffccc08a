/* SPDX-License-Identifier: Apache-2.0
 * identity/keeper against a scripted vendor: unknown kids, bad signatures under known ones, the
 * cool-down, the old key set that stays, stale sets that go. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>

#include "keeper_bench.h"

/* ---- keys */

START_TEST(unknown_kid_within_the_cool_down_costs_nothing)
{
    bench_set_up();
    bench_start();
    bench_run_until(keys_are_there);
    ck_assert(has_kid("k-1"));
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(wait_kid("random"), ERR_INVALID_TOKEN);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 1);
    bench_tear_down();
}
END_TEST

static bool cool_down_is_over(void)
{
    return loop_now_ms(bench.loop) - bench.view->snapshot->key_states[0].last_ok_ms >=
           bench.limits.cool_down_ms;
}

START_TEST(thousand_unknown_kids_cost_one_fetch)
{
    bench_set_up();
    bench.limits.cool_down_ms = 1500;
    bench_start();
    bench_run_until(keys_are_there);
    bench_run_until(cool_down_is_over);
    for (size_t i = 0; i < 1000; i++) {
        char kid[32];
        (void)snprintf(kid, sizeof(kid), "random-%zu", i);
        wait_kid_start(i, kid);
    }
    bench_run();
    for (size_t i = 0; i < 1000; i++)
        ck_assert_int_eq(bench.outcomes[i], ERR_OK); /* looked at again */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert_int_eq(wait_kid("random"), ERR_INVALID_TOKEN);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    bench_tear_down();
}
END_TEST

/* Random kids while the vendor is slow: most places stay free for those who need no key set. */
START_TEST(waiters_for_a_kid_are_bounded)
{
    enum { PLACES = 80 / 4 };
    bench_set_up();
    bench.config.max_in_flight = 80;
    atomic_store(&vendor.hold_jwks, true);
    bench_start();
    for (size_t i = 0; i < PLACES + 10; i++)
        wait_kid_start(i, "random");
    bench.open = 10;
    bench_run();
    for (size_t i = 0; i < PLACES + 10; i++)
        ck_assert_int_eq(bench.outcomes[i], i < PLACES ? ERR_PENDING : ERR_OVERLOADED);
    bench_tear_down();
}
END_TEST

/* ---- other keys under an old kid */

static bool wait_new_keys_start(size_t i)
{
    bench.outcomes[i] = ERR_PENDING;
    const bool waits =
        keeper_wait_new_keys(bench.view, &bench.waits[i], 0, loop_update_now(bench.loop) + FAR_MS,
                             bench_on_ready, &bench.outcomes[i]);
    bench.open += waits;
    return waits;
}

START_TEST(bad_signatures_within_the_cool_down_cost_nothing)
{
    bench_set_up();
    bench_start();
    bench_run_until(keys_are_there);
    for (int i = 0; i < 100; i++)
        ck_assert(!wait_new_keys_start(0));
    ck_assert_int_eq(wait_kid("random"), ERR_INVALID_TOKEN); /* a round through the loop */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 1);
    bench_tear_down();
}
END_TEST

START_TEST(bad_signatures_cost_one_fetch_after_the_cool_down)
{
    bench_set_up();
    bench.limits.cool_down_ms = 1500;
    bench_start();
    bench_run_until(keys_are_there);
    bench_run_until(cool_down_is_over);
    for (size_t i = 0; i < 100; i++)
        ck_assert(wait_new_keys_start(i));
    bench_run();
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(bench.outcomes[i], ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert(!wait_new_keys_start(0));
    bench_tear_down();
}
END_TEST

START_TEST(a_bad_signature_is_no_better_off_when_the_fetch_fails)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.jwks_status, 500);
    ck_assert(wait_new_keys_start(0));
    bench_run();
    ck_assert_int_eq(bench.outcomes[0], ERR_OK);
    ck_assert(has_kid("k-1"));
    ck_assert(!wait_new_keys_start(0)); /* in back-off */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    bench_tear_down();
}
END_TEST

START_TEST(waiters_with_a_bad_signature_are_few_and_take_no_place_of_others)
{
    enum { PLACES = 320 / 16 };
    bench_set_up();
    bench.config.max_in_flight = 320;
    bench.limits.cool_down_ms = 0;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.hold_jwks, true);
    for (size_t i = 0; i < PLACES; i++)
        ck_assert(wait_new_keys_start(i));
    ck_assert(!wait_new_keys_start(PLACES));
    wait_kid_start(PLACES, "random");
    ck_assert_int_eq(bench.waits[PLACES].outcome, ERR_PENDING);
    keeper_wait_cancel(&bench.waits[0]);
    ck_assert(wait_new_keys_start(0));
    bench_tear_down();
}
END_TEST

/* token_memory.h goes by the set's address. */
START_TEST(the_same_document_again_leaves_the_set_as_it_is)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench_start();
    bench_run_until(keys_are_there);
    const struct keyset *first = keeper_keyring(bench.view).sets[0];
    ck_assert_int_eq(wait_kid("random"), ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert_ptr_eq(keeper_keyring(bench.view).sets[0], first);
    atomic_store(&vendor.kid, 2);
    ck_assert_int_eq(wait_kid("k-2"), ERR_OK);
    ck_assert_ptr_ne(keeper_keyring(bench.view).sets[0], first);
    bench_tear_down();
}
END_TEST

START_TEST(new_kid_is_found_by_one_fetch)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.kid, 2);
    ck_assert_int_eq(wait_kid("k-2"), ERR_OK);
    ck_assert(has_kid("k-2"));
    ck_assert(!has_kid("k-1"));
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    bench_tear_down();
}
END_TEST

/* A view that asks about the second issuer all the time and never hears: each ask is published to
 * all views. */
static void *ask_without_end(void *arg)
{
    const atomic_bool *stop = arg;
    struct loop *loop = loop_create();
    struct keeper_view *view = keeper_view_create(bench.keeper, loop);
    while (!atomic_load(stop)) {
        struct keeper_wait wait = {0};
        enum err outcome;
        keeper_wait_kid(view, &wait, 1, STR("random"), FAR_MS, bench_on_ready, &outcome);
        keeper_wait_cancel(&wait);
    }
    keeper_view_destroy(view);
    loop_destroy(loop);
    return NULL;
}

static bool keys_of_both_are_there(void)
{
    const struct keyring ring = keeper_keyring(bench.view);
    return ring.sets[0] && ring.sets[1];
}

START_TEST(news_from_before_an_ask_are_no_answer_to_it)
{
    bench_set_up();
    struct issuer issuers[] = {bench.issuer, bench.issuer};
    issuers[1].issuer = (char *)"https://other.example";
    bench.config.issuers = issuers;
    bench.config.issuer_count = 2;
    bench.limits.cool_down_ms = 0;
    bench_start();
    bench_run_until(keys_of_both_are_there);
    atomic_bool stop = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_without_end, &stop), 0);
    for (unsigned n = 2; n < 200; n++) {
        char kid[16];
        (void)snprintf(kid, sizeof(kid), "k-%u", n);
        atomic_store(&vendor.kid, n);
        ck_assert_int_eq(wait_kid(kid), ERR_OK);
        ck_assert_ptr_nonnull(keyset_find(keeper_keyring(bench.view).sets[0], str_of(kid)));
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    bench_tear_down();
}
END_TEST

START_TEST(old_set_stays_when_a_fetch_fails)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.jwks_status, 500);
    ck_assert_int_eq(wait_kid("k-2"), ERR_KEYS_UNAVAILABLE);
    ck_assert_int_eq(wait_kid("k-2"), ERR_KEYS_UNAVAILABLE); /* in back-off: no call */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert(has_kid("k-1"));
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.keys_ok);
    ck_assert_ptr_nonnull(strstr(status.last_error, "500"));
    bench_tear_down();
}
END_TEST

static const char *const NO_KEY_SETS[] = {
    "",
    "{",
    "[]",
    "{}",
    "{\"keys\":{}}",
    "{\"keys\":[]}",
    "<html>",
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k-1\",\"k\":\"AAAA\"}]}",
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k-1\",\"e\":\"AQAB\",\"n\":\"AQAB\"}]}",
    "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"k-1\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\",\"d\":"
    "\"AA\"}]}",
    "{\"keys\":[],\"keys\":[]}",
};

START_TEST(old_set_stays_when_a_document_is_no_key_set)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.jwks_document, NO_KEY_SETS[_i]);
    ck_assert_int_eq(wait_kid("k-2"), ERR_KEYS_UNAVAILABLE);
    ck_assert(has_kid("k-1"));
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.keys_ok);
    ck_assert_str_ne(status.last_error, "");
    bench_tear_down();
}
END_TEST

static bool keys_are_gone(void)
{
    return !keys_are_there();
}

START_TEST(stale_set_is_dropped)
{
    bench_set_up();
    bench.limits.keys_refresh_ms = 50;
    bench.limits.keys_stale_ms = 300;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 120;
    bench_start();
    bench_run_until(keys_are_there);
    atomic_store(&vendor.jwks_status, 500);
    bench_run_until(keys_are_gone);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.keys_ever && !status.keys_ok);
    atomic_store(&vendor.jwks_status, 200);
    bench_run_until(keys_are_there);
    bench_tear_down();
}
END_TEST

START_TEST(keys_that_never_came_are_unavailable)
{
    bench_set_up();
    vendor.jwks_type = "text/html";
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    bench_start();
    ck_assert_int_eq(wait_kid("k-1"), ERR_KEYS_UNAVAILABLE);
    ck_assert(!keys_are_there());
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 1);
    bench_tear_down();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("keeper_keys");
    if (!bench_init())
        return EXIT_FAILURE;
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, unknown_kid_within_the_cool_down_costs_nothing);
    tcase_add_test(tests, thousand_unknown_kids_cost_one_fetch);
    tcase_add_test(tests, waiters_for_a_kid_are_bounded);
    tcase_add_test(tests, bad_signatures_within_the_cool_down_cost_nothing);
    tcase_add_test(tests, bad_signatures_cost_one_fetch_after_the_cool_down);
    tcase_add_test(tests, a_bad_signature_is_no_better_off_when_the_fetch_fails);
    tcase_add_test(tests, waiters_with_a_bad_signature_are_few_and_take_no_place_of_others);
    tcase_add_test(tests, the_same_document_again_leaves_the_set_as_it_is);
    tcase_add_test(tests, new_kid_is_found_by_one_fetch);
    tcase_add_test(tests, news_from_before_an_ask_are_no_answer_to_it);
    tcase_add_test(tests, old_set_stays_when_a_fetch_fails);
    tcase_add_loop_test(tests, old_set_stays_when_a_document_is_no_key_set, 0,
                        ARRAY_LEN(NO_KEY_SETS));
    tcase_add_test(tests, stale_set_is_dropped);
    tcase_add_test(tests, keys_that_never_came_are_unavailable);
    const int status = unit_run(tests, "keeper_keys");
    bench_finish();
    return status;
}
