/* SPDX-License-Identifier: Apache-2.0
 * base/clock: the printed form at known instants and at the edges of four-digit years; the
 * monotonic clock does not run backwards. */
#include "unit.h"

#include <time.h>

#include "base/auto.h"
#include "base/clock.h"

static const struct instant {
    int64_t wall_ms;
    int with_ms;
    const char *text;
} instants[] = {
    {0, 0, "1970-01-01T00:00:00Z"},
    {0, 1, "1970-01-01T00:00:00.000Z"},
    {1, 1, "1970-01-01T00:00:00.001Z"},
    {-1, 1, "1969-12-31T23:59:59.999Z"},
    {-1, 0, "1969-12-31T23:59:59Z"},
    {INT64_C(1795341600123), 0, "2026-11-22T10:00:00Z"},
    {INT64_C(1795341600123), 1, "2026-11-22T10:00:00.123Z"},
    {INT64_C(1709164800000), 0, "2024-02-29T00:00:00Z"},
    {INT64_C(2147483648000), 0, "2038-01-19T03:14:08Z"},
    {INT64_C(951782399999), 1, "2000-02-28T23:59:59.999Z"},
    {INT64_C(951782400000), 1, "2000-02-29T00:00:00.000Z"},
    {INT64_C(951868800000), 0, "2000-03-01T00:00:00Z"},
    {INT64_C(4107542399000), 0, "2100-02-28T23:59:59Z"},
    {INT64_C(4107542400000), 0, "2100-03-01T00:00:00Z"},
    {INT64_C(-2208988800000), 0, "1900-01-01T00:00:00Z"},
    {INT64_MAX, 1, "9999-12-31T23:59:59.999Z"},
    {INT64_MIN, 1, "0001-01-01T00:00:00.000Z"},
};

START_TEST(rfc3339)
{
    char out[RFC3339_BYTES];
    clock_rfc3339(instants[_i].wall_ms, instants[_i].with_ms, out);
    ck_assert_str_eq(out, instants[_i].text);
}
END_TEST

START_TEST(every_day_of_eight_centuries_is_as_the_library_has_it)
{
    for (int64_t day = -135000; day < 157000; day++) {
        const time_t seconds = (time_t)(day * 86400 + (day * 7919 % 86400 + 86400) % 86400);
        struct tm utc;
        char expected[RFC3339_BYTES];
        char out[RFC3339_BYTES];
        (void)gmtime_r(&seconds, &utc);
        (void)strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &utc);
        clock_rfc3339((int64_t)seconds * 1000, 0, out);
        /* Each assertion costs a message to the parent: only the failure is worth one. */
        if (strcmp(out, expected) != 0)
            ck_assert_str_eq(out, expected);
    }
}
END_TEST

START_TEST(clocks_agree_with_each_other)
{
    const int64_t before_us = clock_mono_us();
    const int64_t ms = clock_mono_ms();
    const int64_t after_us = clock_mono_us();
    ck_assert_int_le(before_us / 1000, ms);
    ck_assert_int_le(ms, after_us / 1000);
    /* 2020-01-01: a wall clock that reads less was never set. */
    ck_assert_int_gt(clock_wall_s(), 1577836800);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("clock");
    tcase_add_loop_test(tests, rfc3339, 0, (int)ARRAY_LEN(instants));
    tcase_add_test(tests, every_day_of_eight_centuries_is_as_the_library_has_it);
    tcase_add_test(tests, clocks_agree_with_each_other);
    return unit_run(tests, "clock");
}
