/* SPDX-License-Identifier: Apache-2.0
 * base/secret: what the kernel says of the pages, the guards, the overwriting, the limit of locked
 * memory. Each test runs in a process of its own. */
#include "base/secret.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "unit.h"

/* The kernel's words on the mapping that holds the address, e.g. " rd wr lo dd"; "" for none. */
static void flags_of(const void *address, char out[512])
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false;

    ck_assert_ptr_nonnull(file);
    out[0] = '\0';
    while (fgets(line, sizeof(line), file)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = (uintptr_t)address >= begin && (uintptr_t)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(out, sizeof(line), "%s", line + 8);
    }
    (void)fclose(file);
}

static bool is_zero(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

static void limit_locked_memory(rlim_t bytes)
{
    const struct rlimit limit = {bytes, bytes};

    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    /* The superuser is bound by no such limit. */
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(65532, 65532, 65532), 0);
}

START_TEST(memory_is_zeroed_aligned_and_ends_at_the_guard)
{
    for (size_t bytes = 1; bytes < 9000; bytes += 97) {
        char *p = secret_alloc(bytes);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        ck_assert(is_zero(p, bytes));
        memset(p, 0xAA, bytes);
        const uintptr_t rest = (uintptr_t)(p + bytes) % (uintptr_t)sysconf(_SC_PAGESIZE);
        ck_assert(rest == 0 || rest > (uintptr_t)sysconf(_SC_PAGESIZE) - _Alignof(max_align_t));
        secret_free(p);
    }
    ck_assert_uint_eq(secret_usage().locked_bytes + secret_usage().unlocked_bytes, 0);
    secret_free(NULL);
}
END_TEST

START_TEST(pages_are_locked_and_left_out_of_dumps)
{
    char *p = secret_copy(STR("s3cret"));
    char flags[512];

    ck_assert_str_eq(p, "s3cret");
    flags_of(p, flags);
    ck_assert_msg(strstr(flags, " dd") != NULL, "not left out of dumps:%s", flags);
    ck_assert_msg(strstr(flags, " lo") != NULL, "not locked:%s", flags);
    ck_assert_uint_eq(secret_usage().locked_bytes, (size_t)sysconf(_SC_PAGESIZE));
    ck_assert_uint_eq(secret_usage().unlocked_bytes, 0);
    secret_free(p);
    ck_assert_uint_eq(secret_usage().locked_bytes, 0);
}
END_TEST

START_TEST(a_low_limit_leaves_them_unlocked_and_says_so)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char flags[512];

    limit_locked_memory(page);
    char *first = secret_copy(STR("first")), *second = secret_copy(STR("second"));
    ck_assert_str_eq(second, "second");
    flags_of(second, flags);
    ck_assert_msg(strstr(flags, " dd") != NULL && strstr(flags, " lo") == NULL, "%s", flags);
    ck_assert_uint_eq(secret_usage().locked_bytes, page);
    ck_assert_uint_eq(secret_usage().unlocked_bytes, page);
    secret_free(second);
    secret_free(first);
    ck_assert_uint_eq(secret_usage().locked_bytes, 0);
    ck_assert_uint_eq(secret_usage().unlocked_bytes, 0);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
    ck_assert_ptr_null(secret_alloc(SIZE_MAX));
    ck_assert_ptr_null(secret_alloc(SIZE_MAX / 2));
}
END_TEST

START_TEST(behind_a_secret_lies_a_guard)
{
    volatile char *p = secret_alloc(16);

    p[16] = 1;
}
END_TEST

START_TEST(before_a_secret_lies_a_guard)
{
    volatile char *p = secret_alloc(16);

    *(p - sysconf(_SC_PAGESIZE)) = 1;
}
END_TEST

/* The pages are taken over before they go back, so that what was written there can be looked at. */
static char *kept_page;

int munmap(void *address, size_t bytes)
{
    kept_page = (char *)address + sysconf(_SC_PAGESIZE);
    return 0;
}

START_TEST(a_secret_is_overwritten_when_it_is_freed)
{
    char *p = secret_copy(STR("s3cret"));

    secret_free(p);
    ck_assert_ptr_nonnull(kept_page);
    ck_assert(is_zero(kept_page, (size_t)sysconf(_SC_PAGESIZE)));
}
END_TEST

/* A sanitizer makes nothing of mlock() and ends the process itself when a guard is touched. */
#ifdef __SANITIZE_ADDRESS__
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

int main(void)
{
    TCase *t = tcase_create("secret");
    tcase_add_test(t, memory_is_zeroed_aligned_and_ends_at_the_guard);
    if (!IS_SANITIZED) {
        tcase_add_test(t, pages_are_locked_and_left_out_of_dumps);
        tcase_add_test(t, a_low_limit_leaves_them_unlocked_and_says_so);
        tcase_add_test_raise_signal(t, behind_a_secret_lies_a_guard, SIGSEGV);
        tcase_add_test_raise_signal(t, before_a_secret_lies_a_guard, SIGSEGV);
    }
    tcase_add_test(t, what_is_too_large_is_refused);
    tcase_add_test(t, a_secret_is_overwritten_when_it_is_freed);
    return unit_run(t, "secret");
}
