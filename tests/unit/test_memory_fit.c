/* SPDX-License-Identifier: Apache-2.0
 * memory_fit: what a limit lowers and by how much, the least that is needed, a reload; the limit of
 * the cgroup under v1 and v2, of a parent, none. */
#include "config/memory_fit.h"

#include <string.h>

#include "fake_root.h"
#include "unit.h"

enum { MIB = 1024 * 1024 };

static const struct config DEFAULTS = {
    .workers = 2,
    .max_connections = 10000,
    .max_in_flight = 2000,
    .upstream_max_connections = 256,
    .used_challenges_max = 200000,
    .limit_entries_max = 100000,
    .token_memory_max = 10000,
    .max_header_bytes = 16384,
    .max_body_bytes = 32768,
};

static char text[MEMORY_TEXT_BYTES];

START_TEST(what_fits_is_left_alone)
{
    struct config c = DEFAULTS;
    ck_assert_int_eq(memory_fit(&c, NULL, INT64_MAX, text), MEMORY_FITS);
    ck_assert_int_eq(memory_fit(&c, NULL, INT64_C(8192) * MIB, text), MEMORY_FITS);
    ck_assert_mem_eq(&c, &DEFAULTS, sizeof(c));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(all_are_lowered_by_the_same_part)
{
    struct config c = DEFAULTS;
    ck_assert_int_eq(memory_fit(&c, NULL, 128 * MIB, text), MEMORY_LOWERED);
    const double part = (double)c.max_connections / 10000;
    ck_assert_double_lt(part, 0.05);
    ck_assert_double_gt(part, 0.02);
    ck_assert_double_eq_tol((double)c.max_in_flight / 2000, part, 0.01);
    ck_assert_double_eq_tol((double)c.upstream_max_connections / 256, part, 0.02);
    ck_assert_double_eq_tol((double)c.used_challenges_max / 200000, part, 0.01);
    ck_assert_double_eq_tol((double)c.limit_entries_max / 100000, part, 0.02);
    ck_assert_double_eq_tol((double)c.token_memory_max / 10000, part, 0.01);
    ck_assert_ptr_nonnull(strstr(text, "BFF_MAX_CONNECTIONS from 10000 to "));
    ck_assert_ptr_nonnull(strstr(text, "BFF_TOKEN_MEMORY_MAX from 10000 to "));

    struct config again = c;
    ck_assert_int_eq(memory_fit(&again, NULL, 128 * MIB, text), MEMORY_FITS);
}
END_TEST

START_TEST(larger_bodies_leave_room_for_fewer_requests)
{
    struct config small = DEFAULTS, large = DEFAULTS;
    large.max_body_bytes = 1024 * 1024;
    ck_assert_int_eq(memory_fit(&small, NULL, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_eq(memory_fit(&large, NULL, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_lt(large.max_in_flight * 3, small.max_in_flight);
}
END_TEST

/* Connections alone, each with its largest body at the door and what the kernel keeps for it. */
START_TEST(bodies_that_still_arrive_and_socket_buffers_have_a_weight)
{
    const int64_t each_bytes = 16384 + 32768 + 4 * CLIENT_SOCKET_BUFFER_BYTES;
    struct config c = DEFAULTS;
    ck_assert_int_eq(memory_fit(&c, NULL, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_lt(c.max_connections * each_bytes, 128 * MIB / 16 * 14);

    struct config large = DEFAULTS;
    large.max_body_bytes = 1024 * 1024;
    ck_assert_int_eq(memory_fit(&large, NULL, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_lt(large.max_connections * large.max_body_bytes, 128 * MIB / 16 * 14);
}
END_TEST

START_TEST(too_small_a_limit_says_what_is_needed)
{
    struct config c = DEFAULTS;
    long long needed = 0;
    ck_assert_int_eq(memory_fit(&c, NULL, 10 * MIB, text), MEMORY_TOO_SMALL);
    ck_assert_mem_eq(&c, &DEFAULTS, sizeof(c));
    ck_assert_int_eq(sscanf(text, "10485760 bytes are too few: give at least %lld", &needed), 1);
    ck_assert_int_eq(memory_fit(&c, NULL, needed - 1024, text), MEMORY_TOO_SMALL);
    ck_assert_int_eq(memory_fit(&c, NULL, needed + 1024, text), MEMORY_LOWERED);
    ck_assert_int_ge(c.max_connections, 16);
    ck_assert_int_ge(c.max_in_flight, 4);
}
END_TEST

START_TEST(small_numbers_are_not_raised_to_the_least)
{
    struct config c = DEFAULTS;
    c.max_in_flight = 1;
    c.used_challenges_max = 10;
    ck_assert_int_eq(memory_fit(&c, NULL, 64 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_eq(c.max_in_flight, 1);
    ck_assert_int_eq(c.used_challenges_max, 10);
}
END_TEST

START_TEST(a_reload_fits_requests_beside_what_runs)
{
    struct config running = DEFAULTS, next = DEFAULTS;
    ck_assert_int_eq(memory_fit(&running, NULL, 128 * MIB, text), MEMORY_LOWERED);
    next.max_in_flight = 100000;
    ck_assert_int_eq(memory_fit(&next, &running, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_eq(next.max_connections, running.max_connections);
    ck_assert_int_eq(next.limit_entries_max, running.limit_entries_max);
    /* What the others were rounded down by may be a request more. */
    ck_assert_int_ge(next.max_in_flight, running.max_in_flight);
    ck_assert_int_le(next.max_in_flight, running.max_in_flight + 8);
    ck_assert_ptr_nonnull(strstr(text, "BFF_MAX_IN_FLIGHT from 100000 to "));

    next = DEFAULTS;
    next.max_in_flight = 5;
    ck_assert_int_eq(memory_fit(&next, &running, 128 * MIB, text), MEMORY_FITS);
    ck_assert_int_eq(next.max_in_flight, 5);
}
END_TEST

START_TEST(a_reload_after_the_limit_was_lifted_tells_what_runs)
{
    struct config running = DEFAULTS, next = DEFAULTS;
    ck_assert_int_eq(memory_fit(&running, NULL, 128 * MIB, text), MEMORY_LOWERED);
    ck_assert_int_eq(memory_fit(&next, &running, INT64_MAX, text), MEMORY_FITS);
    ck_assert_int_eq(next.max_connections, running.max_connections);
    ck_assert_int_eq(next.limit_entries_max, running.limit_entries_max);
    ck_assert_int_eq(next.max_in_flight, DEFAULTS.max_in_flight);
}
END_TEST

/* ---- the cgroup */

START_TEST(the_limit_of_cgroup_v2_is_the_least_up_the_tree)
{
    ck_assert_int_eq(memory_limit_of(fake_root), INT64_MAX);
    fake_root_put("/proc/self/cgroup", "0::/a/b\n");
    fake_root_put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    ck_assert_int_eq(memory_limit_of(fake_root), INT64_MAX);
    fake_root_put("/sys/fs/cgroup/a/b/memory.max", "134217728\n");
    ck_assert_int_eq(memory_limit_of(fake_root), 128 * MIB);
    fake_root_put("/sys/fs/cgroup/a/memory.max", "67108864\n");
    ck_assert_int_eq(memory_limit_of(fake_root), 64 * MIB);
}
END_TEST

START_TEST(the_limit_of_cgroup_v1_is_read_and_its_none_is_none)
{
    fake_root_put("/proc/self/cgroup", "5:cpu,cpuacct:/c\n4:memory:/c\n0::/\n");
    fake_root_put("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712\n");
    ck_assert_int_eq(memory_limit_of(fake_root), INT64_MAX);
    fake_root_put("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "100663296\n");
    ck_assert_int_eq(memory_limit_of(fake_root), 96 * MIB);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("memory_fit");
    tcase_add_checked_fixture(tests, fake_root_make, fake_root_remove);
    tcase_add_test(tests, what_fits_is_left_alone);
    tcase_add_test(tests, all_are_lowered_by_the_same_part);
    tcase_add_test(tests, larger_bodies_leave_room_for_fewer_requests);
    tcase_add_test(tests, bodies_that_still_arrive_and_socket_buffers_have_a_weight);
    tcase_add_test(tests, too_small_a_limit_says_what_is_needed);
    tcase_add_test(tests, small_numbers_are_not_raised_to_the_least);
    tcase_add_test(tests, a_reload_fits_requests_beside_what_runs);
    tcase_add_test(tests, a_reload_after_the_limit_was_lifted_tells_what_runs);
    tcase_add_test(tests, the_limit_of_cgroup_v2_is_the_least_up_the_tree);
    tcase_add_test(tests, the_limit_of_cgroup_v1_is_read_and_its_none_is_none);
    return unit_run(tests, "memory_fit");
}
