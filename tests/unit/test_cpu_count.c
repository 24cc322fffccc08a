/* SPDX-License-Identifier: Apache-2.0
 * cpu_count: no cgroup, cgroup v2 (none, own, a parent's quota), v1 and its container form,
 * rounding, damaged files. */
#include "config/cpu_count.h"

#include "fake_root.h"
#include "unit.h"

START_TEST(without_a_cgroup_the_affinity_counts)
{
    ck_assert_int_eq(cpu_count_of(fake_root, 5), 5);
    ck_assert_int_eq(cpu_count_of(fake_root, 0), 1);
    ck_assert_int_ge(cpu_count(), 1);
}
END_TEST

START_TEST(the_quota_of_cgroup_v2_cuts_and_is_rounded_up)
{
    fake_root_put("/proc/self/cgroup", "0::/a/b\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 2);
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 1);
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "900000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
}
END_TEST

START_TEST(the_smallest_quota_up_the_tree_counts)
{
    fake_root_put("/proc/self/cgroup", "0::/a/b\n");
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    fake_root_put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 3);
    fake_root_put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 2);
}
END_TEST

START_TEST(in_a_container_the_mount_is_the_group)
{
    fake_root_put("/proc/self/cgroup", "0::/\n");
    fake_root_put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 2);
}
END_TEST

START_TEST(the_quota_of_cgroup_v1_cuts)
{
    fake_root_put("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/docker/1\n0::/x\n");
    fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
    fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 3);
    fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
}
END_TEST

START_TEST(damaged_files_count_as_no_quota)
{
    fake_root_put("/proc/self/cgroup", "rubbish\n::\n0:\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
    fake_root_put("/proc/self/cgroup", "0::/\n");
    fake_root_put("/sys/fs/cgroup/cpu.max", "x y\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
    fake_root_put("/sys/fs/cgroup/cpu.max", "100000 0\n");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
    fake_root_put("/sys/fs/cgroup/cpu.max", "");
    ck_assert_int_eq(cpu_count_of(fake_root, 8), 8);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cpu_count");
    tcase_add_checked_fixture(t, fake_root_make, fake_root_remove);
    tcase_add_test(t, without_a_cgroup_the_affinity_counts);
    tcase_add_test(t, the_quota_of_cgroup_v2_cuts_and_is_rounded_up);
    tcase_add_test(t, the_smallest_quota_up_the_tree_counts);
    tcase_add_test(t, in_a_container_the_mount_is_the_group);
    tcase_add_test(t, the_quota_of_cgroup_v1_cuts);
    tcase_add_test(t, damaged_files_count_as_no_quota);
    return unit_run(t, "cpu_count");
}
