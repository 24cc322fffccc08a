/* SPDX-License-Identifier: Apache-2.0
 * net/http_date: written to the letter, read back over the centuries, and nothing else is read. */
#include "net/http_date.h"

#include "base/auto.h"
#include "unit.h"

START_TEST(formats_to_the_letter)
{
    char out[HTTP_DATE_BYTES];
    http_date_format(784111777, out);
    ck_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date_format(-5, out);
    ck_assert_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date_format(INT64_MAX, out);
    ck_assert_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

START_TEST(reads_what_it_writes)
{
    /* Every 13 days and a bit up to the year 2100 and beyond: leap years and both kinds of
     * centuries. */
    for (int64_t s = 1; s < INT64_C(5000000000); s += 13 * 86400 + 4711) {
        char out[HTTP_DATE_BYTES];
        http_date_format(s, out);
        ck_assert_int_eq(http_date_parse(str_of(out)), s);
    }
    ck_assert_int_eq(http_date_parse(STR("Fri, 31 Dec 9999 23:59:59 GMT")), 253402300799);
}
END_TEST

static const char *const OTHERS[] = {
    "",
    "Sunday, 06-Nov-94 08:49:37 GMT", /* obsolete forms */
    "Sun Nov  6 08:49:37 1994",       /* */
    "Sun, 6 Nov 1994 08:49:37 GMT",   /* one digit */
    "Sun, 06 Nov 1994 08:49:37 UTC",  /* */
    "Sun, 06 Nov 1994 08:49:37 GMX",  /* */
    "Sun, 06 Nov 1994 08:49:37 GMT ", /* */
    "Sun, 06 NOV 1994 08:49:37 GMT",  /* */
    "Sun, 00 Nov 1994 08:49:37 GMT",  /* out of range */
    "Sun, 31 Nov 1994 08:49:37 GMT",  /* */
    "Tue, 29 Feb 2100 08:49:37 GMT",  /* not a leap year */
    "Sun, 06 Nov 1994 08:00:60 GMT",
    "Sun, 06 Nov 1969 08:49:37 GMT", /* */
    "Sun, 06 Nov 1994 24:00:00 GMT", /* */
    "Sun, 06 Nov 1994 08:60:00 GMT", /* */
    "Sun, 06 Nov 1994 08:00:61 GMT", /* */
    "Sun, 06 Nov 1994 08:0x:00 GMT", /* */
    "Sun, -6 Nov 1994 08:49:37 GMT", /* */
    "Sun, +6 Nov 1994 08:49:37 GMT", /* */
    "Sun, 06 Nov 1994T08:49:37 GMT", /* */
};

START_TEST(the_name_of_the_day_is_not_looked_at)
{
    ck_assert_int_eq(http_date_parse(STR("Mon, 06 Nov 1994 08:49:37 GMT")), 784111777);
}
END_TEST

START_TEST(reads_nothing_else)
{
    ck_assert_int_eq(http_date_parse(str_of(OTHERS[_i])), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http_date");
    tcase_add_test(tests, formats_to_the_letter);
    tcase_add_test(tests, reads_what_it_writes);
    tcase_add_test(tests, the_name_of_the_day_is_not_looked_at);
    tcase_add_loop_test(tests, reads_nothing_else, 0, (int)ARRAY_LEN(OTHERS));
    return unit_run(tests, "http_date");
}
