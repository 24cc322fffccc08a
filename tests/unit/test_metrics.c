/* SPDX-License-Identifier: Apache-2.0
 * observe/metrics: the exposition of each kind, label values out of range, a full table, threads
 * that count while another scrapes, threads that ended, values read at scrape time. */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "observe/metrics.h"

enum { OUT_MAX = 8 << 20 };

static const char *const results[] = {"good", "bad \"quoted\"\n\\", "_OTHER"};
static const char *const operations[] = {"start", "_OTHER"};
static const char *const many[] = {"1", "2", "3", "4", "5", "6", "7"};
static struct buf out;

static void setup(void)
{
    metric_label_values(M_JWT_VERIFY, "result", results, ARRAY_LEN(results));
    metric_label_values(M_HTTP_CLIENT_DURATION, "operation", operations, ARRAY_LEN(operations));
    metric_label_values(M_HTTP_CLIENT_DURATION, "error_type", results, ARRAY_LEN(results));
    metric_label_values(M_TOKEN_FETCH, "client", results, ARRAY_LEN(results));
    metric_label_values(M_TOKEN_FETCH, "result", results, ARRAY_LEN(results));
    metric_label_values(M_CEREMONY, "step", many, ARRAY_LEN(many));
    metric_label_values(M_CEREMONY, "outcome", many, ARRAY_LEN(many));
    ck_assert(metrics_start());
    buf_init(&out, OUT_MAX);
}

static void teardown(void)
{
    metrics_stop();
    buf_finish(&out);
}

static const char *scrape(void)
{
    buf_reset(&out);
    metrics_write(&out);
    ck_assert(buf_ok(&out));
    return out.ptr;
}

#define ck_assert_has(text, part)                                                                  \
    ck_assert_msg(strstr((text), (part)) != NULL, "%s\nis not in\n%s", (part), (text))
#define ck_assert_lacks(text, part)                                                                \
    ck_assert_msg(strstr((text), (part)) == NULL, "%s\nis in\n%s", (part), (text))

START_TEST(counter_with_escaped_labels)
{
    metric_add(M_JWT_VERIFY, 0, 0, 1);
    metric_add(M_JWT_VERIFY, 0, 0, 2);
    metric_add(M_JWT_VERIFY, 1, 0, 1);
    ck_assert_has(scrape(), "# HELP bff_jwt_verify_total Token verifications by result\n"
                            "# TYPE bff_jwt_verify_total counter\n"
                            "bff_jwt_verify_total{result=\"good\"} 3\n"
                            "bff_jwt_verify_total{result=\"bad \\\"quoted\\\"\\n\\\\\"} 1\n");
}
END_TEST

START_TEST(index_out_of_range_counts_as_the_last_value)
{
    metric_add(M_JWT_VERIFY, 3, 0, 1);
    metric_add(M_JWT_VERIFY, 4000000000U, 7, 1);
    ck_assert_has(scrape(), "bff_jwt_verify_total{result=\"_OTHER\"} 2\n");
}
END_TEST

START_TEST(label_without_registered_values_is_other)
{
    metric_add(M_SHED, 5, 0, 1);
    ck_assert_has(scrape(), "bff_shed_total{reason=\"_OTHER\"} 1\n");
}
END_TEST

START_TEST(untouched_series_are_left_out_but_counters_of_few)
{
    const char *text = scrape();
    ck_assert_has(text, "# TYPE bff_log_dropped_total counter\nbff_log_dropped_total 0\n");
    ck_assert_has(text, "bff_jwt_verify_total{result=\"good\"} 0\n");
    ck_assert_lacks(text, "bff_jwt_verify_total{result=\"_OTHER\"}");
    ck_assert_has(text, "bff_token_fetch_total{client=\"good\",result=\"good\"} 0\n");
    ck_assert_lacks(text, "bff_ceremony_total");
    ck_assert_lacks(text, "http_client");
}
END_TEST

START_TEST(gauges_go_both_ways)
{
    metric_gauge_add(M_HTTP_SERVER_ACTIVE, 0, 0, 5);
    metric_gauge_add(M_HTTP_SERVER_ACTIVE, 0, 0, -7);
    metric_set(M_JWKS_KEYS, 0, 4);
    metric_set(M_JWKS_KEYS, 0, 3);
    const char *text = scrape();
    ck_assert_has(text, "# TYPE http_server_active_requests gauge\n"
                        "http_server_active_requests{http_request_method=\"_OTHER\"} -2\n");
    ck_assert_has(text, "bff_jwks_keys 3\n");
}
END_TEST

START_TEST(histogram_buckets_are_cumulative_and_bounds_inclusive)
{
    const double seconds[] = {0.001, 0.005, 0.006, 0.5, 10, 10.5, 0};
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++)
        metric_observe(M_HTTP_CLIENT_DURATION, METRIC_AT(0), seconds[i]);
    const char *text = scrape();
    ck_assert_has(text, "# TYPE http_client_request_duration_seconds histogram\n");
#define SERIES(suffix, more)                                                                       \
    "http_client_request_duration_seconds" suffix                                                  \
    "{http_request_method=\"_OTHER\",server_address=\"_OTHER\",server_port=\"_OTHER\","            \
    "operation=\"start\",http_response_status_code=\"_OTHER\",error_type=\"good\"" more "} "
    ck_assert_has(text, SERIES("_bucket", ",le=\"0.005\"") "3\n");
    ck_assert_has(text, SERIES("_bucket", ",le=\"0.01\"") "4\n");
    ck_assert_has(text, SERIES("_bucket", ",le=\"0.25\"") "4\n");
    ck_assert_has(text, SERIES("_bucket", ",le=\"0.5\"") "5\n");
    ck_assert_has(text, SERIES("_bucket", ",le=\"10\"") "6\n");
    ck_assert_has(text, SERIES("_bucket", ",le=\"+Inf\"") "7\n");
    ck_assert_has(text, SERIES("_sum", "") "21.012\n");
    ck_assert_has(text, SERIES("_count", "") "7\n");
#undef SERIES
}
END_TEST

START_TEST(fine_histograms_have_bounds_of_their_own)
{
    const double seconds[] = {0.0001, 0.0015, 0.02, 3};
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++)
        metric_observe(M_LOOP_LAG, METRIC_AT(0), seconds[i]);
    const char *text = scrape();
    ck_assert_has(text, "# TYPE bff_loop_lag_seconds histogram\n");
    ck_assert_has(text, "bff_loop_lag_seconds_bucket{loop=\"_OTHER\",le=\"0.0001\"} 1\n");
    ck_assert_has(text, "bff_loop_lag_seconds_bucket{loop=\"_OTHER\",le=\"0.001\"} 1\n");
    ck_assert_has(text, "bff_loop_lag_seconds_bucket{loop=\"_OTHER\",le=\"0.002\"} 2\n");
    ck_assert_has(text, "bff_loop_lag_seconds_bucket{loop=\"_OTHER\",le=\"2\"} 3\n");
    ck_assert_has(text, "bff_loop_lag_seconds_bucket{loop=\"_OTHER\",le=\"+Inf\"} 4\n");
    ck_assert_lacks(text, "le=\"0.025\"");
}
END_TEST

static void *raise_to_half_a_second(void *arg)
{
    bool *joined = arg;
    *joined = metrics_thread_join();
    metric_raise(M_LOOP_LAG_MAX, 0, 0, 0.5);
    metric_raise(M_LOOP_LAG_MAX, 0, 0, 0.25);
    return NULL;
}

START_TEST(a_maximum_is_the_largest_of_all_threads)
{
    pthread_t thread;
    bool joined = false;
    metric_raise(M_LOOP_LAG_MAX, 0, 0, 0.375);
    ck_assert_int_eq(pthread_create(&thread, NULL, raise_to_half_a_second, &joined), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(joined);
    ck_assert_has(scrape(), "# TYPE bff_loop_lag_max_seconds gauge\n"
                            "bff_loop_lag_max_seconds{loop=\"_OTHER\",clock=\"_OTHER\"} 0.5\n");
}
END_TEST

static double read_seven(void *arg)
{
    return *(const double *)arg;
}

START_TEST(values_are_read_at_scrape_time)
{
    double value = 7;
    metric_on_scrape(M_LOG_DROPPED, 0, read_seven, &value);
    ck_assert_has(scrape(), "bff_log_dropped_total 7\n");
    value = 1e14;
    ck_assert_has(scrape(), "bff_log_dropped_total 100000000000000\n");
}
END_TEST

START_TEST(numbers_have_at_most_fifteen_digits_and_nine_decimals)
{
    static const struct {
        double value;
        const char *text;
    } NUMBERS[] = {
        {0, "0"},
        {-0.25, "-0.25"},
        {0.5, "0.5"},
        {21.012, "21.012"},
        {0.000000001, "1e-09"},
        {0.000001, "0.000001"},
        {0.050000001, "0.050000001"},
        {1.0000000004, "1"},
        {1.9999999996, "2"},
        {9.9999999996, "10"},
        {0.1 + 0.2, "0.3"},
        {999999.999999999, "999999.999999999"},
        {1000000.1, "1000000.1"},
        {123456789.123456, "123456789.123456"},
        {99999999999999.5, "99999999999999.5"},
        {999999999999999, "999999999999999"},
        {1764331200.25, "1764331200.25"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
    };
    double value = 0;
    metric_on_scrape(M_LOG_DROPPED, 0, read_seven, &value);
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        char line[64];
        value = NUMBERS[i].value;
        (void)snprintf(line, sizeof(line), "\nbff_log_dropped_total %s\n", NUMBERS[i].text);
        ck_assert_has(scrape(), line);
    }
}
END_TEST

START_TEST(a_second_scrape_says_the_same_and_no_more_than_it_may)
{
    metric_observe(M_HTTP_CLIENT_DURATION, METRIC_AT(0), 0.5);
    char *first = strdup(scrape());
    ck_assert_ptr_nonnull(first);
    const size_t len = out.len;
    buf_finish(&out);
    buf_init(&out, OUT_MAX);
    ck_assert_str_eq(scrape(), first);
    buf_finish(&out);
    buf_init(&out, len - 1);
    metrics_write(&out);
    ck_assert_int_eq(out.state, BUF_FULL);
    free(first);
}
END_TEST

static void *count_a_thousand(void *arg)
{
    bool *joined = arg;
    metric_add(M_JWT_VERIFY, 0, 0, 1000000);
    *joined = metrics_thread_join();
    *joined = metrics_thread_join() && *joined;
    for (int i = 0; i < 1000; i++) {
        metric_add(M_JWT_VERIFY, 0, 0, 1);
        metric_observe(M_HTTP_CLIENT_DURATION, METRIC_AT(0, 0, 0, (unsigned)i % 2), 0.002);
        metric_gauge_add(M_HTTP_CLIENT_ACTIVE, 0, 0, i % 2 ? 1 : -1);
    }
    return NULL;
}

START_TEST(threads_count_while_another_scrapes_and_leave_their_counts)
{
    pthread_t threads[4];
    bool joined[4] = {false};
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_a_thousand, &joined[i]), 0);
    for (int i = 0; i < 50; i++)
        (void)scrape();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(joined[i]);
    }
    const char *text = scrape();
    ck_assert_has(text, "bff_jwt_verify_total{result=\"good\"} 4000\n");
    ck_assert_has(text, ",operation=\"start\",http_response_status_code=\"_OTHER\","
                        "error_type=\"good\"} 2000\n");
    ck_assert_has(text, ",operation=\"_OTHER\",http_response_status_code=\"_OTHER\","
                        "error_type=\"good\"} 2000\n");
    ck_assert_has(
        text, "http_client_active_requests{server_address=\"_OTHER\",server_port=\"_OTHER\"} 0\n");
}
END_TEST

START_TEST(without_a_start_nothing_counts)
{
    metrics_stop();
    ck_assert(!metrics_thread_join());
    metric_add(M_JWT_VERIFY, 0, 0, 1);
    ck_assert_lacks(scrape(), "bff_jwt_verify_total");
}
END_TEST

START_TEST(full_table_counts_under_the_catch_all)
{
    metrics_stop();
    static const char *values[METRIC_LABEL_VALUES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        values[i] = i + 1 < ARRAY_LEN(values) ? "x" : "_OTHER";
    const char *const labels[] = {"http_request_method", "http_route", "http_response_status_code",
                                  "error_type"};
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        metric_label_values(M_HTTP_SERVER_DURATION, labels[i], values, ARRAY_LEN(values));
    ck_assert(metrics_start());
    const unsigned series = 5000;
    for (unsigned i = 0; i < series; i++)
        metric_observe(M_HTTP_SERVER_DURATION, METRIC_AT(i % 100, i / 100), 0.001);
    metric_add(M_JWT_VERIFY, 0, 0, 1);

    const char *text = scrape();
    uint64_t count = 0;
    /* By hand, not with strstr(): under a sanitizer that measures the whole text each time. */
    static const char prefix[] = "http_server_request_duration_seconds_count{";
    for (size_t at = 0; at < out.len; at++) {
        const bool starts_line = at == 0 || text[at - 1] == '\n';
        if (starts_line && strncmp(text + at, prefix, sizeof(prefix) - 1) == 0) {
            at += strcspn(text + at, "}") + 1;
            count += strtoull(text + at, NULL, 10);
        }
    }
    ck_assert_uint_eq(count, series);
    ck_assert_has(text, "_count{http_request_method=\"_OTHER\",http_route=\"_OTHER\"");
    ck_assert_has(text, "bff_jwt_verify_total{");
}
END_TEST

START_TEST(docs_have_a_row_for_each_metric)
{
    buf_reset(&out);
    metrics_write_docs(&out);
    ck_assert(buf_ok(&out));
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    ck_assert_uint_eq(lines, METRIC_COUNT + 2);
    ck_assert_has(out.ptr, "| `bff_ceremony_total` | counter | `step`, `outcome` | Ceremony steps "
                           "by outcome |\n");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("metrics");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, counter_with_escaped_labels);
    tcase_add_test(tests, index_out_of_range_counts_as_the_last_value);
    tcase_add_test(tests, label_without_registered_values_is_other);
    tcase_add_test(tests, untouched_series_are_left_out_but_counters_of_few);
    tcase_add_test(tests, gauges_go_both_ways);
    tcase_add_test(tests, histogram_buckets_are_cumulative_and_bounds_inclusive);
    tcase_add_test(tests, fine_histograms_have_bounds_of_their_own);
    tcase_add_test(tests, a_maximum_is_the_largest_of_all_threads);
    tcase_add_test(tests, values_are_read_at_scrape_time);
    tcase_add_test(tests, numbers_have_at_most_fifteen_digits_and_nine_decimals);
    tcase_add_test(tests, a_second_scrape_says_the_same_and_no_more_than_it_may);
    tcase_add_test(tests, threads_count_while_another_scrapes_and_leave_their_counts);
    tcase_add_test(tests, without_a_start_nothing_counts);
    tcase_add_test(tests, full_table_counts_under_the_catch_all);
    tcase_add_test(tests, docs_have_a_row_for_each_metric);
    return unit_run(tests, "metrics");
}
