/* SPDX-License-Identifier: Apache-2.0
 * net/conn_share: who gets a connection (the fewest, within a slack, never one that left or whose
 * mailbox is full), on whose loop it is taken, and that none is lost. */
#include "net/conn_share.h"

#include "unit.h"

enum { MEMBERS = 3, MAILBOX = 64 };

struct place {
    struct loop *loop;
    struct conn_member *member;
    int taken;   /* connections */
    int stop_at; /* ends the loop when so many were taken */
    int last_fd;
    socklen_t last_len;
};

static struct conn_share *share;
static struct place places[MEMBERS];
static const struct sockaddr_storage ADDRESS = {.ss_family = AF_INET};

static void take(void *arg, int fd, const struct sockaddr_storage *sa, socklen_t sa_len)
{
    struct place *p = arg;

    ck_assert_int_eq(sa->ss_family, AF_INET);
    p->taken++;
    p->last_fd = fd;
    p->last_len = sa_len;
    if (p->taken == p->stop_at)
        loop_stop(p->loop);
}

static void setup(void)
{
    share = conn_share_create(MEMBERS);
    ck_assert_ptr_nonnull(share);
    for (unsigned i = 0; i < MEMBERS; i++) {
        places[i] = (struct place){.loop = loop_create()};
        ck_assert_ptr_nonnull(places[i].loop);
    }
}

static void join(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        places[i].member = conn_share_join(share, places[i].loop, take, &places[i]);
        ck_assert_uint_eq(conn_member_number(places[i].member), i);
    }
}

static void teardown(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        loop_destroy(places[i].loop);
    conn_share_destroy(share);
}

/* n connections, all accepted by the first member. */
static void accept_some(int n)
{
    for (int i = 0; i < n; i++)
        conn_share_place(places[0].member, 1000 + i, &ADDRESS, sizeof(ADDRESS));
}

static void run_until_taken(struct place *p, int count)
{
    p->stop_at = count;
    loop_run(p->loop);
}

START_TEST(one_member_keeps_all)
{
    join(1);
    accept_some(5);
    ck_assert_int_eq(places[0].taken, 5);
}
END_TEST

START_TEST(each_goes_to_the_member_with_the_fewest)
{
    join(MEMBERS);
    accept_some(6);
    /* Own ones at once, the others' from their loops. */
    ck_assert_int_eq(places[0].taken, 2);
    ck_assert_int_eq(places[1].taken, 0);
    run_until_taken(&places[1], 2);
    run_until_taken(&places[2], 2);
    ck_assert_uint_eq(places[1].last_len, sizeof(ADDRESS));
}
END_TEST

START_TEST(who_lost_a_connection_gets_the_next)
{
    join(2);
    accept_some(4);
    run_until_taken(&places[1], 2);
    conn_share_ended(places[1].member);
    conn_share_place(places[0].member, 77, &ADDRESS, sizeof(ADDRESS));
    run_until_taken(&places[1], 3);
    ck_assert_int_eq(places[1].last_fd, 77);
    ck_assert_int_eq(places[0].taken, 2);
}
END_TEST

START_TEST(one_more_among_many_is_no_reason_to_wake_another)
{
    join(2);
    accept_some(17);
    ck_assert_int_eq(places[0].taken, 9); /* 9 and 8 */
    accept_some(1);
    ck_assert_int_eq(places[0].taken, 10); /* 10 is more than an eighth over 8 */
    accept_some(1);
    ck_assert_int_eq(places[0].taken, 10);
    run_until_taken(&places[1], 9);
}
END_TEST

START_TEST(who_leaves_takes_what_is_on_its_way_and_nothing_later)
{
    join(2);
    accept_some(4);
    ck_assert_int_eq(places[1].taken, 0);
    conn_share_leave(places[1].member);
    ck_assert_int_eq(places[1].taken, 2);
    conn_share_leave(places[1].member);
    accept_some(6);
    ck_assert_int_eq(places[1].taken, 2);
    ck_assert_int_eq(places[0].taken, 8);
}
END_TEST

START_TEST(a_full_mailbox_loses_nothing)
{
    join(2);
    accept_some(MAILBOX * 4);
    const int kept = places[0].taken;
    ck_assert_int_eq(kept, MAILBOX * 3);
    run_until_taken(&places[1], MAILBOX);
    accept_some(1);
    run_until_taken(&places[1], MAILBOX + 1);
    ck_assert_int_eq(places[0].taken, kept);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("conn_share");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, one_member_keeps_all);
    tcase_add_test(t, each_goes_to_the_member_with_the_fewest);
    tcase_add_test(t, who_lost_a_connection_gets_the_next);
    tcase_add_test(t, one_more_among_many_is_no_reason_to_wake_another);
    tcase_add_test(t, who_leaves_takes_what_is_on_its_way_and_nothing_later);
    tcase_add_test(t, a_full_mailbox_loses_nothing);
    return unit_run(t, "conn_share");
}
