/* SPDX-License-Identifier: Apache-2.0
 * base/buf: growth, the ceiling to the byte, sticky failure, numbers at their edges, handing over.
 */
#include "unit.h"

#include "base/buf.h"

START_TEST(grows_and_stays_terminated)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 5000; i++)
        buf_append(&b, STR("0123456789"));
    ck_assert(buf_ok(&b));
    ck_assert_uint_eq(b.len, 50000);
    ck_assert_int_eq(b.ptr[b.len], 0);
    for (size_t i = 0; i < b.len; i++)
        ck_assert_int_eq(b.ptr[i], (char)('0' + i % 10));
}
END_TEST

START_TEST(ceiling_is_exact_and_failure_sticky)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 5);
    buf_append_z(&b, "12345");
    ck_assert(buf_ok(&b));
    buf_append_byte(&b, '6');
    ck_assert_int_eq(b.state, BUF_FULL);
    ck_assert_str_is(buf_str(&b), "12345");
    buf_reset(&b);
    ck_assert(buf_ok(&b));
    ck_assert_uint_eq(b.len, 0);
    buf_append_z(&b, "123456");
    buf_append_z(&b, "1");
    ck_assert_int_eq(b.state, BUF_FULL);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_ptr_null(buf_room(&b, 1));
}
END_TEST

START_TEST(numbers_at_their_edges)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 1000);
    buf_append_u64(&b, 0);
    buf_append_byte(&b, ' ');
    buf_append_u64(&b, UINT64_MAX);
    buf_append_byte(&b, ' ');
    buf_append_i64(&b, INT64_MIN);
    buf_append_byte(&b, ' ');
    buf_append_i64(&b, -7);
    ck_assert_str_is(buf_str(&b), "0 18446744073709551615 -9223372036854775808 -7");
}
END_TEST

START_TEST(printf_fits_or_fails_whole)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 10);
    buf_printf(&b, "%s-%d", "abc", 42);
    ck_assert_str_is(buf_str(&b), "abc-42");
    buf_printf(&b, "%s", "12345");
    ck_assert_int_eq(b.state, BUF_FULL);
    ck_assert_str_is(buf_str(&b), "abc-42");
}
END_TEST

START_TEST(room_is_written_in_place)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 8);
    char *to = buf_room(&b, 8);
    ck_assert_ptr_nonnull(to);
    memcpy(to, "abcdefgh", 8);
    buf_added(&b, 3);
    ck_assert_str_is(buf_str(&b), "abc");
    ck_assert_ptr_null(buf_room(&b, 6));
}
END_TEST

START_TEST(take_hands_over_the_allocation)
{
    struct buf b;
    size_t len = 77;
    buf_init(&b, 20);
    ck_assert_ptr_null(buf_take(&b, &len));
    ck_assert_uint_eq(len, 77);
    buf_append_z(&b, "token");
    char *taken = buf_take(&b, &len);
    ck_assert_str_eq(taken, "token");
    ck_assert_uint_eq(len, 5);
    ck_assert_ptr_null(b.ptr);
    buf_append_z(&b, "again");
    ck_assert_str_is(buf_str(&b), "again");
    free(taken);
    buf_finish(&b);
    buf_finish(&(struct buf){0});
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("buf");
    tcase_add_test(tests, grows_and_stays_terminated);
    tcase_add_test(tests, ceiling_is_exact_and_failure_sticky);
    tcase_add_test(tests, numbers_at_their_edges);
    tcase_add_test(tests, printf_fits_or_fails_whole);
    tcase_add_test(tests, room_is_written_in_place);
    tcase_add_test(tests, take_hands_over_the_allocation);
    return unit_run(tests, "buf");
}
