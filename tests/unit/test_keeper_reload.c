/* SPDX-License-Identifier: Apache-2.0
 * keeper_reload: new credentials fetch a token while the old one serves, what is under way with the
 * old ones is given up, and the old configuration is not looked at again. */
#include "keeper_bench.h"
#include "unit.h"

static struct err_text text;

static bool token_is_there(void)
{
    struct token_now now;

    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now);
}

static bool second_token_is_there(void)
{
    struct token_now now;

    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now) &&
           str_is(now.authorization, "Bearer t-2");
}

static bool two_calls_came(void)
{
    return atomic_load(&vendor.token_calls) == 2;
}

/* The next configuration; on the heap, so that a sanitizer sees who still reads the one before. */
static struct config *copy_config(void)
{
    struct config *copy = malloc(sizeof(*copy));

    ck_assert_ptr_nonnull(copy);
    *copy = bench.config;
    return copy;
}

START_TEST(the_same_credentials_fetch_nothing)
{
    bench_set_up();
    bench_start();
    bench_run_until(token_is_there);
    struct config *first = copy_config(), *second = copy_config();
    ck_assert_int_eq(keeper_reload(bench.keeper, first, NULL, NULL, &text), ERR_OK);
    ck_assert_int_eq(keeper_reload(bench.keeper, second, NULL, NULL, &text), ERR_OK);
    free(first);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    ck_assert(token_is_there());
    bench_tear_down();
    free(second);
}
END_TEST

START_TEST(the_old_token_serves_until_the_new_one_is_there)
{
    bench_set_up();
    bench_start();
    bench_run_until(token_is_there);
    atomic_store(&vendor.hold_token, true);
    struct config *next = copy_config();
    next->client_secret = (char *)"another";
    ck_assert_int_eq(keeper_reload(bench.keeper, next, NULL, NULL, &text), ERR_OK);
    bench_run_until(two_calls_came);
    ck_assert(token_is_there() && !second_token_is_there());
    atomic_store(&vendor.hold_token, false);
    /* The held call is given up with the next credentials. */
    struct config *last = copy_config();
    last->client_secret = (char *)"a third";
    ck_assert_int_eq(keeper_reload(bench.keeper, last, NULL, NULL, &text), ERR_OK);
    free(next);
    struct token_now before, now;
    ck_assert(keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &before));
    do
        bench_run_until(token_is_there);
    while (keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now) &&
           now.generation == before.generation);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 3);
    bench_tear_down();
    free(last);
}
END_TEST

START_TEST(another_pool_begins_again_what_is_under_way)
{
    bench_set_up();
    atomic_store(&vendor.hold_token, true);
    bench_start();
    while (atomic_load(&vendor.token_calls) == 0)
        ;
    atomic_store(&vendor.hold_token, false);
    struct config *next = copy_config();
    next->upstream_connect_timeout_ms = 1999;
    ck_assert_int_eq(keeper_reload(bench.keeper, next, NULL, NULL, &text), ERR_OK);
    bench_run_until(token_is_there);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
    free(next);
}
END_TEST

static enum err wait_token(void)
{
    bench.open++;
    keeper_wait_token(bench.view, &bench.waits[1], KEEPER_CLIENT_TOKEN,
                      loop_update_now(bench.loop) + FAR_MS, bench_on_ready, &bench.outcomes[1]);
    bench_run();
    return bench.outcomes[1];
}

static bool all_is_there(void)
{
    return token_is_there() && keys_are_there();
}

/* Whoever mends the trust or the certificate does not wait for a pause of minutes. */
START_TEST(another_pool_ends_the_pauses_of_what_failed)
{
    bench_set_up();
    atomic_store(&vendor.token_status, 401);
    atomic_store(&vendor.jwks_status, 503);
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = bench.limits.refused_ms =
        3600 * 1000;
    bench_start();
    ck_assert_int_ne(wait_token(), ERR_OK);
    ck_assert_int_ne(wait_kid("k-1"), ERR_OK);
    atomic_store(&vendor.token_status, 200);
    atomic_store(&vendor.jwks_status, 200);
    struct config *next = copy_config();
    next->upstream_connect_timeout_ms = 1999;
    ck_assert_int_eq(keeper_reload(bench.keeper, next, NULL, NULL, &text), ERR_OK);
    bench_run_until(all_is_there);
    bench_tear_down();
    free(next);
}
END_TEST

START_TEST(an_admin_client_comes_and_goes)
{
    bench_set_up();
    bench_start();
    bench_run_until(token_is_there);
    struct config *with = copy_config(), *without = copy_config();
    with->admin_client_id = (char *)"admin";
    with->admin_client_secret = (char *)"secret";
    ck_assert_int_eq(keeper_reload(bench.keeper, with, NULL, NULL, &text), ERR_OK);
    bench_run_until(two_calls_came);
    ck_assert_int_eq(keeper_reload(bench.keeper, without, NULL, NULL, &text), ERR_OK);
    free(with);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(!status.token_wanted[KEEPER_ADMIN_TOKEN] && !status.token_ok[KEEPER_ADMIN_TOKEN]);
    bench_tear_down();
    free(without);
}
END_TEST

static bool three_calls_came(void)
{
    return atomic_load(&vendor.token_calls) == 3;
}

START_TEST(refused_credentials_are_tried_again_while_the_old_token_serves)
{
    bench_set_up();
    bench.limits.refused_ms = 20;
    bench_start();
    bench_run_until(token_is_there);
    atomic_store(&vendor.token_status, 401);
    struct config *next = copy_config();
    next->client_secret = (char *)"another";
    ck_assert_int_eq(keeper_reload(bench.keeper, next, NULL, NULL, &text), ERR_OK);
    bench_run_until(three_calls_came);
    struct token_now now;
    ck_assert(keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now));
    ck_assert(str_is(now.authorization, "Bearer t-1"));
    atomic_store(&vendor.token_status, 200);
    do
        bench_run_until(token_is_there);
    while (keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now) &&
           str_is(now.authorization, "Bearer t-1"));
    bench_tear_down();
    free(next);
}
END_TEST

int main(void)
{
    if (!bench_init())
        return EXIT_FAILURE;
    TCase *t = tcase_create("keeper_reload");
    tcase_add_test(t, the_same_credentials_fetch_nothing);
    tcase_add_test(t, the_old_token_serves_until_the_new_one_is_there);
    tcase_add_test(t, another_pool_begins_again_what_is_under_way);
    tcase_add_test(t, another_pool_ends_the_pauses_of_what_failed);
    tcase_add_test(t, an_admin_client_comes_and_goes);
    tcase_add_test(t, refused_credentials_are_tried_again_while_the_old_token_serves);
    const int failed = unit_run(t, "keeper_reload");
    bench_finish();
    return failed;
}
