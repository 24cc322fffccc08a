/* SPDX-License-Identifier: Apache-2.0
 * What the keeper's gauges say of tokens and keys: 0 from the start while there is none, times of
 * the token in use, and nothing of a client that is not wanted. Alerts go by these. */
#include "unit.h"

#include "base/clock.h"
#include "keeper_bench.h"
#include "observe/metrics.h"

#define EXPIRY "\nbff_token_expiry_timestamp_seconds"
#define RENEWAL "\nbff_token_renewal_timestamp_seconds"
#define CLIENT "{client=\"client\"} "
#define ADMIN "{client=\"admin\"} "
#define KEYS "\nbff_jwks_keys "

enum { OUT_MAX = 1 << 20, NO_SERIES = -1 };

/* The value of the series; NO_SERIES: there is none. */
static double gauge(const char *series)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, OUT_MAX);
    metrics_write(&out);
    ck_assert(buf_ok(&out));
    const char *found = strstr(out.ptr, series);
    return found ? strtod(found + strlen(series), NULL) : NO_SERIES;
}

static void start(void)
{
    keeper_register_metrics();
    ck_assert(metrics_start());
    bench_start();
    keeper_metrics_watch(bench.keeper);
}

/* Its threads count until they have ended. */
static void tear_down(void)
{
    bench_tear_down();
    metrics_stop();
}

static bool token_is_there(void)
{
    struct token_now now;

    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now);
}

static bool admin_token_is_there(void)
{
    struct token_now now;

    return keeper_token(bench.view, KEEPER_ADMIN_TOKEN, &now);
}

static bool token_is_gone(void)
{
    struct keeper_status status;

    keeper_status(bench.keeper, &status);
    return !status.token_ok[KEEPER_CLIENT_TOKEN];
}

static bool keys_are_gone(void)
{
    return !keys_are_there();
}

START_TEST(what_never_came_shows_as_zero)
{
    bench_set_up();
    atomic_store(&vendor.token_status, 401);
    atomic_store(&vendor.hold_jwks, true);
    start();
    ck_assert_double_eq(gauge(EXPIRY CLIENT), 0);
    ck_assert_double_eq(gauge(RENEWAL CLIENT), 0);
    ck_assert_double_eq(gauge(KEYS), 0);
    tear_down();
}
END_TEST

START_TEST(what_is_not_wanted_does_not_show)
{
    bench_set_up();
    start();
    bench_run_until(token_is_there);
    ck_assert_double_eq(gauge(EXPIRY ADMIN), NO_SERIES);
    ck_assert_double_eq(gauge(RENEWAL ADMIN), NO_SERIES);
    tear_down();
}
END_TEST

START_TEST(a_token_shows_its_end_and_its_renewal)
{
    enum { LIFE_S = 1000 };
    bench_set_up();
    atomic_store(&vendor.expires_in_s, LIFE_S);
    start();
    const double before_s = (double)clock_wall_s();
    bench_run_until(token_is_there);
    const double after_s = (double)clock_wall_s();
    const double expiry_s = gauge(EXPIRY CLIENT), renewal_s = gauge(RENEWAL CLIENT);
    ck_assert_double_ge(expiry_s, before_s + LIFE_S - 2);
    ck_assert_double_le(expiry_s, after_s + LIFE_S);
    ck_assert_double_ge(renewal_s, before_s + 0.75 * LIFE_S - 2);
    ck_assert_double_le(renewal_s, after_s + 0.85 * LIFE_S);
    tear_down();
}
END_TEST

START_TEST(a_token_that_was_dropped_shows_as_zero)
{
    struct token_now now;

    bench_set_up();
    start();
    bench_run_until(token_is_there);
    atomic_store(&vendor.hold_token, true);
    ck_assert(keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &now));
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, now.generation, false);
    bench_run_until(token_is_gone);
    ck_assert_double_eq(gauge(EXPIRY CLIENT), 0);
    ck_assert_double_eq(gauge(RENEWAL CLIENT), 0);
    tear_down();
}
END_TEST

START_TEST(a_client_that_is_no_longer_wanted_goes_with_its_series)
{
    struct err_text text = {0};

    bench_set_up();
    struct config without = bench.config;
    bench.config.admin_client_id = (char *)"admin";
    bench.config.admin_client_secret = (char *)"secret";
    start();
    bench_run_until(admin_token_is_there);
    ck_assert_double_gt(gauge(EXPIRY ADMIN), 0);
    ck_assert_int_eq(keeper_reload(bench.keeper, &without, NULL, NULL, &text), ERR_OK);
    ck_assert_double_eq(gauge(EXPIRY ADMIN), NO_SERIES);
    ck_assert_double_eq(gauge(RENEWAL ADMIN), NO_SERIES);
    tear_down();
}
END_TEST

START_TEST(keys_are_counted_until_they_are_dropped)
{
    bench_set_up();
    bench.limits.keys_refresh_ms = 50;
    bench.limits.keys_stale_ms = 300;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 120;
    start();
    bench_run_until(keys_are_there);
    ck_assert_double_eq(gauge(KEYS), 1);
    atomic_store(&vendor.jwks_status, 500);
    bench_run_until(keys_are_gone);
    ck_assert_double_eq(gauge(KEYS), 0);
    tear_down();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("keeper_metrics");
    if (!bench_init())
        return EXIT_FAILURE;
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_never_came_shows_as_zero);
    tcase_add_test(tests, what_is_not_wanted_does_not_show);
    tcase_add_test(tests, a_token_shows_its_end_and_its_renewal);
    tcase_add_test(tests, a_token_that_was_dropped_shows_as_zero);
    tcase_add_test(tests, a_client_that_is_no_longer_wanted_goes_with_its_series);
    tcase_add_test(tests, keys_are_counted_until_they_are_dropped);
    const int status = unit_run(tests, "keeper_metrics");
    bench_finish();
    return status;
}
