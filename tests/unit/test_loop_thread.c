/* SPDX-License-Identifier: Apache-2.0
 * loop_thread: built, run and taken down on its own thread; a build that fails is taken down too
 * and its cause comes back. */
#include "loop_thread.h"

#include "observe/metrics.h"
#include "unit.h"

struct work {
    struct loop_thread thread;
    enum err build_result;
    pthread_t built_on, torn_down_on;
    char name[16];
    _Atomic int torn_down;
};

static enum err build(void *arg, struct err_text *reterr)
{
    struct work *w = arg;

    w->built_on = pthread_self();
    (void)pthread_getname_np(pthread_self(), w->name, sizeof(w->name));
    if (w->build_result != ERR_OK)
        return err_set(reterr, w->build_result, "no luck");
    return ERR_OK;
}

static void tear_down(void *arg)
{
    struct work *w = arg;

    w->torn_down_on = pthread_self();
    w->torn_down++;
}

static struct work work_of(enum err build_result)
{
    return (struct work){.build_result = build_result};
}

static enum err start(struct work *w, struct err_text *problem)
{
    w->thread.build = build;
    w->thread.tear_down = tear_down;
    w->thread.arg = w;
    w->thread.name = "worker";
    return loop_thread_start(&w->thread, problem);
}

static void setup(void)
{
    ck_assert(metrics_start());
}

START_TEST(it_is_built_and_taken_down_on_the_same_other_thread)
{
    struct work w = work_of(ERR_OK);
    struct err_text problem = {0};

    ck_assert_int_eq(start(&w, &problem), ERR_OK);
    ck_assert(!pthread_equal(w.built_on, pthread_self()));
    ck_assert_str_eq(w.name, "worker");
    ck_assert_int_eq(w.torn_down, 0);
    loop_thread_stop(&w.thread);
    ck_assert_int_eq(w.torn_down, 1);
    ck_assert(pthread_equal(w.built_on, w.torn_down_on));
    ck_assert_ptr_nonnull(w.thread.loop);
    loop_thread_stop(&w.thread);
    ck_assert_int_eq(w.torn_down, 1);
    loop_thread_finish(&w.thread);
    ck_assert_ptr_null(w.thread.loop);
}
END_TEST

START_TEST(a_build_that_fails_tells_why_and_leaves_nothing)
{
    struct work w = work_of(ERR_UPSTREAM_UNAVAILABLE);
    struct err_text problem = {0};

    ck_assert_int_eq(start(&w, &problem), ERR_UPSTREAM_UNAVAILABLE);
    ck_assert_str_eq(problem.text, "no luck");
    ck_assert_int_eq(w.torn_down, 1);
    ck_assert_ptr_null(w.thread.loop);
    ck_assert(!w.thread.running);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop_thread");
    tcase_add_checked_fixture(t, setup, metrics_stop);
    tcase_add_test(t, it_is_built_and_taken_down_on_the_same_other_thread);
    tcase_add_test(t, a_build_that_fails_tells_why_and_leaves_nothing);
    return unit_run(t, "loop_thread");
}
