/* SPDX-License-Identifier: Apache-2.0
 * worker_era: an era ends with the last of its users, later in the turn, and never before the one
 * in front of it. */
#include "unit.h"
#include "worker_era.h"

/* Stands for settings.c: the eras only count. */
struct settings *settings_ref(struct settings *s)
{
    s->references++;
    return s;
}

void settings_unref(struct settings *s)
{
    s->references--;
}

static struct settings settings;
static struct loop *loop;
static struct era *eras[3];

static void set_up(void)
{
    settings = (struct settings){0};
    loop = loop_create();
    for (size_t i = 0; i < ARRAY_LEN(eras); i++) {
        eras[i] = era_create(&settings);
        ck_assert_ptr_nonnull(eras[i]);
        eras[i]->loop = loop;
    }
    ck_assert_uint_eq(settings.references, 3);
}

static void tear_down(void)
{
    for (size_t i = 0; i < ARRAY_LEN(eras); i++)
        era_destroy(eras[i]);
    ck_assert_uint_eq(settings.references, 0);
    loop_destroy(loop);
}

static int64_t stop_when_idle(void *arg)
{
    loop_stop(arg);
    return 0;
}

static void turn(void)
{
    ck_assert(loop_on_idle(loop, stop_when_idle, loop));
    loop_run(loop);
    loop_remove_idle(loop, stop_when_idle, loop);
}

static bool is_over(size_t i)
{
    return atomic_load(&eras[i]->over);
}

START_TEST(without_users_an_era_ends_when_the_next_begins)
{
    turn();
    ck_assert(!is_over(0));
    era_follow(eras[0], eras[1]);
    ck_assert(!is_over(0)); /* not from inside */
    turn();
    ck_assert(is_over(0) && !is_over(1));
}
END_TEST

START_TEST(the_last_user_ends_it)
{
    hold_take(&eras[0]->hold);
    hold_take(&eras[0]->hold);
    era_follow(eras[0], eras[1]);
    hold_put(&eras[0]->hold);
    turn();
    ck_assert(!is_over(0));
    hold_put(&eras[0]->hold);
    turn();
    ck_assert(is_over(0));
}
END_TEST

START_TEST(eras_end_in_order)
{
    hold_take(&eras[0]->hold);
    era_follow(eras[0], eras[1]);
    era_follow(eras[1], eras[2]);
    turn();
    ck_assert(!is_over(0) &&
              !is_over(1)); /* a user of the first may have borrowed from the second */
    hold_put(&eras[0]->hold);
    turn();
    turn();
    ck_assert(is_over(0) && is_over(1) && !is_over(2));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("worker_era");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, without_users_an_era_ends_when_the_next_begins);
    tcase_add_test(t, the_last_user_ends_it);
    tcase_add_test(t, eras_end_in_order);
    return unit_run(t, "worker_era");
}
