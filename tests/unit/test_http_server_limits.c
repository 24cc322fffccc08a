/* SPDX-License-Identifier: Apache-2.0
 * net/http_server under pressure: clients that leave, deadlines of each phase, too many connections
 * and requests, draining, no descriptors left, and destroying a server with hundreds of requests
 * under way. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "net/http_server_int.h"
#include "server_fixture.h"
#include "unit.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct fixture fixture;
static struct reply reply;

static void setup(void)
{
    ck_assert(crypto_init());
    fixture_init(&fixture);
}

static void teardown(void)
{
    fixture_stop(&fixture);
    crypto_finish();
}

/* ---- clients that leave */

START_TEST(a_client_that_leaves_is_noticed_while_its_request_waits)
{
    fixture_run(&fixture);
    const int closing = client_connect(&fixture);
    client_send(closing, GET("/v1/wait"));
    ck_assert_int_eq(fixture_event(&fixture), 'S');
    close(closing);
    ck_assert_int_eq(fixture_event(&fixture), 'G');
    ck_assert_int_eq(fixture_event(&fixture), 'E');

    const int half = client_connect(&fixture);
    client_send(half, GET("/v1/wait"));
    ck_assert_int_eq(shutdown(half, SHUT_WR), 0);
    ck_assert_int_eq(fixture_event(&fixture), 'S');
    close(half); /* the interim answer unread, or on its way */
    ck_assert_int_eq(fixture_event(&fixture), 'G');
    ck_assert_int_eq(fixture_event(&fixture), 'E');

    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    const int resetting = client_connect(&fixture);
    client_send(resetting, GET("/v1/wait"));
    ck_assert_int_eq(fixture_event(&fixture), 'S');
    ck_assert_int_eq(setsockopt(resetting, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(resetting);
    ck_assert_int_eq(fixture_event(&fixture), 'G');
    ck_assert_int_eq(fixture_event(&fixture), 'E');
}
END_TEST

/* The end of its side comes with the request, while it waits, and behind two requests. */
START_TEST(a_client_that_ends_its_side_gets_its_answers_and_the_connection_ends)
{
    static const char *const BEHIND[] = {NULL, GET("/v1/patient/50"), GET("/sync")};
    fixture_run(&fixture);
    for (size_t i = 0; i < 2 * ARRAY_LEN(BEHIND); i++) {
        const char *behind = BEHIND[i / 2];
        const int fd = client_connect(&fixture);
        client_send(fd, GET("/v1/patient/50"));
        if (i % 2)
            ck_assert_int_eq(fixture_event(&fixture), 'S');
        if (behind)
            client_send(fd, behind);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        for (unsigned answers = behind ? 2 : 1; answers > 0; answers--) {
            do
                client_read(fd, false, &reply);
            while (reply.status == 100);
            ck_assert_int_eq(reply.status, 200);
        }
        ck_assert(client_sees_end(fd));
        close(fd);
        fixture_forget_events(&fixture);
    }
}
END_TEST

/* Its socket is full while a request of its waits: that nothing can be sent says nothing. */
START_TEST(a_slow_reader_that_ended_its_side_gets_all_its_answers)
{
    enum { REQUESTS = 900, PAUSE_MS = 50 };
    static const char REQUEST[] = GET("/v1/patient/0");
    static char all[REQUESTS * sizeof(REQUEST)];
    const int small = 4096;
    char *to = all;

    for (int i = 0; i < REQUESTS; i++)
        to = stpcpy(to, REQUEST);
    fixture.options.body_timeout_ms = 60000; /* small windows open slowly */
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    client_send(fd, all);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    /* Until the server gets no further. */
    struct pollfd news = {.fd = fixture.events[0], .events = POLLIN};
    while (poll(&news, 1, PAUSE_MS) == 1)
        (void)fixture_event(&fixture);
    for (int i = 0; i < REQUESTS; i++) {
        do
            client_read(fd, false, &reply);
        while (reply.status == 100);
        ck_assert_int_eq(reply.status, 200);
    }
    ck_assert(client_sees_end(fd));
    close(fd);
}
END_TEST

START_TEST(a_crowd_is_started_a_few_a_turn)
{
    enum { CROWD = 100, LEAVE = 10 };
    int fds[CROWD];

    fixture_run(&fixture);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = client_connect(&fixture);
        client_send(fds[i], GET("/sync"));
        client_read(fds[i], false, &reply);
    }
    fixture_hold(&fixture);
    for (int i = 0; i < CROWD; i++)
        client_send(fds[i], GET("/sync"));
    /* Who leaves while his request waits to be started harms nobody. */
    for (int i = CROWD - LEAVE; i < CROWD; i++)
        close(fds[i]);
    fixture_go_on(&fixture);
    for (int i = 0; i < CROWD - LEAVE; i++) {
        client_read(fds[i], false, &reply);
        ck_assert_int_eq(reply.status, 200);
        close(fds[i]);
    }
    ck_assert_uint_gt(fixture_starts_most(), 1);
    ck_assert_uint_le(fixture_starts_most(), SERVER_STARTS_PER_TURN);
}
END_TEST

/* On a kept connection, too, half a request line and the end of the stream come in one event. */
START_TEST(half_a_request_line_and_the_end_in_one_are_not_waited_for)
{
    fixture.options.header_timeout_ms = fixture.options.idle_timeout_ms = 60000;
    fixture_run(&fixture);
    for (int kept = 0; kept < 2; kept++) {
        const int fd = client_connect(&fixture);
        if (kept) {
            client_send(fd, GET("/sync"));
            client_read(fd, false, &reply);
            ck_assert_int_eq(reply.status, 200);
        }
        ck_assert_int_eq(send(fd, "GET /sy", 7, MSG_MORE), 7); /* leaves with the end */
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        ck_assert(client_sees_end(fd));
        close(fd);
    }
}
END_TEST

/* It would not know an interim answer. */
START_TEST(an_old_client_that_ends_its_side_counts_as_gone)
{
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    client_send(fd, "GET /v1/wait HTTP/1.0\r\nHost: h\r\n\r\n");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert_int_eq(fixture_event(&fixture), 'S');
    ck_assert_int_eq(fixture_event(&fixture), 'G');
    ck_assert_int_eq(fixture_event(&fixture), 'E');
    ck_assert(client_sees_end(fd));
    close(fd);
}
END_TEST

START_TEST(an_answer_for_a_client_that_left_goes_nowhere_and_harms_nobody)
{
    fixture_run(&fixture);
    for (int i = 0; i < 50; i++) {
        const int fd = client_connect(&fixture);
        client_send(fd, GET("/v1/later/5"));
        ck_assert_int_eq(fixture_event(&fixture), 'S');
        close(fd);
        ck_assert_int_eq(fixture_event(&fixture), 'E');
    }
    client_ask(&fixture, GET("/sync"), &reply);
    ck_assert_int_eq(reply.status, 200);
}
END_TEST

/* ---- deadlines */

START_TEST(a_header_that_does_not_end_is_answered_408)
{
    fixture.options.header_timeout_ms = 100;
    fixture_run(&fixture);
    int fd = client_connect(&fixture);
    client_send(fd, "GET /sync HTTP/1.1\r\nHost:");
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 408);
    ck_assert_ptr_nonnull(strstr(reply.body, "request_timeout"));
    ck_assert(reply_has(&reply, "Connection: close"));
    ck_assert(client_sees_end(fd));
    close(fd);

    /* Also behind a request that was served; the idle time is much longer. */
    fd = client_connect(&fixture);
    client_send(fd, GET("/sync"));
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    client_send(fd, "GET /sync HTTP/1.1\r\nHo");
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 408);
    close(fd);
}
END_TEST

START_TEST(a_connection_without_a_byte_ends_without_an_answer)
{
    fixture.options.header_timeout_ms = 100;
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    ck_assert(client_sees_end(fd));
    close(fd);
}
END_TEST

START_TEST(a_body_that_does_not_end_is_answered_408)
{
    fixture.options.body_timeout_ms = 100;
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    client_send(fd, "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    "X-Request-Id: slow\r\nContent-Length: 10\r\n\r\n{");
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 408);
    ck_assert(reply_has(&reply, "X-Request-Id: slow"));
    /* What comes too late is not served. */
    (void)!send(fd, "        }" GET("/sync"), 9 + strlen(GET("/sync")), MSG_NOSIGNAL);
    ck_assert(client_sees_end(fd));
    close(fd);
}
END_TEST

START_TEST(an_idle_connection_ends_without_an_answer)
{
    fixture.options.idle_timeout_ms = 100;
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    client_send(fd, GET("/sync"));
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(client_sees_end(fd));
    close(fd);
}
END_TEST

START_TEST(a_waiting_request_outlives_every_clock_of_its_connection)
{
    fixture.options.header_timeout_ms = 50;
    fixture.options.body_timeout_ms = 50;
    fixture.options.idle_timeout_ms = 50;
    fixture_run(&fixture);
    client_ask(&fixture, GET("/v1/later/300"), &reply);
    ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_cut_off)
{
    fixture.options.body_timeout_ms = 100;
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    const int small = 4096;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    client_send(fd, GET("/big"));
    /* The abort arrives as a reset: no poll for readable data, only for the error. */
    struct pollfd p = {.fd = fd, .events = 0};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert_int_ne(p.revents & (POLLHUP | POLLERR), 0);
    close(fd);
}
END_TEST

/* ---- too many */

START_TEST(a_connection_over_the_limit_gets_a_whole_503)
{
    fixture.options.connections_max = 1;
    fixture_run(&fixture);
    const int first = client_connect(&fixture);
    client_send(first, GET("/sync"));
    client_read(first, false, &reply);
    ck_assert_int_eq(reply.status, 200);

    const int second = client_connect(&fixture);
    client_send(second, GET("/sync") GET("/sync"));
    client_read(second, false, &reply);
    ck_assert_int_eq(reply.status, 503);
    ck_assert(reply_has(&reply, "Connection: close"));
    ck_assert_ptr_nonnull(strstr(reply.head, "\r\nRetry-After: "));
    ck_assert_ptr_nonnull(strstr(reply.body, "\"code\":\"overloaded\""));
    ck_assert(client_sees_end(second));
    close(second);

    client_send(first, GET("/sync"));
    client_read(first, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    close(first);
}
END_TEST

START_TEST(a_request_over_the_limit_gets_503_and_keeps_its_connection)
{
    fixture.options.in_flight_max = 1;
    fixture_run(&fixture);
    const int waiting = client_connect(&fixture);
    client_send(waiting, GET("/v1/wait"));
    ck_assert_int_eq(fixture_event(&fixture), 'S');

    const int fd = client_connect(&fixture);
    client_send(fd, GET("/v1/later/0"));
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 503);
    ck_assert_ptr_nonnull(strstr(reply.head, "\r\nRetry-After: "));
    client_send(fd, GET("/sync")); /* not counted */
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);

    close(waiting);
    ck_assert_int_eq(fixture_event(&fixture), 'G');
    ck_assert_int_eq(fixture_event(&fixture), 'E');
    client_send(fd, GET("/v1/later/0"));
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    close(fd);
}
END_TEST

START_TEST(without_descriptors_clients_are_told_and_later_ones_served)
{
    enum { CLIENTS = 4 };
    int clients[CLIENTS];
    struct rlimit limit;
    fixture_create_server(&fixture);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_connect(&fixture); /* they wait in the backlog */
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    const int next = fcntl(0, F_DUPFD, 0); /* the lowest free number: all below are taken */
    ck_assert_int_ge(next, 0);
    close(next);
    limit.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    fixture_run(&fixture);
    for (int i = 0; i < CLIENTS; i++) {
        client_read(clients[i], false, &reply);
        ck_assert_int_eq(reply.status, 503);
        close(clients[i]);
    }
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    /* The round that refused may still be under way; the one after it serves. */
    for (int i = 0; i < 3 && reply.status == 503; i++)
        client_ask(&fixture, GET("/sync"), &reply);
    ck_assert_int_eq(reply.status, 200);
}
END_TEST

/* ---- the end */

/* ---- a burst of clients */

enum { BURST_CLIENTS = 64, BURST_TURNS = 2 };

/* Posts itself once a turn; in the last it tells how many were accepted by then. */
struct turns {
    struct post post;
    int left;
    unsigned accepted;
    int done[2];
};

static void count_turn(struct post *p)
{
    struct turns *t = (struct turns *)p;
    if (--t->left > 0) {
        loop_post(fixture.loop, &t->post, count_turn);
        return;
    }
    t->accepted = fixture.connections;
    ck_assert_int_eq(write(t->done[1], "x", 1), 1);
}

/* For a turn of a busy worker is long, and those who wait in the backlog have asked already. */
START_TEST(a_burst_of_clients_is_taken_in_two_turns)
{
    int clients[BURST_CLIENTS];
    struct turns turns = {.left = BURST_TURNS};
    char byte;
    ck_assert_int_eq(pipe(turns.done), 0);
    fixture_create_server(&fixture);
    for (size_t i = 0; i < BURST_CLIENTS; i++)
        clients[i] = client_connect(&fixture);
    loop_post(fixture.loop, &turns.post, count_turn);
    fixture_run(&fixture);
    ck_assert_int_eq(read(turns.done[0], &byte, 1), 1);
    ck_assert_uint_eq(turns.accepted, BURST_CLIENTS);
    for (size_t i = 0; i < BURST_CLIENTS; i++)
        close(clients[i]);
    close(turns.done[0]);
    close(turns.done[1]);
}
END_TEST

START_TEST(draining_closes_and_refusing_refuses)
{
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    client_send(fd, GET("/sync"));
    client_read(fd, false, &reply);
    ck_assert_ptr_null(strstr(reply.head, "Connection: close"));
    fixture.draining = true;
    client_send(fd, GET("/v1/later/0"));
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(reply_has(&reply, "Connection: close"));
    ck_assert(client_sees_end(fd));
    close(fd);

    fixture.refusing = true;
    client_ask(&fixture, GET("/v1/later/0"), &reply);
    ck_assert_int_eq(reply.status, 503);
    ck_assert_ptr_nonnull(strstr(reply.body, "\"code\":\"draining\""));
    client_ask(&fixture, GET("/sync"), &reply);
    ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(a_quiet_server_finishes_what_it_has)
{
    fixture_run(&fixture);
    const int fd = client_connect(&fixture);
    client_send(fd, GET("/v1/later/50"));
    ck_assert_int_eq(fixture_event(&fixture), 'S');
    fixture_quiesce(&fixture);
    ck_assert_uint_eq(fixture_busy(&fixture), 1);
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_int_eq(fixture_event(&fixture), 'E');
    ck_assert_uint_eq(fixture_busy(&fixture), 0);
    close(fd);
}
END_TEST

START_TEST(destroying_answers_hundreds_of_waiting_requests)
{
    enum { CLIENTS = 300 };
    int clients[CLIENTS];
    fixture_run(&fixture);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(&fixture);
        client_send(clients[i], i % 2 ? GET("/v1/wait") : GET("/v1/later/60000") GET("/sync"));
        ck_assert_int_eq(fixture_event(&fixture), 'S');
    }
    fixture_stop(&fixture);
    for (int i = 0; i < CLIENTS; i++) {
        client_read(clients[i], false, &reply);
        ck_assert_int_eq(reply.status, 503);
        ck_assert_ptr_nonnull(strstr(reply.body, "\"code\":\"draining\""));
        close(clients[i]);
    }
    fixture_init(&fixture); /* for teardown */
    fixture_run(&fixture);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("limits");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_client_that_leaves_is_noticed_while_its_request_waits);
    tcase_add_test(tc, a_client_that_ends_its_side_gets_its_answers_and_the_connection_ends);
    tcase_add_test(tc, a_slow_reader_that_ended_its_side_gets_all_its_answers);
    tcase_add_test(tc, a_crowd_is_started_a_few_a_turn);
    tcase_add_test(tc, half_a_request_line_and_the_end_in_one_are_not_waited_for);
    tcase_add_test(tc, an_old_client_that_ends_its_side_counts_as_gone);
    tcase_add_test(tc, an_answer_for_a_client_that_left_goes_nowhere_and_harms_nobody);
    tcase_add_test(tc, a_header_that_does_not_end_is_answered_408);
    tcase_add_test(tc, a_connection_without_a_byte_ends_without_an_answer);
    tcase_add_test(tc, a_body_that_does_not_end_is_answered_408);
    tcase_add_test(tc, an_idle_connection_ends_without_an_answer);
    tcase_add_test(tc, a_waiting_request_outlives_every_clock_of_its_connection);
    tcase_add_test(tc, a_client_that_does_not_read_is_cut_off);
    tcase_add_test(tc, a_connection_over_the_limit_gets_a_whole_503);
    tcase_add_test(tc, a_request_over_the_limit_gets_503_and_keeps_its_connection);
    tcase_add_test(tc, without_descriptors_clients_are_told_and_later_ones_served);
    tcase_add_test(tc, a_burst_of_clients_is_taken_in_two_turns);
    tcase_add_test(tc, draining_closes_and_refusing_refuses);
    tcase_add_test(tc, a_quiet_server_finishes_what_it_has);
    tcase_add_test(tc, destroying_answers_hundreds_of_waiting_requests);
    return unit_run(tc, "http_server_limits");
}
