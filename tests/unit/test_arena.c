/* SPDX-License-Identifier: Apache-2.0
 * base/arena: alignment and zeroing, large allocations, the ceiling, reuse after a reset. */
#include "unit.h"

#include <stdalign.h>
#include <stdint.h>

#include "base/arena.h"

START_TEST(memory_is_zeroed_aligned_and_disjoint)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t size = 0; size < 300; size++) {
        unsigned char *p = arena_alloc(&a, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(p[i], 0);
        memset(p, 0xAA, size);
    }
}
END_TEST

START_TEST(ceiling_holds)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 10000);
    ck_assert_ptr_null(arena_alloc(&a, 10001));
    ck_assert_ptr_nonnull(arena_alloc(&a, 9000));
    ck_assert_ptr_nonnull(arena_alloc(&a, 500));
    ck_assert_ptr_null(arena_alloc(&a, 1000));
    ck_assert_uint_le(a.used_bytes, 10000);
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX / 2));
}
END_TEST

START_TEST(copies_are_terminated)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 1 << 16);
    ck_assert_str_eq(arena_strdup(&a, (struct str){"abcdef", 3}), "abc");
    ck_assert_str_eq(arena_strdup(&a, str_of(NULL)), "");
    const struct str joined = arena_join(&a, STR("Bearer "), STR("abc"));
    ck_assert_str_eq(joined.ptr, "Bearer abc");
    ck_assert_uint_eq(joined.len, 10);
    const struct str empty = arena_join(&a, STR(""), str_of(NULL));
    ck_assert(empty.ptr && empty.len == 0);
    const struct str copy = arena_copy(&a, STR("xyz"));
    ck_assert_str_is(copy, "xyz");
    ck_assert_int_eq(copy.ptr[3], 0);
    ck_assert_str_eq(arena_printf(&a, "%s/%d", "keys", 7), "keys/7");
}
END_TEST

START_TEST(failed_copy_has_no_text)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 16);
    ck_assert_ptr_null(arena_copy(&a, STR("0123456789abcdef")).ptr);
    ck_assert_ptr_null(arena_join(&a, STR("01234567"), STR("89abcdef")).ptr);
    ck_assert_ptr_null(arena_printf(&a, "%64d", 1));
}
END_TEST

START_TEST(reset_keeps_one_clean_block)
{
    AUTO(arena_finish) struct arena a;
    arena_init(&a, 1 << 20);
    arena_reset(&a);
    for (int i = 0; i < 100; i++)
        memset(arena_alloc(&a, 1000), 0x55, 1000);
    arena_reset(&a);
    const size_t kept = a.used_bytes;
    ck_assert_uint_gt(kept, 0);
    const unsigned char *p = arena_alloc(&a, 1000);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_uint_eq(a.used_bytes, kept);
    arena_finish(&(struct arena){0});
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, memory_is_zeroed_aligned_and_disjoint);
    tcase_add_test(tests, ceiling_holds);
    tcase_add_test(tests, copies_are_terminated);
    tcase_add_test(tests, failed_copy_has_no_text);
    tcase_add_test(tests, reset_keeps_one_clean_block);
    return unit_run(tests, "arena");
}
