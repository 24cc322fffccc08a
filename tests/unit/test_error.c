/* SPDX-License-Identifier: Apache-2.0
 * base/error: the table is in order and complete, codes are unique, start-up text keeps the first
 * error. */
#include "unit.h"

#include "base/error.h"

START_TEST(rows_are_found_by_their_code)
{
    size_t rows = 0;
    for (const struct error_row *row = error_row_at(0); row; row = error_row_at(++rows)) {
        ck_assert_ptr_eq(error_row(row->id), row);
        ck_assert_int_ge(row->status, 400);
        ck_assert_int_le(row->status, 599);
        for (size_t i = 0; i < rows; i++)
            ck_assert_str_ne(error_row_at(i)->code, row->code);
    }
    ck_assert_uint_eq(rows, ERR_COUNT - ERR_NO_MEMORY - 1);
}
END_TEST

START_TEST(unavailable_answers_say_when_to_come_back)
{
    for (size_t i = 0; error_row_at(i); i++) {
        const struct error_row *row = error_row_at(i);
        if (row->status == 503 || row->status == 429)
            ck_assert_msg(row->retry_after_s > 0, "%s", row->code);
    }
}
END_TEST

START_TEST(failures_take_the_defaults_of_their_row)
{
    const struct failure f = failure_of(ERR_NO_MEMORY);
    ck_assert_int_eq(f.code, ERR_OVERLOADED);
    ck_assert_int_eq(f.retry, RETRY_SAME);
    ck_assert_int_eq(f.retry_after_s, 1);
    ck_assert_ptr_null(f.detail);
    ck_assert_uint_eq(f.pointer_count, 0);
    ck_assert_str_eq(retry_name(failure_of(ERR_CHALLENGE_USED).retry), "new_challenge");
    ck_assert_str_eq(retry_name(failure_of(ERR_TOKEN_EXPIRED).retry), "refresh");
    ck_assert_str_eq(retry_name(failure_of(ERR_MISSING_TOKEN).retry), "login");
    ck_assert_str_eq(retry_name(failure_of(ERR_FORBIDDEN).retry), "never");
    ck_assert_str_eq(retry_name(f.retry), "same");
}
END_TEST

START_TEST(first_text_wins)
{
    struct err_text text = {""};
    ck_assert_int_eq(err_set(&text, ERR_INTERNAL, "port %d", 80), ERR_INTERNAL);
    ck_assert_int_eq(err_set(&text, ERR_FORBIDDEN, "later"), ERR_FORBIDDEN);
    ck_assert_str_eq(text.text, "port 80");
    ck_assert_int_eq(err_set(NULL, ERR_INTERNAL, "nobody listens"), ERR_INTERNAL);
}
END_TEST

START_TEST(success_has_no_row)
{
    (void)error_row(ERR_OK);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, rows_are_found_by_their_code);
    tcase_add_test(tests, unavailable_answers_say_when_to_come_back);
    tcase_add_test(tests, failures_take_the_defaults_of_their_row);
    tcase_add_test(tests, first_text_wins);
    tcase_add_test_raise_signal(tests, success_has_no_row, 6);
    return unit_run(tests, "error");
}
