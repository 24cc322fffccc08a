/* SPDX-License-Identifier: Apache-2.0
 * net/http_trace: which request ids and traceparents are taken over, and what is made instead. */
#include "net/http_trace.h"

#include <stdio.h>

#include "base/crypto.h"
#include "unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

START_TEST(request_ids_are_short_and_plain)
{
    char longest[130];
    memset(longest, 'a', sizeof(longest));
    ck_assert(request_id_is_valid(STR("a")));
    ck_assert(request_id_is_valid(STR("AZaz09._-")));
    ck_assert(request_id_is_valid((struct str){longest, 128}));
    ck_assert(!request_id_is_valid((struct str){longest, 129}));
    static const char *const BAD[] = {"", "a b", "a\n", "a/b", "a\"", "\xc3\xa4", "a,b", "a:b"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        ck_assert_msg(!request_id_is_valid(str_of(BAD[i])), "%s", BAD[i]);
    ck_assert(!request_id_is_valid((struct str){"a\0b", 3}));
}
END_TEST

START_TEST(made_request_ids_are_valid_and_differ)
{
    char one[REQUEST_ID_MADE_BYTES];
    char two[REQUEST_ID_MADE_BYTES];
    request_id_make(one);
    request_id_make(two);
    ck_assert(request_id_is_valid(str_of(one)));
    ck_assert_uint_eq(strlen(one), REQUEST_ID_MADE_BYTES - 1);
    ck_assert_str_ne(one, two);
}
END_TEST

START_TEST(a_valid_traceparent_gets_a_child)
{
    char child[TRACEPARENT_BYTES];
    traceparent_make(STR("00-" TRACE "-" SPAN "-01"), child);
    ck_assert(traceparent_is_valid(str_of(child)));
    ck_assert_str_is(traceparent_trace_id(child), TRACE);
    ck_assert_ptr_null(strstr(child, SPAN));
    ck_assert_str_eq(child + 53, "01");
}
END_TEST

START_TEST(anything_else_starts_a_new_trace)
{
    static const char *const BAD[] = {
        "",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-011",
        "01-" TRACE "-" SPAN "-01",
        "ff-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "-0g",
        "00 " TRACE "-" SPAN "-01",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        char made[TRACEPARENT_BYTES];
        ck_assert_msg(!traceparent_is_valid(str_of(BAD[i])), "%s", BAD[i]);
        traceparent_make(str_of(BAD[i]), made);
        ck_assert_msg(traceparent_is_valid(str_of(made)), "%s", made);
        ck_assert(!str_is(traceparent_trace_id(made), TRACE));
        ck_assert_str_eq(made + 53, "00");
    }
}
END_TEST

int main(void)
{
    if (!crypto_init())
        return EXIT_FAILURE;
    TCase *tc = tcase_create("trace");
    tcase_add_test(tc, request_ids_are_short_and_plain);
    tcase_add_test(tc, made_request_ids_are_valid_and_differ);
    tcase_add_test(tc, a_valid_traceparent_gets_a_child);
    tcase_add_test(tc, anything_else_starts_a_new_trace);
    const int status = unit_run(tc, "http_trace");
    crypto_finish();
    return status;
}
