/* SPDX-License-Identifier: Apache-2.0
 * net/http_client and the address table: calls that wait for a name, names that fail, addresses
 * that are dead, change or come back. The name server is scripted and the names exist nowhere
 * else, so a call that arrives was not resolved by libcurl. */
#include "unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "net/resolver.h"
#include "script_server.h"

enum { GUARD_MS = 30000, DEADLINE_MS = 15000, CALLS_MAX = 64, HOSTS = 2, PLUGS_MAX = 16 };

/* ---- the name server */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *addresses[HOSTS]; /* of a.test, b.test; parted by blanks; NULL: hangs */
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void dns_set(size_t host, const char *addresses)
{
    (void)pthread_mutex_lock(&dns.lock);
    dns.addresses[host] = addresses;
    (void)pthread_cond_broadcast(&dns.changed);
    (void)pthread_mutex_unlock(&dns.lock);
}

static void resolve(void *arg, const char *host, struct lookup *ret)
{
    const size_t i = host[0] == 'a' ? 0 : 1;
    char text[256];
    char *rest = text;
    (void)arg;

    (void)pthread_mutex_lock(&dns.lock);
    while (!dns.addresses[i])
        (void)pthread_cond_wait(&dns.changed, &dns.lock);
    (void)snprintf(text, sizeof(text), "%s", dns.addresses[i]);
    (void)pthread_mutex_unlock(&dns.lock);
    for (char *one = strsep(&rest, " "); one; one = strsep(&rest, " ")) {
        struct ip ip;
        if (ip_parse(str_of(one), &ip))
            lookup_add(ret, &ip);
    }
    if (ret->count > 0)
        return;
    ret->result = LOOKUP_NOT_FOUND;
    (void)snprintf(ret->problem, sizeof(ret->problem), "no such name");
}

/* ---- one loop, one client, one server on 127.0.0.1 */

struct got {
    bool done;
    enum call_result result;
    int status;
    int64_t took_ms;
    char reason[300];
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct http_client *client;
    struct script_server *server;
    struct timer guard;
    unsigned open;
    int64_t started_ms;
    struct got got[CALLS_MAX];
    char urls[HOSTS][64];
    int plug_listener;
    int plugs[PLUGS_MAX];
} bench;

static enum script_end good(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    script_answer(answer, 200, "text/plain", "", "ok");
    return SCRIPT_KEEP;
}

static enum script_end hang_up(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    (void)answer;
    return SCRIPT_CLOSE;
}

static void on_guard(struct timer *t)
{
    (void)t;
    ck_abort_msg("calls did not end");
}

static void setup(script_fn *script, int64_t refresh_ms, struct http_client_options options)
{
    const struct resolver_options how = {
        .limits = {.refresh_ms = refresh_ms, .stale_max_ms = 60000}, .resolve = resolve};
    struct err_text text = {0};

    memset(&bench, 0, sizeof(bench));
    bench.plug_listener = -1;
    bench.server = script_server_start(script, NULL);
    bench.loop = loop_create();
    bench.resolver = resolver_create(&how);
    ck_assert(bench.loop && bench.resolver);
    for (size_t i = 0; i < HOSTS; i++)
        (void)snprintf(bench.urls[i], sizeof(bench.urls[i]), "http://%c.test:%u/", (int)('a' + i),
                       script_server_port(bench.server));
    const struct resolver_url urls[] = {{bench.urls[0], NAME_UPSTREAM, false},
                                        {bench.urls[1], NAME_KEYS, false}};
    ck_assert_int_eq(resolver_set_urls(bench.resolver, urls, HOSTS, &text), ERR_OK);
    options.allow_http = true;
    options.connections_max = 8;
    options.resolver = bench.resolver;
    if (options.connect_timeout_ms == 0)
        options.connect_timeout_ms = 3000;
    ck_assert_int_eq(http_client_create(bench.loop, &options, &bench.client, &text), ERR_OK);
}

static void teardown(void)
{
    http_client_destroy(bench.client);
    loop_destroy(bench.loop);
    resolver_destroy(bench.resolver);
    script_server_stop(bench.server);
    /* Lookups that outlived the resolver end now. */
    for (size_t i = 0; i < HOSTS; i++)
        dns_set(i, "");
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        if (bench.plugs[i] > 0)
            (void)close(bench.plugs[i]);
    }
    if (bench.plug_listener >= 0)
        (void)close(bench.plug_listener);
}

static void on_done(void *arg, const struct call_answer *a)
{
    struct got *g = arg;

    g->done = true;
    g->result = a->result;
    g->status = a->status;
    g->took_ms = clock_mono_ms() - bench.started_ms;
    (void)snprintf(g->reason, sizeof(g->reason), "%s", a->reason ? a->reason : "");
    ck_assert(!a->may_have_been_sent || a->result != CALL_NOT_SENT);
    if (--bench.open == 0)
        loop_stop(bench.loop);
}

static void start(size_t i, const char *url, bool fresh)
{
    const struct call_request request = {.method = HTTP_GET,
                                         .url = url,
                                         .fresh_connection = fresh,
                                         .deadline_ms = loop_update_now(bench.loop) + DEADLINE_MS};

    bench.started_ms = clock_mono_ms();
    bench.got[i] = (struct got){0};
    bench.open++;
    ck_assert_ptr_nonnull(http_client_start(bench.client, &request, on_done, &bench.got[i]));
    ck_assert(!bench.got[i].done);
}

static void run(void)
{
    timer_start(bench.loop, &bench.guard, loop_update_now(bench.loop) + GUARD_MS, on_guard, NULL);
    loop_run(bench.loop);
    timer_stop(bench.loop, &bench.guard);
}

static const struct got *call(size_t host, bool fresh)
{
    start(0, bench.urls[host], fresh);
    run();
    return &bench.got[0];
}

static void check_answered(const struct got *g)
{
    ck_assert_msg(g->result == CALL_ANSWERED && g->status == 200, "%d: %s", g->result, g->reason);
}

static void check_not_sent(const struct got *g, const char *reason)
{
    ck_assert_int_eq(g->result, CALL_NOT_SENT);
    ck_assert_msg(strstr(g->reason, reason) != NULL, "%s", g->reason);
}

static unsigned downs_of(size_t address)
{
    struct names *n = resolver_names(bench.resolver);
    const unsigned downs = names_find(n, bench.urls[0])->record.addresses[address].downs;

    names_unref(n);
    return downs;
}

/* News of the health of addresses waits for the last to be some time ago. */
static void wait_for_downs(size_t address, unsigned downs)
{
    const int64_t end_ms = clock_mono_ms() + GUARD_MS;

    while (downs_of(address) != downs) {
        ck_assert_int_lt(clock_mono_ms(), end_ms);
        (void)poll(NULL, 0, 1);
    }
}

/* The address swallows connections: its queue is full. False: the machine does not have it. */
static bool plug_at(const struct sockaddr *at, socklen_t len)
{
    const int on = 1;

    bench.plug_listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(bench.plug_listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(bench.plug_listener, at, len) != 0)
        return false;
    ck_assert_int_eq(listen(bench.plug_listener, 0), 0);
    for (size_t i = 0; i < PLUGS_MAX; i++) {
        bench.plugs[i] = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(bench.plugs[i], at, len);
        struct pollfd poll_fd = {.fd = bench.plugs[i], .events = POLLOUT};
        if (poll(&poll_fd, 1, 50) == 0) /* the queue is full */
            return true;
    }
    ck_abort_msg("the queue is never full");
}

/* 127.0.0.3 with the server's port. */
static void plug(void)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(script_server_port(bench.server)),
                                   .sin_addr.s_addr = htonl(0x7f000003)};

    ck_assert(plug_at((const struct sockaddr *)&at, sizeof(at)));
}

/* ::1 with the server's port. */
static bool plug_v6(void)
{
    const struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                                    .sin6_port = htons(script_server_port(bench.server)),
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    return plug_at((const struct sockaddr *)&at, sizeof(at));
}

/* ---- waiting for a name */

static void *answer_later(void *arg)
{
    struct timespec pause = {.tv_nsec = 50 * 1000000};
    (void)arg;

    (void)nanosleep(&pause, NULL);
    dns_set(0, "127.0.0.1");
    return NULL;
}

START_TEST(calls_wait_for_the_first_lookup_and_go_right_after_it)
{
    pthread_t thread;

    dns_set(0, NULL);
    dns_set(1, NULL);
    setup(good, 30000, (struct http_client_options){0});
    for (size_t i = 0; i < 8; i++)
        start(i, bench.urls[0], false);
    ck_assert_uint_eq(http_client_open_calls(bench.client), 8);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_later, NULL), 0);
    run();
    (void)pthread_join(thread, NULL);
    for (size_t i = 0; i < 8; i++)
        check_answered(&bench.got[i]);
    ck_assert_int_lt(bench.got[0].took_ms, 1000);
    teardown();
}
END_TEST

START_TEST(a_lookup_that_hangs_ends_calls_at_the_connect_timeout_and_holds_up_no_other_host)
{
    dns_set(0, NULL);
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){.connect_timeout_ms = 200});
    start(0, bench.urls[0], false);
    start(1, bench.urls[1], false);
    run();
    check_not_sent(&bench.got[0], "name not resolved: no answer in time");
    ck_assert_int_ge(bench.got[0].took_ms, 190);
    ck_assert_int_lt(bench.got[0].took_ms, 2000);
    check_answered(&bench.got[1]);
    ck_assert_int_lt(bench.got[1].took_ms, 190);
    teardown();
}
END_TEST

START_TEST(a_name_that_does_not_exist_ends_calls_at_once)
{
    dns_set(0, "");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    check_not_sent(call(0, false), "name not resolved: a.test: no such name");
    ck_assert_int_lt(bench.got[0].took_ms, 1000);
    check_answered(call(1, false));
    teardown();
}
END_TEST

START_TEST(a_name_with_refused_addresses_only_says_so)
{
    dns_set(0, "169.254.169.254");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    check_not_sent(call(0, false),
                   "name not resolved: a.test: its address 169.254.169.254 is refused: link-local");
    teardown();
}
END_TEST

START_TEST(a_host_that_was_not_configured_is_not_called)
{
    dns_set(0, "127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    start(0, "http://localhost:1/", false);
    run();
    check_not_sent(&bench.got[0], "not one of those that are looked up");
    teardown();
}
END_TEST

START_TEST(a_call_that_waits_for_its_name_can_be_cancelled)
{
    dns_set(0, NULL);
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    const struct call_request request = {
        .method = HTTP_GET, .url = bench.urls[0], .deadline_ms = loop_now_ms(bench.loop) + 1000};
    struct call *waiting = http_client_start(bench.client, &request, on_done, &bench.got[1]);
    ck_assert_ptr_nonnull(waiting);
    call_cancel(waiting);
    ck_assert_uint_eq(http_client_open_calls(bench.client), 0);
    check_answered(call(1, false));
    ck_assert(!bench.got[1].done);
    teardown();
}
END_TEST

START_TEST(snapshots_come_and_go_while_calls_are_under_way)
{
    dns_set(0, "127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 1, (struct http_client_options){0});
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < 16; i++)
            start(i, bench.urls[i % HOSTS], i % 4 == 0);
        run();
        for (size_t i = 0; i < 16; i++)
            check_answered(&bench.got[i]);
    }
    teardown();
}
END_TEST

/* ---- addresses that are dead */

START_TEST(a_refused_address_is_passed_over_and_then_comes_last)
{
    dns_set(0, "127.0.0.2 127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    check_answered(call(0, true));
    ck_assert_int_lt(bench.got[0].took_ms, 100);
    ck_assert_uint_eq(downs_of(0), 1);
    ck_assert_uint_eq(downs_of(1), 0);
    /* It is not tried while it is down. */
    check_answered(call(0, true));
    check_answered(call(0, true));
    ck_assert_uint_eq(downs_of(0), 1);
    teardown();
}
END_TEST

START_TEST(an_address_that_swallows_connections_leaves_time_for_the_next)
{
    enum { CONNECT_TIMEOUT_MS = 2000 };

    dns_set(0, "127.0.0.3 127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){.connect_timeout_ms = CONNECT_TIMEOUT_MS});
    plug();
    check_answered(call(0, true));
    ck_assert_int_lt(bench.got[0].took_ms, CONNECT_TIMEOUT_MS);
    ck_assert_int_ge(bench.got[0].took_ms, CONNECT_TIMEOUT_MS / 2 - 50);
    ck_assert_uint_eq(downs_of(0), 1);
    /* Over the connection that is there; meanwhile the client hears of the new order. */
    check_answered(call(0, false));
    check_answered(call(0, true));
    ck_assert_int_lt(bench.got[0].took_ms, CONNECT_TIMEOUT_MS / 4);
    teardown();
}
END_TEST

START_TEST(the_other_address_family_is_tried_soon)
{
    enum { CONNECT_TIMEOUT_MS = 2000 };

    dns_set(0, "::1 127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){.connect_timeout_ms = CONNECT_TIMEOUT_MS});
    if (plug_v6()) {
        check_answered(call(0, true));
        ck_assert_int_ge(bench.got[0].took_ms, 150);
        ck_assert_int_lt(bench.got[0].took_ms, CONNECT_TIMEOUT_MS / 2);
    }
    teardown();
}
END_TEST

START_TEST(when_all_addresses_are_down_all_are_tried)
{
    dns_set(0, "127.0.0.2 127.0.0.4");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    ck_assert_int_eq(call(0, true)->result, CALL_NOT_SENT);
    wait_for_downs(0, 1);
    wait_for_downs(1, 1);
    ck_assert_int_eq(call(0, true)->result, CALL_NOT_SENT);
    teardown();
}
END_TEST

START_TEST(an_address_comes_up_by_an_answer_on_a_new_connection)
{
    struct ip ip;

    dns_set(0, "127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 30000, (struct http_client_options){0});
    check_answered(call(0, false));
    ck_assert(ip_parse(STR("127.0.0.1"), &ip));
    resolver_report(bench.resolver, &ip, ADDRESS_CONNECT_FAILED, clock_mono_ms());
    check_answered(call(0, false));
    ck_assert_uint_eq(downs_of(0), 1);
    check_answered(call(0, true));
    wait_for_downs(0, 0);
    teardown();
}
END_TEST

START_TEST(answers_that_fail_in_a_row_take_an_address_down)
{
    dns_set(0, "127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(hang_up, 30000, (struct http_client_options){0});
    for (unsigned i = 0; i < ADDRESS_FAILURES_MAX; i++) {
        ck_assert_uint_eq(downs_of(0), 0);
        ck_assert_int_eq(call(0, true)->result, CALL_BROKEN);
    }
    wait_for_downs(0, 1);
    teardown();
}
END_TEST

/* ---- the age of connections */

START_TEST(a_busy_connection_to_an_address_that_is_gone_ends_at_the_age_limit)
{
    enum { LIFE_MAX_S = 1 };

    dns_set(0, "127.0.0.1");
    dns_set(1, "127.0.0.1");
    setup(good, 10, (struct http_client_options){.connection_life_max_s = LIFE_MAX_S});
    check_answered(call(0, false));
    dns_set(0, "127.0.0.2");
    const int64_t changed_ms = clock_mono_ms();
    unsigned calls = 0;
    while (call(0, false)->result == CALL_ANSWERED) {
        calls++;
        ck_assert_int_lt(clock_mono_ms() - changed_ms, 10000);
    }
    ck_assert_uint_eq(script_server_connections(bench.server), 1);
    ck_assert_uint_gt(calls, 10);
    ck_assert_int_ge(clock_mono_ms() - changed_ms, LIFE_MAX_S * 1000 - 100);
    ck_assert_int_lt(clock_mono_ms() - changed_ms, LIFE_MAX_S * 1000 + 2500);
    teardown();
}
END_TEST

START_TEST(new_connections_go_to_the_new_address_at_once)
{
    dns_set(0, "127.0.0.2");
    dns_set(1, "127.0.0.1");
    setup(good, 10, (struct http_client_options){0});
    ck_assert_int_eq(call(0, true)->result, CALL_NOT_SENT);
    dns_set(0, "127.0.0.1");
    const int64_t changed_ms = clock_mono_ms();
    while (call(0, true)->result == CALL_NOT_SENT)
        ck_assert_int_lt(clock_mono_ms() - changed_ms, 10000);
    check_answered(&bench.got[0]);
    teardown();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http_client_names");
    tcase_add_test(tests, calls_wait_for_the_first_lookup_and_go_right_after_it);
    tcase_add_test(
        tests, a_lookup_that_hangs_ends_calls_at_the_connect_timeout_and_holds_up_no_other_host);
    tcase_add_test(tests, a_name_that_does_not_exist_ends_calls_at_once);
    tcase_add_test(tests, a_name_with_refused_addresses_only_says_so);
    tcase_add_test(tests, a_host_that_was_not_configured_is_not_called);
    tcase_add_test(tests, a_call_that_waits_for_its_name_can_be_cancelled);
    tcase_add_test(tests, snapshots_come_and_go_while_calls_are_under_way);
    tcase_add_test(tests, a_refused_address_is_passed_over_and_then_comes_last);
    tcase_add_test(tests, an_address_that_swallows_connections_leaves_time_for_the_next);
    tcase_add_test(tests, the_other_address_family_is_tried_soon);
    tcase_add_test(tests, when_all_addresses_are_down_all_are_tried);
    tcase_add_test(tests, an_address_comes_up_by_an_answer_on_a_new_connection);
    tcase_add_test(tests, answers_that_fail_in_a_row_take_an_address_down);
    tcase_add_test(tests, a_busy_connection_to_an_address_that_is_gone_ends_at_the_age_limit);
    tcase_add_test(tests, new_connections_go_to_the_new_address_at_once);
    return unit_run(tests, "http_client_names");
}
