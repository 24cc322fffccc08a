/* SPDX-License-Identifier: Apache-2.0
 * base/wipe: what is given back is overwritten on a thread that asked for it, and only there. Each
 * test runs in a process of its own. */
#include "base/wipe.h"

#include <malloc.h>

#include "unit.h"

/* What was freed last, looked at before it goes: the linker takes this in the place of free(). */
static bool was_zero;

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
    const char *bytes = memory;
    const size_t count = memory ? malloc_usable_size(memory) : 0;

    was_zero = true;
    for (size_t i = 0; i < count; i++)
        was_zero = was_zero && bytes[i] == 0;
    __real_free(memory);
}

static char *filled(size_t bytes)
{
    char *p = malloc(bytes);

    ck_assert_ptr_nonnull(p);
    memset(p, 'x', bytes);
    return p;
}

START_TEST(other_threads_pay_nothing)
{
    wipe_free(filled(100));
    ck_assert(!was_zero);
    wipe_free(NULL);
}
END_TEST

START_TEST(what_is_freed_is_overwritten)
{
    wipe_on_this_thread();
    wipe_free(filled(100));
    ck_assert(was_zero);
    wipe_free(NULL);
}
END_TEST

START_TEST(a_stretch_of_work_ends_as_it_began)
{
    ck_assert(!wipe_while(true));
    ck_assert(wipe_while(true));
    wipe_free(filled(100));
    ck_assert(was_zero);
    ck_assert(wipe_while(false));
    wipe_free(filled(100));
    ck_assert(!was_zero);
}
END_TEST

START_TEST(what_moves_is_overwritten_where_it_was)
{
    wipe_on_this_thread();
    char *p = filled(100);
    was_zero = false;
    p = wipe_realloc(p, 100000);
    ck_assert(was_zero);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(p[i], 'x');
    p = wipe_realloc(p, 10);
    ck_assert_int_eq(p[9], 'x');
    wipe_free(p);
    p = wipe_realloc(NULL, 10);
    ck_assert_ptr_nonnull(p);
    wipe_free(p);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("wipe");
    tcase_add_test(t, other_threads_pay_nothing);
    tcase_add_test(t, what_is_freed_is_overwritten);
    tcase_add_test(t, a_stretch_of_work_ends_as_it_began);
    tcase_add_test(t, what_moves_is_overwritten_where_it_was);
    return unit_run(t, "wipe");
}
