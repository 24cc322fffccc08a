/* SPDX-License-Identifier: Apache-2.0
 * identity/keeper against a scripted vendor: one fetch however many wait, renewal, expiry,
 * back-off, refused tokens, views that come and go. */
#include "unit.h"

#include <pthread.h>

#include "base/clock.h"
#include "client_files.h"
#include "keeper_bench.h"

static void wait_token_until(size_t i, int64_t deadline_ms)
{
    bench.open++;
    bench.outcomes[i] = ERR_PENDING;
    keeper_wait_token(bench.view, &bench.waits[i], KEEPER_CLIENT_TOKEN, deadline_ms, bench_on_ready,
                      &bench.outcomes[i]);
    ck_assert_int_eq(bench.outcomes[i], ERR_PENDING); /* never from inside */
}

static enum err wait_token(void)
{
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS);
    bench_run();
    return bench.outcomes[0];
}

static bool token_is(const char *expected)
{
    struct token_now token;
    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token) &&
           str_is(token.authorization, expected);
}

static uint64_t generation(void)
{
    struct token_now token;
    ck_assert(keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token));
    return token.generation;
}

static bool token_failed_once(void)
{
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    return status.last_error[0] != '\0';
}

/* ---- tokens */

START_TEST(thousand_waiters_cost_one_token_call)
{
    bench_set_up();
    bench_start();
    for (size_t i = 0; i < 1000; i++)
        wait_token_until(i, loop_update_now(bench.loop) + FAR_MS);
    bench_run();
    for (size_t i = 0; i < 1000; i++)
        ck_assert_int_eq(bench.outcomes[i], ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    ck_assert(token_is("Bearer t-1"));
    bench_tear_down();
}
END_TEST

START_TEST(status_tells_what_is_there)
{
    bench_set_up();
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    bench_run_until(keys_are_there);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.token_ok[KEEPER_CLIENT_TOKEN] && status.token_ever[KEEPER_CLIENT_TOKEN]);
    ck_assert(status.token_wanted[KEEPER_CLIENT_TOKEN] && !status.token_wanted[KEEPER_ADMIN_TOKEN]);
    ck_assert(status.keys_ever && status.keys_ok);
    ck_assert_str_eq(status.last_error, "");
    bench_tear_down();
}
END_TEST

START_TEST(admin_token_is_fetched_when_configured)
{
    bench_set_up();
    bench.config.admin_client_id = (char *)"admin";
    bench.config.admin_client_secret = (char *)"admin-secret";
    bench_start();
    bench.open++;
    keeper_wait_token(bench.view, &bench.waits[0], KEEPER_ADMIN_TOKEN,
                      loop_update_now(bench.loop) + FAR_MS, bench_on_ready, &bench.outcomes[0]);
    bench_run();
    ck_assert_int_eq(bench.outcomes[0], ERR_OK);
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

static bool renewed(void)
{
    struct token_now token;
    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token) && token.generation >= 2;
}

/* libcurl sends again by itself what was lost on a reused connection. */
START_TEST(an_assertion_is_not_sent_twice)
{
    bench_set_up();
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    bench.identity = identity;
    bench.config.client_secret = NULL;
    bench.config.client_auth = CLIENT_AUTH_PRIVATE_KEY_JWT;
    bench.config.client_assertion_alg = JWS_ES256;
    bench.config.client_key_id = (char *)"key-1";
    bench.config.client_assertion_audience = (char *)"https://vendor.example";
    bench.limits.backoff_first_ms = 10;
    atomic_store(&vendor.expires_in_s, 2);
    atomic_store(&vendor.drop_reused, true);
    bench_start();
    bench_run_until(renewed);
    ck_assert_uint_eq(atomic_load(&vendor.token_repeats), 0);
    bench_tear_down();
}
END_TEST

START_TEST(token_is_renewed_before_it_expires)
{
    bench_set_up();
    atomic_store(&vendor.expires_in_s, 2);
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    bench_run_until(renewed);
    ck_assert_uint_ge(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

static bool no_token(void)
{
    struct token_now token;
    return !keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token);
}

START_TEST(expired_token_is_not_handed_out)
{
    bench_set_up();
    atomic_store(&vendor.expires_in_s, 2);
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    atomic_store(&vendor.token_status, 503);
    const int64_t before_ms = clock_mono_ms();
    bench_run_until(no_token);
    ck_assert_int_le(clock_mono_ms() - before_ms, 2100);
    ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    bench_tear_down();
}
END_TEST

START_TEST(backoff_answers_without_a_call)
{
    bench_set_up();
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    atomic_store(&vendor.token_status, 503);
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    bench_tear_down();
}
END_TEST

START_TEST(keeper_heals_by_itself)
{
    bench_set_up();
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 120;
    atomic_store(&vendor.token_status, 500);
    bench_start();
    bench_run_until(token_failed_once);
    atomic_store(&vendor.token_status, 200);
    bench.until = NULL;
    while (wait_token() != ERR_OK)
        ck_assert_uint_lt(atomic_load(&vendor.token_calls), 100);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.token_ok[KEEPER_CLIENT_TOKEN]);
    bench_tear_down();
}
END_TEST

START_TEST(refused_credentials_are_told_apart)
{
    bench_set_up();
    atomic_store(&vendor.token_status, 401);
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_UPSTREAM_REFUSED_CREDENTIALS);
    ck_assert_int_eq(wait_token(), ERR_UPSTREAM_REFUSED_CREDENTIALS);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(!status.token_ok[KEEPER_CLIENT_TOKEN] && !status.token_ever[KEEPER_CLIENT_TOKEN]);
    ck_assert_ptr_nonnull(strstr(status.last_error, "401"));
    ck_assert_ptr_null(strstr(status.last_error, "secret="));
    bench_tear_down();
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
    bench_set_up();
    atomic_store(&vendor.hold_token, true);
    bench_start();
    wait_token_until(0, loop_update_now(bench.loop) + 50);
    bench_run();
    ck_assert_int_eq(bench.outcomes[0], ERR_TOKEN_UNAVAILABLE);
    bench_tear_down();
}
END_TEST

START_TEST(waiters_are_bounded)
{
    enum { PLACES = 4096 / 2 };
    bench_set_up();
    atomic_store(&vendor.hold_token, true);
    bench_start();
    for (size_t i = 0; i < PLACES + 10; i++)
        wait_token_until(i, loop_now_ms(bench.loop) + FAR_MS);
    bench.open = 10;
    bench_run();
    for (size_t i = 0; i < PLACES + 10; i++)
        ck_assert_int_eq(bench.outcomes[i], i < PLACES ? ERR_PENDING : ERR_OVERLOADED);
    keeper_wait_cancel(&bench.waits[0]);
    wait_token_until(0, loop_now_ms(bench.loop) + FAR_MS); /* its place is free again */
    ck_assert_int_eq(bench.waits[0].outcome, ERR_PENDING);
    bench_tear_down();
}
END_TEST

START_TEST(cancelled_wait_is_silent)
{
    bench_set_up();
    bench_start();
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS);
    wait_token_until(1, loop_update_now(bench.loop) + FAR_MS);
    bench.open--;
    keeper_wait_cancel(&bench.waits[0]);
    keeper_wait_cancel(&bench.waits[0]);
    bench_run();
    ck_assert_int_eq(bench.outcomes[0], ERR_PENDING);
    ck_assert_int_eq(bench.outcomes[1], ERR_OK);
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS); /* ready, not yet told */
    wait_token_until(1, loop_update_now(bench.loop) + FAR_MS);
    bench.open--;
    keeper_wait_cancel(&bench.waits[0]);
    bench_run();
    ck_assert_int_eq(bench.outcomes[0], ERR_PENDING);
    bench_tear_down();
}
END_TEST

/* ---- refused tokens */

START_TEST(refused_token_is_replaced_once_for_all)
{
    bench_set_up();
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    const uint64_t first = generation();
    for (int i = 0; i < 100; i++)
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, first, false);
    ck_assert(no_token());
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert(token_is("Bearer t-2"));
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, first, false); /* late news */
    ck_assert(token_is("Bearer t-2"));
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

START_TEST(tokens_refused_in_a_row_are_no_loop_and_no_outage)
{
    bench_set_up();
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    const uint64_t fetches = 1 + bench.limits.refused_in_row;
    for (int i = 0; i < 20; i++) {
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), false);
        ck_assert(no_token());
        ck_assert_int_eq(wait_token(), ERR_OK);
    }
    ck_assert(token_is("Bearer t-5")); /* the last one fetched stays in use */
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), fetches);
    bench_tear_down();
}
END_TEST

START_TEST(background_refusal_renews_without_dropping)
{
    bench_set_up();
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    ck_assert(token_is("Bearer t-1"));
    bench_run_until(renewed);
    ck_assert(token_is("Bearer t-2"));
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

START_TEST(background_refusals_renew_no_more_often_than_the_pause_allows)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    bench_run_until(renewed);
    for (int i = 0; i < 100; i++)
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    ck_assert_int_eq(wait_kid("k-9"), ERR_OK); /* a round through the keeper */
    ck_assert(token_is("Bearer t-2"));
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

START_TEST(a_403_costs_one_renewal_a_pause_later)
{
    bench_set_up();
    bench.limits.cool_down_ms = 0;
    bench.limits.forbidden_ms = 300;
    bench_start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    const int64_t begin_ms = loop_update_now(bench.loop);
    for (int i = 0; i < 100; i++) {
        bench.view->alarm_ms[KEEPER_CLIENT_TOKEN][TOKEN_ALARM_403] = 0; /* as from other workers */
        keeper_token_alarm(bench.view, KEEPER_CLIENT_TOKEN, generation(), 403);
        keeper_token_alarm(bench.view, KEEPER_CLIENT_TOKEN, generation(), 401);
    }
    ck_assert_int_eq(wait_kid("k-9"), ERR_OK); /* a round through the keeper */
    ck_assert(token_is("Bearer t-1"));
    bench_run_until(renewed);
    ck_assert_int_ge(loop_update_now(bench.loop) - begin_ms, 300);
    ck_assert(token_is("Bearer t-2"));
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    bench_tear_down();
}
END_TEST

/* ---- life */

static void *use_own_view(void *arg)
{
    struct keeper *keeper = arg;
    for (int i = 0; i < 200; i++) {
        struct loop *loop = loop_create();
        struct keeper_view *view = keeper_view_create(keeper, loop);
        struct keeper_wait wait = {0};
        enum err outcome;
        keeper_wait_kid(view, &wait, 0, STR("random"), FAR_MS, bench_on_ready, &outcome);
        keeper_token_refused(view, KEEPER_CLIENT_TOKEN, (uint64_t)i, i % 2 == 0);
        keeper_view_destroy(view);
        loop_destroy(loop);
    }
    return NULL;
}

START_TEST(views_come_and_go_while_the_keeper_publishes)
{
    bench_set_up();
    bench.limits.keys_refresh_ms = 1;
    bench.limits.cool_down_ms = 0;
    bench_start();
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_own_view, bench.keeper), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    bench_tear_down();
}
END_TEST

static void add_token_tests(TCase *tests)
{
    tcase_add_test(tests, thousand_waiters_cost_one_token_call);
    tcase_add_test(tests, status_tells_what_is_there);
    tcase_add_test(tests, admin_token_is_fetched_when_configured);
    tcase_add_test(tests, an_assertion_is_not_sent_twice);
    tcase_add_test(tests, token_is_renewed_before_it_expires);
    tcase_add_test(tests, expired_token_is_not_handed_out);
    tcase_add_test(tests, backoff_answers_without_a_call);
    tcase_add_test(tests, keeper_heals_by_itself);
    tcase_add_test(tests, refused_credentials_are_told_apart);
    tcase_add_test(tests, waiting_ends_at_the_deadline);
    tcase_add_test(tests, waiters_are_bounded);
    tcase_add_test(tests, cancelled_wait_is_silent);
    tcase_add_test(tests, refused_token_is_replaced_once_for_all);
    tcase_add_test(tests, tokens_refused_in_a_row_are_no_loop_and_no_outage);
    tcase_add_test(tests, background_refusal_renews_without_dropping);
    tcase_add_test(tests, background_refusals_renew_no_more_often_than_the_pause_allows);
    tcase_add_test(tests, a_403_costs_one_renewal_a_pause_later);
}

int main(void)
{
    TCase *tests = tcase_create("keeper");
    if (!bench_init())
        return EXIT_FAILURE;
    tcase_set_timeout(tests, 60);
    add_token_tests(tests);
    tcase_add_test(tests, views_come_and_go_while_the_keeper_publishes);
    const int status = unit_run(tests, "keeper");
    bench_finish();
    return status;
}
