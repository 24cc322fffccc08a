/* SPDX-License-Identifier: Apache-2.0
 * net/loop: order and restart of timers, removal from the middle of the heap, deferred calls and
 * their cancellation, posts from other threads, a watch stopped by another's callback in the same
 * turn, idle hooks, a timer that restarts itself for now, how long a turn took. */
#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "observe/metrics.h"
#include "unit.h"

static struct loop *loop;

static void setup(void)
{
    loop = loop_create();
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    loop_destroy(loop);
}

/* ---- timers */

enum { TIMERS = 200 };
static struct timer timers[TIMERS];
static int64_t fired_at[TIMERS];
static size_t fired;

static void note_timer(struct timer *t)
{
    fired_at[fired++] = t->at_ms;
    ck_assert(!t->active);
}

static void stop_timer(struct timer *t)
{
    (void)t;
    loop_stop(loop);
}

START_TEST(timers_fire_in_order_of_time)
{
    const int64_t now = loop_now_ms(loop);
    fired = 0;
    for (size_t i = 0; i < TIMERS; i++)
        timer_start(loop, &timers[i], now - 1000 + (int64_t)(i * 7919 % 500), note_timer, NULL);
    /* Every third leaves, every fifth moves. */
    size_t left = TIMERS;
    for (size_t i = 0; i < TIMERS; i += 3) {
        timer_stop(loop, &timers[i]);
        left--;
    }
    for (size_t i = 1; i < TIMERS; i += 5) {
        left += timers[i].active ? 0 : 1;
        timer_start(loop, &timers[i], now - 2000 + (int64_t)i, note_timer, NULL);
    }
    struct timer end = {0};
    timer_start(loop, &end, now, stop_timer, NULL);
    loop_run(loop);
    ck_assert_uint_eq(fired, left);
    for (size_t i = 1; i < fired; i++)
        ck_assert_int_le(fired_at[i - 1], fired_at[i]);
}
END_TEST

static unsigned restarts;

static void restart_for_now(struct timer *t)
{
    if (++restarts < 5)
        timer_start(loop, t, loop_now_ms(loop), restart_for_now, NULL);
    else
        loop_stop(loop);
}

START_TEST(a_timer_that_restarts_for_now_yields_to_the_next_turn)
{
    struct timer t = {0};
    restarts = 0;
    const int64_t before = loop_now_ms(loop);
    timer_start(loop, &t, before, restart_for_now, NULL);
    loop_run(loop);
    ck_assert_uint_eq(restarts, 5);
    ck_assert_int_ge(loop_now_ms(loop), before + 4);
}
END_TEST

static void stop_the_other(struct timer *t)
{
    timer_stop(loop, t->arg);
    loop_stop(loop);
}

static void never(struct timer *t)
{
    (void)t;
    ck_abort_msg("a stopped timer fired");
}

START_TEST(a_timer_stopped_by_another_due_timer_does_not_fire)
{
    struct timer first = {0};
    struct timer second = {0};
    timer_start(loop, &second, loop_now_ms(loop), never, NULL);
    timer_start(loop, &first, loop_now_ms(loop) - 1, stop_the_other, &second);
    loop_run(loop);
    ck_assert(!second.active);
}
END_TEST

/* ---- descriptors */

static struct watch watches[2];
static unsigned watch_calls;

static void stop_both(struct watch *w, uint32_t events)
{
    (void)w;
    ck_assert_uint_ne(events & EPOLLIN, 0);
    watch_calls++;
    for (size_t i = 0; i < 2; i++) {
        watch_stop(loop, &watches[i]);
        memset(&watches[i], 0xa5, sizeof(watches[i])); /* as if freed */
    }
    loop_stop(loop);
}

START_TEST(a_watch_stopped_by_another_gets_no_event_of_the_same_turn)
{
    int pipes[2][2];
    watch_calls = 0;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
        watches[i] = (struct watch){0};
        ck_assert(watch_start(loop, &watches[i], pipes[i][0], EPOLLIN, stop_both, NULL));
    }
    loop_run(loop);
    ck_assert_uint_eq(watch_calls, 1);
    for (size_t i = 0; i < 2; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
}
END_TEST

static void read_then_mute(struct watch *w, uint32_t events)
{
    (void)events;
    watch_calls++;
    ck_assert(watch_change(loop, w, 0));
}

START_TEST(a_watch_without_interest_stays_silent_until_changed_back)
{
    int ends[2];
    struct watch w = {0};
    struct timer end = {0};
    watch_calls = 0;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert(watch_start(loop, &w, ends[0], EPOLLIN, read_then_mute, NULL));
    timer_start(loop, &end, loop_now_ms(loop) + 20, stop_timer, NULL);
    loop_run(loop);
    ck_assert_uint_eq(watch_calls, 1);
    ck_assert(watch_change(loop, &w, EPOLLIN));
    timer_start(loop, &end, loop_now_ms(loop) + 20, stop_timer, NULL);
    loop_run(loop);
    ck_assert_uint_eq(watch_calls, 2);
    watch_stop(loop, &w);
    watch_stop(loop, &w);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* ---- deferred calls */

static struct deferred defers[3];
static unsigned defer_order[3];
static unsigned defer_count;

static void note_defer(struct deferred *d)
{
    defer_order[defer_count++] = (unsigned)(d - defers);
    if (d == &defers[0]) {
        deferred_cancel(loop, &defers[1]); /* of the running batch */
        loop_defer(loop, &defers[0], note_defer, NULL);
    }
    if (defer_count == 3) {
        deferred_cancel(loop, &defers[0]);
        loop_stop(loop);
    }
}

START_TEST(deferred_calls_run_in_order_and_can_be_cancelled)
{
    defer_count = 0;
    for (size_t i = 0; i < 3; i++) {
        loop_defer(loop, &defers[i], note_defer, NULL);
        loop_defer(loop, &defers[i], note_defer, NULL); /* no effect */
    }
    ck_assert_uint_eq(defer_count, 0);
    loop_run(loop);
    ck_assert_uint_eq(defer_order[0], 0);
    ck_assert_uint_eq(defer_order[1], 2);
    ck_assert_uint_eq(defer_order[2], 0);
    ck_assert(!defers[1].queued);
}
END_TEST

/* ---- posts */

enum { POSTERS = 4, POSTS_EACH = 2000 };
static unsigned posts_run;

static void count_post(struct post *p)
{
    free(p);
    if (++posts_run == POSTERS * POSTS_EACH)
        loop_stop(loop);
}

static void *post_many(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < POSTS_EACH; i++)
        loop_post(loop, calloc(1, sizeof(struct post)), count_post);
    return NULL;
}

START_TEST(every_post_of_every_thread_runs_once)
{
    pthread_t threads[POSTERS];
    posts_run = 0;
    for (size_t i = 0; i < POSTERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, NULL), 0);
    loop_run(loop);
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(posts_run, POSTERS * POSTS_EACH);
}
END_TEST

static unsigned writes_refused;

__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t n)
{
    if (writes_refused > 0) {
        writes_refused--;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, n);
}

static void stop_post(struct post *p)
{
    free(p);
    loop_stop(loop);
}

START_TEST(a_wake_up_that_is_refused_is_given_again)
{
    writes_refused = 2;
    loop_post(loop, calloc(1, sizeof(struct post)), stop_post);
    loop_run(loop);
    ck_assert_uint_eq(writes_refused, 0);
}
END_TEST

/* ---- idle hooks */

static unsigned idle_calls;

static int64_t wake_in_5_ms(void *arg)
{
    (void)arg;
    if (++idle_calls == 3)
        loop_stop(loop);
    return 5;
}

static int64_t no_limit(void *arg)
{
    loop_remove_idle(loop, no_limit, arg);
    return -1;
}

START_TEST(idle_hooks_bound_the_sleep_and_may_remove_themselves)
{
    idle_calls = 0;
    ck_assert(loop_on_idle(loop, no_limit, NULL));
    ck_assert(loop_on_idle(loop, wake_in_5_ms, NULL));
    loop_run(loop);
    ck_assert_uint_eq(idle_calls, 3);
    for (unsigned i = 0; i < 7; i++)
        ck_assert(loop_on_idle(loop, no_limit, &idle_calls));
    ck_assert(!loop_on_idle(loop, no_limit, &idle_calls));
}
END_TEST

/* What happened, a letter each: idle hook, deferred call, event. */
static char course[8];
static struct deferred from_idle;

static void note_course(char what)
{
    const size_t len = strlen(course);
    if (len + 1 < sizeof(course))
        course[len] = what;
}

static void on_from_idle(struct deferred *d)
{
    (void)d;
    note_course('d');
}

static int64_t defer_once(void *arg)
{
    (void)arg;
    note_course('i');
    if (strlen(course) == 1)
        loop_defer(loop, &from_idle, on_from_idle, NULL);
    return 0;
}

static void stop_on_event(struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
    note_course('e');
    loop_stop(loop);
}

START_TEST(what_an_idle_hook_defers_runs_before_the_kernel_is_asked)
{
    const int fd = eventfd(1, EFD_CLOEXEC);
    struct watch ready = {0};
    memset(course, 0, sizeof(course));
    ck_assert(watch_start(loop, &ready, fd, EPOLLIN, stop_on_event, NULL));
    ck_assert(loop_on_idle(loop, defer_once, NULL));
    loop_run(loop);
    ck_assert_str_eq(course, "idie");
    watch_stop(loop, &ready);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- lag */

enum { HELD_US = 12000 };

static void work_hard(struct timer *t)
{
    const int64_t until_us = clock_thread_cpu_us() + HELD_US;
    while (clock_thread_cpu_us() < until_us)
        ;
    timer_start(loop, t, loop_now_ms(loop) + 1, stop_timer, NULL);
}

static void oversleep(struct timer *t)
{
    const struct timespec held = {.tv_nsec = HELD_US * 1000L};
    (void)nanosleep(&held, NULL);
    timer_start(loop, t, loop_now_ms(loop) + 1, stop_timer, NULL);
}

/* The value of the series in what the metrics say after one turn of fn. */
static double measure_turn(timer_fn *fn, const char *series)
{
    struct timer t = {0};
    struct buf out;
    loop_register_metrics();
    ck_assert(metrics_start());
    loop_measure(loop, LOOP_KEEPER);
    timer_start(loop, &t, loop_now_ms(loop), fn, NULL);
    loop_run(loop);
    buf_init(&out, 1 << 20);
    metrics_write(&out);
    ck_assert(buf_ok(&out));
    const char *found = strstr(out.ptr, series);
    ck_assert_msg(found != NULL, "%s is not in\n%s", series, out.ptr);
    const double value = strtod(found + strlen(series), NULL);
    buf_finish(&out);
    metrics_stop();
    return value;
}

START_TEST(a_turn_that_works_long_shows_on_both_clocks)
{
    const double held_s = HELD_US / 1e6;
    ck_assert_double_ge(measure_turn(work_hard, "lag_max_seconds{loop=\"keeper\",clock=\"wall\"}"),
                        held_s);
    ck_assert_double_ge(measure_turn(work_hard, "lag_max_seconds{loop=\"keeper\",clock=\"cpu\"}"),
                        held_s);
    ck_assert_double_ge(measure_turn(work_hard, "bff_loop_lag_seconds_count{loop=\"keeper\"}"), 2);
}
END_TEST

START_TEST(a_turn_that_does_not_run_shows_on_the_wall_clock_alone)
{
    const double held_s = HELD_US / 1e6;
    ck_assert_double_ge(measure_turn(oversleep, "lag_max_seconds{loop=\"keeper\",clock=\"wall\"}"),
                        held_s);
    ck_assert_double_lt(measure_turn(oversleep, "lag_max_seconds{loop=\"keeper\",clock=\"cpu\"}"),
                        held_s / 2);
}
END_TEST

START_TEST(a_stop_before_the_run_is_kept)
{
    loop_stop(loop);
    loop_run(loop);
    struct timer end = {0};
    timer_start(loop, &end, loop_now_ms(loop), stop_timer, NULL);
    loop_run(loop);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("loop");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, timers_fire_in_order_of_time);
    tcase_add_test(tc, a_timer_that_restarts_for_now_yields_to_the_next_turn);
    tcase_add_test(tc, a_timer_stopped_by_another_due_timer_does_not_fire);
    tcase_add_test(tc, a_watch_stopped_by_another_gets_no_event_of_the_same_turn);
    tcase_add_test(tc, a_watch_without_interest_stays_silent_until_changed_back);
    tcase_add_test(tc, deferred_calls_run_in_order_and_can_be_cancelled);
    tcase_add_test(tc, every_post_of_every_thread_runs_once);
    tcase_add_test(tc, a_wake_up_that_is_refused_is_given_again);
    tcase_add_test(tc, idle_hooks_bound_the_sleep_and_may_remove_themselves);
    tcase_add_test(tc, what_an_idle_hook_defers_runs_before_the_kernel_is_asked);
    tcase_add_test(tc, a_stop_before_the_run_is_kept);
    tcase_add_test(tc, a_turn_that_works_long_shows_on_both_clocks);
    tcase_add_test(tc, a_turn_that_does_not_run_shows_on_the_wall_clock_alone);
    return unit_run(tc, "loop");
}
