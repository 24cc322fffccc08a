/* SPDX-License-Identifier: Apache-2.0
 * identity/store_refresh: one owner for each refresh token, one answer for all, never called back
 * from inside; cancelling before and after the answer is under way; loops in several threads. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/crypto.h"
#include "identity/store_internal.h"

static const struct config CONFIG = {
    .used_challenges_max = 10,
    .limit_entries_max = 1000,
    .refresh_replay_s = 10,
};

static const struct refresh_outcome GOOD = {.code = ERR_OK, .body = {"{\"a\":1}", 7}};

struct follower {
    struct refresh_wait wait;
    int calls;
    enum err code;
    char body[32];
};

static struct store *store;
static struct loop *loop;

static void setup(void)
{
    struct err_text text = {""};

    ck_assert(crypto_init());
    ck_assert_int_eq(store_create(&CONFIG, &store, &text), ERR_OK);
    loop = loop_create();
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    loop_destroy(loop);
    store_destroy(store);
}

static void heard(struct refresh_wait *w, const struct refresh_outcome *outcome)
{
    struct follower *f = w->arg;

    f->calls++;
    f->code = outcome->code;
    ck_assert_uint_lt(outcome->body.len, sizeof(f->body));
    if (outcome->body.ptr)
        memcpy(f->body, outcome->body.ptr, outcome->body.len);
    f->body[outcome->body.len] = '\0';
}

static enum refresh_role join(const char *token, struct follower *f, int64_t now_ms)
{
    *f = (struct follower){.calls = 0};
    return store_refresh_join(store, str_of(token), &f->wait, loop, now_ms, heard, f);
}

/* The key depends on the token alone: any wait that asked for it has it. */
static void done(const char *token, const struct refresh_outcome *outcome, bool keep,
                 int64_t now_ms)
{
    struct table_key key;
    struct refresh_key refresh;

    ck_assert(store_key(store, str_of(token), &key));
    memcpy(refresh.bytes, key.bytes, sizeof(refresh.bytes));
    store_refresh_done(store, &refresh, outcome, keep, now_ms);
}

static void stop_on_time(struct timer *t)
{
    loop_stop(t->arg);
}

/* Runs what is posted. */
static void turn(void)
{
    struct timer timer = {.at_ms = 0};

    timer_start(loop, &timer, loop_now_ms(loop), stop_on_time, loop);
    loop_run(loop);
}

START_TEST(the_first_owns_the_call_and_the_others_get_its_answer)
{
    struct follower owner, one, two, other;

    ck_assert_int_eq(join("r1", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("r1", &one, 0), REFRESH_FOLLOWER);
    ck_assert_int_eq(join("r1", &two, 0), REFRESH_FOLLOWER);
    ck_assert_int_eq(join("r2", &other, 0), REFRESH_OWNER);
    done("r1", &GOOD, true, 100);
    ck_assert_msg(one.calls == 0 && two.calls == 0, "called from inside");
    turn();
    ck_assert_int_eq(one.calls, 1);
    ck_assert_int_eq(two.calls, 1);
    ck_assert_int_eq(owner.calls, 0);
    ck_assert_str_eq(one.body, "{\"a\":1}");
    ck_assert_str_eq(two.body, "{\"a\":1}");
    ck_assert_ptr_null(one.wait.entry);
    store_refresh_cancel(&one.wait);
    done("r2", &GOOD, false, 100);
}
END_TEST

START_TEST(a_kept_answer_is_replayed_for_its_window)
{
    struct follower f;

    ck_assert_int_eq(join("r", &f, 0), REFRESH_OWNER);
    done("r", &GOOD, true, 1000);
    ck_assert_int_eq(join("r", &f, 10999), REFRESH_FOLLOWER);
    ck_assert_int_eq(f.calls, 0);
    turn();
    ck_assert_int_eq(f.calls, 1);
    ck_assert_str_eq(f.body, "{\"a\":1}");
    ck_assert_int_eq(join("r", &f, 11000), REFRESH_OWNER);
    done("r", &GOOD, false, 11000);
}
END_TEST

START_TEST(an_answer_that_is_not_kept_still_reaches_those_who_wait)
{
    const struct refresh_outcome refused = {.code = ERR_UPSTREAM_UNAVAILABLE, .retry_after_s = 2};
    struct follower owner, f;

    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("r", &f, 0), REFRESH_FOLLOWER);
    done("r", &refused, false, 0);
    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    turn();
    ck_assert_int_eq(f.calls, 1);
    ck_assert_int_eq(f.code, ERR_UPSTREAM_UNAVAILABLE);
    ck_assert_str_eq(f.body, "");
    done("r", &refused, false, 0);
}
END_TEST

START_TEST(cancelled_followers_hear_nothing)
{
    struct follower owner, before, after, stays;

    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("r", &before, 0), REFRESH_FOLLOWER);
    ck_assert_int_eq(join("r", &after, 0), REFRESH_FOLLOWER);
    ck_assert_int_eq(join("r", &stays, 0), REFRESH_FOLLOWER);
    store_refresh_cancel(&before.wait);
    store_refresh_cancel(&before.wait);
    done("r", &GOOD, true, 0);
    store_refresh_cancel(&after.wait);
    turn();
    ck_assert_int_eq(before.calls, 0);
    ck_assert_int_eq(after.calls, 0);
    ck_assert_int_eq(stays.calls, 1);
}
END_TEST

START_TEST(what_a_stopped_loop_leaves_behind_is_freed_with_the_store)
{
    struct follower owner, waiting, posted;

    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("r", &posted, 0), REFRESH_FOLLOWER);
    done("r", &GOOD, true, 0);
    store_refresh_cancel(&posted.wait);
    ck_assert_int_eq(join("s", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("s", &waiting, 0), REFRESH_FOLLOWER);
    /* The leak check at the end is the assertion. */
}
END_TEST

START_TEST(followers_have_a_ceiling)
{
    static struct follower f[1100];
    struct follower owner;
    int followers = 0;

    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        const enum refresh_role role = join("r", &f[i], 0);
        ck_assert_int_ne(role, REFRESH_OWNER);
        followers += role == REFRESH_FOLLOWER;
    }
    ck_assert_int_eq(followers, 1024);
    /* One that leaves makes room for one. */
    store_refresh_cancel(&f[3].wait);
    ck_assert_int_eq(join("r", &f[3], 0), REFRESH_FOLLOWER);
    ck_assert_int_eq(join("r", &f[ARRAY_LEN(f) - 1], 0), REFRESH_FULL);
    done("r", &GOOD, false, 0);
    turn();
}
END_TEST

START_TEST(refreshes_have_a_ceiling)
{
    struct follower f;
    char token[16];
    int owners = 0;

    for (int i = 0; i < 5000; i++) {
        (void)snprintf(token, sizeof(token), "r%d", i);
        owners += join(token, &f, 0) == REFRESH_OWNER;
    }
    ck_assert_int_eq(owners, 4096);
}
END_TEST

/* ---- workers with loops of their own, all refreshing the same few tokens */

enum { WORKERS = 3, ROUNDS = 400, TOKENS = 8 };
static atomic_int answers, cancelled, owned;

struct worker {
    struct loop *loop;
    struct follower followers[TOKENS];
    struct timer timer;
    int round;
};

static void on_answer(struct refresh_wait *w, const struct refresh_outcome *outcome)
{
    ck_assert_str_is(outcome->body, "{\"a\":1}");
    atomic_fetch_add(&answers, 1);
}

static void play(struct timer *t)
{
    struct worker *me = t->arg;
    const int64_t now_ms = loop_now_ms(me->loop);

    for (size_t i = 0; i < TOKENS; i++) {
        const char token[2] = {(char)('a' + i), '\0'};
        struct refresh_wait *w = &me->followers[i].wait;
        if (w->entry) {
            if ((me->round + (int)i) % 3 != 0)
                continue;
            store_refresh_cancel(w);
            atomic_fetch_add(&cancelled, 1);
        }
        if (store_refresh_join(store, str_of(token), w, me->loop, now_ms, on_answer, me) ==
            REFRESH_OWNER) {
            atomic_fetch_add(&owned, 1);
            store_refresh_done(store, &w->key, &GOOD, (me->round + (int)i) % 2 == 0, now_ms - 9999);
        }
    }
    if (++me->round < ROUNDS) {
        timer_start(me->loop, &me->timer, now_ms, play, me);
        return;
    }
    for (size_t i = 0; i < TOKENS; i++)
        store_refresh_cancel(&me->followers[i].wait);
    loop_stop(me->loop);
}

static void *work(void *arg)
{
    struct worker me = {.loop = loop_create()};

    timer_start(me.loop, &me.timer, 0, play, &me);
    loop_run(me.loop);
    loop_destroy(me.loop);
    return arg;
}

START_TEST(workers_share_refreshes)
{
    pthread_t threads[WORKERS];

    for (size_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_gt(atomic_load(&owned), 0);
    ck_assert_int_gt(atomic_load(&answers), 0);
}
END_TEST

/* What was noted at the beginning is enough for the end. */
START_TEST(a_flight_lands_where_no_key_can_be_made_any_more)
{
    struct follower owner, f;

    ck_assert_int_eq(join("r", &owner, 0), REFRESH_OWNER);
    ck_assert_int_eq(join("r", &f, 0), REFRESH_FOLLOWER);
    crypto_finish();
    store_refresh_done(store, &owner.wait.key, &GOOD, true, 0);
    ck_assert(crypto_init());
    turn();
    ck_assert_int_eq(f.calls, 1);
    ck_assert_int_eq(f.code, ERR_OK);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("store_refresh");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_first_owns_the_call_and_the_others_get_its_answer);
    tcase_add_test(t, a_kept_answer_is_replayed_for_its_window);
    tcase_add_test(t, an_answer_that_is_not_kept_still_reaches_those_who_wait);
    tcase_add_test(t, cancelled_followers_hear_nothing);
    tcase_add_test(t, what_a_stopped_loop_leaves_behind_is_freed_with_the_store);
    tcase_add_test(t, followers_have_a_ceiling);
    tcase_add_test(t, refreshes_have_a_ceiling);
    tcase_add_test(t, workers_share_refreshes);
    tcase_add_test(t, a_flight_lands_where_no_key_can_be_made_any_more);
    return unit_run(t, "store_refresh");
}
