/* SPDX-License-Identifier: Apache-2.0
 * loop_thread: built, run and taken down on its own thread; a build that fails is taken down too
 * and its cause comes back. */
#include "loop_thread.h"

#include <sched.h>
#include <semaphore.h>

#include "base/clock.h"
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

/* Holds a loop up until it may go. */
static struct {
    struct post post;
    sem_t entered, go;
} hold_up;

static void on_hold_up(struct post *p)
{
    (void)p;
    (void)sem_post(&hold_up.entered);
    (void)sem_wait(&hold_up.go);
}

static void wait_for_pulse_after(const struct loop_thread *t, int64_t ms)
{
    while (!loop_thread_turns(t, ms + 1, 0))
        (void)sched_yield();
}

START_TEST(a_loop_that_is_held_up_shows_no_pulse)
{
    struct work w = work_of(ERR_OK);
    struct err_text problem = {0};

    w.thread.pulse_every_ms = 2;
    ck_assert_int_eq(start(&w, &problem), ERR_OK);
    wait_for_pulse_after(&w.thread, clock_mono_ms());

    (void)sem_init(&hold_up.entered, 0, 0);
    (void)sem_init(&hold_up.go, 0, 0);
    loop_post(w.thread.loop, &hold_up.post, on_hold_up);
    (void)sem_wait(&hold_up.entered);
    const int64_t held_ms = clock_mono_ms();
    ck_assert(!loop_thread_turns(&w.thread, held_ms + 101, 100));
    ck_assert(loop_thread_turns(&w.thread, held_ms, 60000));

    (void)sem_post(&hold_up.go);
    wait_for_pulse_after(&w.thread, held_ms);
    loop_thread_stop(&w.thread);
    loop_thread_finish(&w.thread);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop_thread");
    tcase_add_checked_fixture(t, setup, metrics_stop);
    tcase_add_test(t, it_is_built_and_taken_down_on_the_same_other_thread);
    tcase_add_test(t, a_loop_that_is_held_up_shows_no_pulse);
    tcase_add_test(t, a_build_that_fails_tells_why_and_leaves_nothing);
    return unit_run(t, "loop_thread");
}
