/* SPDX-License-Identifier: Apache-2.0
 * file_watch: when a change counts as done, when one that never is done is taken all the same, and
 * when what was refused is tried again. On a clock of the test's own, with real files. */
#include "file_watch.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "config_support.h"

enum { BEGAN_MS = 1000 * 1000, STEP_MS = 250 };

static char directory[] = "/tmp/bff-watch-XXXXXX";
static int64_t now_ms = BEGAN_MS;
static struct load config;
static struct file_watch *watch;

/* The linker takes this in the place of the clock. */
int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void)
{
    return now_ms;
}

static void put(const char *name, const char *text, const char *mode)
{
    FILE *f = fopen(name, mode);

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

/* The size differs, lest two changes in one tick of the file system's clock look like one. */
static void append(const char *name)
{
    put(name, "x", "a");
    file_watch_woken(watch);
}

static void replace(const char *name)
{
    put("new", "new\n", "w");
    ck_assert_int_eq(rename("new", name), 0);
    file_watch_woken(watch);
}

/* Does what the main thread does until a change is reported; -1: none is for so long. */
static int64_t reported_within_ms(int64_t limit_ms)
{
    const int64_t from_ms = now_ms;

    for (;;) {
        const int64_t wait_ms = file_watch_wait_ms(watch);
        ck_assert_int_ge(wait_ms, 0);
        if (now_ms - from_ms + wait_ms > limit_ms) {
            now_ms = from_ms + limit_ms;
            return -1;
        }
        now_ms += wait_ms;
        if (file_watch_changed(watch))
            return now_ms - from_ms;
        ck_assert_msg(file_watch_wait_ms(watch) > 0, "it would turn without end");
    }
}

/* As the main thread does: how it went is up to the test. */
static void read_again(bool good)
{
    file_watch_mark(watch);
    file_watch_follow(watch, config.loaded, file_watch_now());
    file_watch_retry(watch, !good);
}

static void set_up(void)
{
    (void)signal(SIGIO, SIG_IGN);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    put("seal", "a\n", "w");
    put("operators", "b\n", "w");
    config = load_env(ENV(MINIMAL, "BFF_SEAL_KEYS_FILE=seal", "BFF_OPERATOR_LISTEN=127.0.0.1:0",
                          "BFF_OPERATOR_KEYS_FILE=operators"));
    ck_assert_msg(config.code == 0, "%s", config.printed);
    watch = file_watch_start(config.loaded, file_watch_now());
    ck_assert_ptr_nonnull(watch);
    read_again(true);
    ck_assert_int_eq(reported_within_ms(100), -1);
}

static void tear_down(void)
{
    file_watch_stop(watch);
    load_finish(&config);
    (void)unlink("seal");
    (void)unlink("operators");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(nothing_is_reported_of_files_that_stay)
{
    ck_assert_int_eq(reported_within_ms(3600 * 1000), -1);
}
END_TEST

START_TEST(a_file_in_the_place_of_another_is_reported_at_once)
{
    replace("seal");
    const int64_t after_ms = reported_within_ms(60 * 1000);
    ck_assert_int_ge(after_ms, STEP_MS);
    ck_assert_int_le(after_ms, 2 * STEP_MS);
}
END_TEST

/* Half of a list of keys is a list of keys. All of it lasts less than ten seconds. */
START_TEST(a_writer_in_place_may_pause_for_seconds)
{
    for (int i = 0; i < 2; i++) {
        append("operators");
        ck_assert_int_eq(reported_within_ms(2900), -1);
    }
    append("operators");
    const int64_t after_ms = reported_within_ms(60 * 1000);
    ck_assert_int_ge(after_ms, 3000);
    ck_assert_int_le(after_ms, 3000 + 2 * STEP_MS);
    read_again(true);
    ck_assert_int_eq(reported_within_ms(3600 * 1000), -1);
}
END_TEST

/* How long until a change is reported while one file is written to in each step. */
static int64_t reported_in_unrest_ms(void)
{
    for (int64_t ms = 0; ms <= 60 * 1000; ms += STEP_MS) {
        append("operators");
        if (reported_within_ms(STEP_MS) >= 0)
            return ms;
    }
    return -1;
}

START_TEST(a_file_that_is_never_left_alone_holds_the_others_up_for_ten_seconds)
{
    replace("seal");
    for (int i = 0; i < 3; i++) {
        const int64_t after_ms = reported_in_unrest_ms();
        ck_assert_int_ge(after_ms, 9 * 1000);
        ck_assert_int_le(after_ms, 11 * 1000);
        read_again(true);
    }
}
END_TEST

START_TEST(what_was_refused_is_tried_again_each_minute_until_it_is_good)
{
    replace("seal");
    ck_assert_int_ge(reported_within_ms(60 * 1000), 0);
    for (int i = 0; i < 3; i++) {
        read_again(false);
        ck_assert_int_eq(reported_within_ms(3600 * 1000), 60 * 1000);
    }
    read_again(true);
    ck_assert_int_eq(reported_within_ms(3600 * 1000), -1);
}
END_TEST

START_TEST(a_change_is_not_held_up_by_what_was_refused)
{
    read_again(false);
    ck_assert_int_eq(reported_within_ms(59900), -1);
    append("seal");
    const int64_t after_ms = reported_within_ms(60 * 1000);
    ck_assert_int_ge(after_ms, 3000);
    ck_assert_int_le(after_ms, 3000 + 3 * STEP_MS);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_watch");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nothing_is_reported_of_files_that_stay);
    tcase_add_test(t, a_file_in_the_place_of_another_is_reported_at_once);
    tcase_add_test(t, a_writer_in_place_may_pause_for_seconds);
    tcase_add_test(t, a_file_that_is_never_left_alone_holds_the_others_up_for_ten_seconds);
    tcase_add_test(t, what_was_refused_is_tried_again_each_minute_until_it_is_good);
    tcase_add_test(t, a_change_is_not_held_up_by_what_was_refused);
    return unit_run(t, "file_watch");
}
