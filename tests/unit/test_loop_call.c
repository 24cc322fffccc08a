/* SPDX-License-Identifier: Apache-2.0
 * loop_call: the work is done on the other thread, and its outcome comes back. */
#include <pthread.h>

#include "net/loop_call.h"
#include "unit.h"

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static enum err note_thread(void *arg, struct err_text *reterr)
{
    *(pthread_t *)arg = pthread_self();
    return err_set(reterr, ERR_OVERLOADED, "said there");
}

START_TEST(work_is_done_on_the_other_thread)
{
    struct loop *l = loop_create();
    struct err_text text = {0};
    pthread_t thread, there = pthread_self();

    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, l), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(loop_call(l, note_thread, &there, &text), ERR_OVERLOADED);
    ck_assert(pthread_equal(there, thread));
    ck_assert_str_eq(text.text, "said there");
    loop_stop(l);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    loop_destroy(l);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop_call");
    tcase_add_test(t, work_is_done_on_the_other_thread);
    return unit_run(t, "loop_call");
}
