/* SPDX-License-Identifier: Apache-2.0
 * net/http_client: how many connections a crowd of calls makes in one turn of the loop, and how
 * much of its answers it takes, in bytes and in time. socket(), send() and recv() are this
 * program's, and count; so is the clock, which can be made to jump. */
#include "unit.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_client_internal.h"
#include "script_server.h"

enum {
    CROWD = 30,
    LONG_CROWD = 60,
    LONG_ANSWER_BYTES = 200 * 1024,
    DONE_US = 3000,
    GUARD_MS = 30000,
    DEADLINE_MS = 15000,
    JUMP_S = 1, /* longer than libcurl waits with the other address family, shorter than timeouts */
};

static struct {
    struct loop *loop;
    struct http_client *client;
    struct script_server *server;
    char *url;
    struct timer guard;
    call_done_fn *done; /* NULL: on_done */
    bool guard_fired;
    unsigned open, answered, not_sent;
    unsigned sockets, sockets_of_turn, sockets_most; /* the last: in one turn */
    unsigned sends, sends_of_turn, sends_most;
    size_t received, received_of_turn, received_most;
    atomic_bool answering; /* what the server waits for */
    unsigned steps_most;   /* of connections and, where they are long, of answers */
    uint64_t turn;
    unsigned crowd, done_of_turn, done_most;
    bool jumps; /* the clock, once all of a crowd have their sockets */
} bench;

static _Thread_local bool on_loop; /* the server has a thread of its own */

static void look_at_turn(void)
{
    if (bench.client && bench.client->steps > bench.steps_most)
        bench.steps_most = bench.client->steps;
    if (bench.turn == loop_turn(bench.loop))
        return;
    bench.turn = loop_turn(bench.loop);
    bench.sockets_of_turn = bench.sends_of_turn = 0;
    bench.received_of_turn = 0;
    bench.done_of_turn = 0;
}

__attribute__((visibility("default"))) int socket(int domain, int type, int protocol)
{
    if (bench.loop) {
        look_at_turn();
        bench.sockets++;
        if (++bench.sockets_of_turn > bench.sockets_most)
            bench.sockets_most = bench.sockets_of_turn;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

__attribute__((visibility("default"))) ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    if (on_loop && bench.loop) {
        look_at_turn();
        bench.sends++;
        if (++bench.sends_of_turn > bench.sends_most)
            bench.sends_most = bench.sends_of_turn;
    }
    return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
}

/* Under another name here: the C library's header may define recv() inline. */
__attribute__((visibility("default"))) ssize_t count_recv(int fd, void *bytes, size_t n,
                                                          int flags) __asm__("recv");

ssize_t count_recv(int fd, void *bytes, size_t n, int flags)
{
    const ssize_t got = syscall(SYS_recvfrom, fd, bytes, n, flags, NULL, NULL);

    if (got > 0 && on_loop && bench.loop) {
        look_at_turn();
        bench.received += (size_t)got;
        bench.received_of_turn += (size_t)got;
        if (bench.received_of_turn > bench.received_most)
            bench.received_most = bench.received_of_turn;
    }
    return got;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ret)
{
    const int result = (int)syscall(SYS_clock_gettime, id, ret);

    if (on_loop && bench.jumps && bench.sockets >= CROWD)
        ret->tv_sec += JUMP_S;
    return result;
}

static void on_guard(struct timer *t)
{
    (void)t;
    bench.guard_fired = true;
    loop_stop(bench.loop);
}

static void setup(script_fn *script)
{
    const struct http_client_options options = {
        .allow_http = true, .connect_timeout_ms = 3000, .connections_max = LONG_CROWD};
    struct err_text text = {0};

    memset(&bench, 0, sizeof(bench));
    on_loop = true;
    bench.server = script_server_start(script, NULL);
    bench.url = script_server_url(bench.server, "/p");
    bench.loop = loop_create();
    ck_assert_ptr_nonnull(bench.loop);
    ck_assert_int_eq(http_client_create(bench.loop, &options, &bench.client, &text), ERR_OK);
}

static void teardown(void)
{
    http_client_destroy(bench.client);
    if (bench.server)
        script_server_stop(bench.server);
    loop_destroy(bench.loop);
    bench.loop = NULL;
    free(bench.url);
}

static void on_done(void *arg, const struct call_answer *a)
{
    (void)arg;
    bench.answered += a->result == CALL_ANSWERED;
    bench.not_sent += a->result == CALL_NOT_SENT;
    if (--bench.open == 0)
        loop_stop(bench.loop);
}

static const struct call *begin_call(bool fresh)
{
    const struct call_request request = {.method = HTTP_GET,
                                         .url = bench.url,
                                         .deadline_ms = loop_update_now(bench.loop) + DEADLINE_MS,
                                         .fresh_connection = fresh};
    const struct call *call =
        http_client_start(bench.client, &request, bench.done ? bench.done : on_done, NULL);

    ck_assert_ptr_nonnull(call);
    bench.open++;
    return call;
}

static void run(void)
{
    timer_start(bench.loop, &bench.guard, loop_update_now(bench.loop) + GUARD_MS, on_guard, NULL);
    loop_run(bench.loop);
    timer_stop(bench.loop, &bench.guard);
    ck_assert(!bench.guard_fired);
    ck_assert_uint_eq(bench.client->undecided, 0);
}

/* All in one moment. */
static void crowd(unsigned calls, bool fresh)
{
    bench.answered = bench.not_sent = bench.sockets = bench.sockets_most = bench.sends_most = 0;
    bench.steps_most = 0;
    bench.crowd = calls;
    for (unsigned i = 0; i < calls; i++)
        (void)begin_call(fresh);
    run();
}

static enum script_end answer_fully(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    script_answer(answer, 200, "application/json", "", "{}");
    return SCRIPT_KEEP;
}

/* A connection carries one call, and ends when the next has come. */
static enum script_end answer_once(void *arg, const struct script_request *r, struct buf *answer)
{
    if (r->on_connection > 0)
        return SCRIPT_CLOSE;
    return answer_fully(arg, r, answer);
}

/* Not before the last of the crowd has asked. */
static enum script_end answer_together(void *arg, const struct script_request *r,
                                       struct buf *answer)
{
    while (!atomic_load(&bench.answering))
        (void)sched_yield();
    return answer_fully(arg, r, answer);
}

static enum script_end answer_at_length(void *arg, const struct script_request *r,
                                        struct buf *answer)
{
    static char body[LONG_ANSWER_BYTES + 1];
    (void)arg;
    (void)r;

    while (!atomic_load(&bench.answering))
        (void)sched_yield();
    memset(body, 'x', LONG_ANSWER_BYTES);
    script_answer(answer, 200, "application/json", "", body);
    return SCRIPT_KEEP;
}

/* Holds the loop up until all answers but the last are there, so that one turn could take them. */
static int64_t wait_for_answers(void *arg)
{
    (void)arg;
    if (bench.sends == bench.crowd && !atomic_load(&bench.answering)) {
        atomic_store(&bench.answering, true);
        while (script_server_requests(bench.server) < bench.crowd)
            (void)sched_yield();
    }
    return -1;
}

START_TEST(a_cold_crowd_connects_a_few_at_a_time)
{
    setup(answer_fully);
    crowd(CROWD, false);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_ge(bench.sockets, STEPS_MAX);
    ck_assert_uint_le(bench.sockets_most, STEPS_MAX);
    teardown();
}
END_TEST

/* Those that are begun and those that go on: each event of the latter lets the queue be looked at.
 */
START_TEST(what_is_begun_and_what_goes_on_share_the_turn)
{
    setup(answer_fully);
    crowd(CROWD, true);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_eq(bench.steps_most, STEPS_MAX);
    teardown();
}
END_TEST

START_TEST(a_crowd_that_wants_new_connections_alone_gets_them_a_few_at_a_time)
{
    setup(answer_fully);
    crowd(CROWD, false);
    crowd(CROWD, true);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_eq(bench.sockets, CROWD);
    ck_assert_uint_le(bench.sockets_most, STEPS_MAX);
    teardown();
}
END_TEST

START_TEST(a_crowd_goes_by_the_connections_that_are_idle)
{
    setup(answer_fully);
    crowd(CROWD, true);
    ck_assert_uint_eq(bench.client->idle, CROWD);
    crowd(CROWD, false);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_eq(bench.sockets, 0);
    teardown();
}
END_TEST

/* A call that must have a new connection does not keep the others from the idle ones. */
START_TEST(who_waits_for_a_new_connection_is_overtaken)
{
    setup(answer_fully);
    crowd(1, false);
    ck_assert_uint_eq(bench.client->idle, 1);
    bench.client->steps_turn = loop_turn(bench.loop);
    bench.client->steps = STEPS_MAX; /* this turn has done its part */
    const struct call *fresh = begin_call(true);
    const struct call *second = begin_call(false);
    const struct call *third = begin_call(false);
    ck_assert_int_eq(fresh->place, PLACE_WAITING);
    ck_assert_int_eq(second->place, PLACE_ACTIVE);
    ck_assert_int_eq(third->place, PLACE_WAITING);
    run();
    ck_assert_uint_eq(bench.answered, 1 + 3);
    teardown();
}
END_TEST

/* All connections die under their calls, which libcurl repeats, each on a new one. */
START_TEST(a_crowd_that_is_repeated_does_not_connect_in_one_turn)
{
    setup(answer_once);
    crowd(CROWD, true);
    crowd(CROWD, false);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_eq(bench.sockets, CROWD);
    ck_assert_uint_le(bench.sockets_most, STEPS_MAX + REUSES_MAX);
    teardown();
}
END_TEST

START_TEST(connections_that_fail_keep_nobody_waiting)
{
    setup(answer_fully);
    script_server_stop(bench.server);
    bench.server = NULL;
    crowd(CROWD, false);
    ck_assert_uint_eq(bench.not_sent, CROWD);
    ck_assert_uint_eq(bench.sockets, CROWD);
    ck_assert_uint_le(bench.sockets_most, STEPS_MAX);
    teardown();
}
END_TEST

/* While they are being made, the time passes after which libcurl would try the other address
 * family: here there is none, and they do not all go on in that turn. */
START_TEST(connections_that_took_long_go_on_a_few_at_a_time)
{
    setup(answer_fully);
    bench.jumps = true;
    crowd(CROWD, true);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_eq(bench.sockets, CROWD);
    ck_assert_uint_le(bench.sends_most, STEPS_MAX);
    teardown();
}
END_TEST

START_TEST(long_answers_of_a_crowd_are_taken_over_several_turns)
{
    const size_t most = (size_t)(STEPS_MAX + REUSES_MAX) * STEP_ANSWER_BYTES;

    setup(answer_at_length);
    ck_assert(loop_on_idle(bench.loop, wait_for_answers, NULL));
    crowd(LONG_CROWD, true);
    ck_assert_uint_eq(bench.answered, LONG_CROWD);
    ck_assert_uint_gt(bench.received, (size_t)LONG_CROWD * LONG_ANSWER_BYTES);
    /* The event that reaches it is dealt with. */
    ck_assert_uint_lt(bench.received_most, most + LONG_ANSWER_BYTES + STEP_ANSWER_BYTES);
    teardown();
}
END_TEST

static void take_long(void *arg, const struct call_answer *a)
{
    const int64_t until_us = clock_mono_us() + DONE_US;

    look_at_turn();
    if (++bench.done_of_turn > bench.done_most)
        bench.done_most = bench.done_of_turn;
    while (clock_mono_us() < until_us)
        ;
    on_done(arg, a);
}

START_TEST(calls_whose_end_takes_long_end_over_several_turns)
{
    setup(answer_together);
    bench.done = take_long;
    ck_assert(loop_on_idle(bench.loop, wait_for_answers, NULL));
    crowd(CROWD, true);
    ck_assert_uint_eq(bench.answered, CROWD);
    ck_assert_uint_ge(bench.done_most, 1);
    ck_assert_uint_le(bench.done_most, 1 + EVENTS_US / DONE_US);
    teardown();
}
END_TEST

START_TEST(long_answers_keep_nobody_from_a_new_connection)
{
    setup(answer_fully);
    client_count_answer(bench.client, (size_t)(STEPS_MAX + REUSES_MAX) * STEP_ANSWER_BYTES);
    ck_assert_int_eq(begin_call(true)->place, PLACE_ACTIVE);
    run();
    ck_assert_uint_eq(bench.answered, 1);
    teardown();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pace");

    (void)signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_cold_crowd_connects_a_few_at_a_time);
    tcase_add_test(tests, what_is_begun_and_what_goes_on_share_the_turn);
    tcase_add_test(tests, a_crowd_that_wants_new_connections_alone_gets_them_a_few_at_a_time);
    tcase_add_test(tests, a_crowd_goes_by_the_connections_that_are_idle);
    tcase_add_test(tests, who_waits_for_a_new_connection_is_overtaken);
    tcase_add_test(tests, a_crowd_that_is_repeated_does_not_connect_in_one_turn);
    tcase_add_test(tests, connections_that_fail_keep_nobody_waiting);
    tcase_add_test(tests, connections_that_took_long_go_on_a_few_at_a_time);
    tcase_add_test(tests, long_answers_of_a_crowd_are_taken_over_several_turns);
    tcase_add_test(tests, calls_whose_end_takes_long_end_over_several_turns);
    tcase_add_test(tests, long_answers_keep_nobody_from_a_new_connection);
    return unit_run(tests, "http_client_pace");
}
