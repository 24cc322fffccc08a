/* SPDX-License-Identifier: Apache-2.0
 * net/http_client against a scripted server: what is sent, what comes back, what is refused, dead
 * connections, calls that must not run twice, deadlines, cancelling, the queue. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "script_server.h"

enum { GUARD_MS = 30000, DEADLINE_MS = 15000, CALLS_MAX = 400, TEXT_BYTES = 4096 };

/* ---- one loop, one client, one server; answers are copied as they come */

struct got {
    bool done;
    enum call_result result;
    bool sent;
    int status;
    char body[TEXT_BYTES];
    size_t body_len;
    char type[64];
    bool charset_ok;
    int retry_after_s;
    char reason[300];
    struct call *call;
};

struct bench {
    struct loop *loop;
    struct http_client *client;
    struct script_server *server;
    struct timer guard;
    bool guard_fired;
    unsigned open;
    struct got got[CALLS_MAX];
};

static struct bench bench;

static void on_guard(struct timer *t)
{
    (void)t;
    bench.guard_fired = true;
    loop_stop(bench.loop);
}

static void setup_with(script_fn *script, const void *arg, struct http_client_options options)
{
    struct err_text text = {0};

    memset(&bench, 0, sizeof(bench));
    bench.loop = loop_create();
    ck_assert_ptr_nonnull(bench.loop);
    ck_assert_int_eq(http_client_create(bench.loop, &options, &bench.client, &text), ERR_OK);
    bench.server = script_server_start(script, (void *)arg);
}

static void setup(script_fn *script, const void *arg, unsigned connections_max)
{
    setup_with(script, arg,
               (struct http_client_options){.allow_http = true,
                                            .connect_timeout_ms = 3000,
                                            .connections_max = connections_max});
}

static void teardown(void)
{
    http_client_destroy(bench.client);
    script_server_stop(bench.server);
    loop_destroy(bench.loop);
}

static void on_done(void *arg, const struct call_answer *a)
{
    struct got *g = arg;

    ck_assert(!g->done);
    g->done = true;
    g->result = a->result;
    g->sent = a->may_have_been_sent;
    g->status = a->status;
    g->body_len = a->body.len;
    (void)snprintf(g->body, sizeof(g->body), "%.*s", (int)a->body.len,
                   a->body.ptr ? a->body.ptr : "");
    (void)snprintf(g->type, sizeof(g->type), "%.*s", (int)a->content_type.len,
                   a->content_type.ptr ? a->content_type.ptr : "-");
    g->charset_ok = a->charset_ok;
    g->retry_after_s = a->retry_after_s;
    (void)snprintf(g->reason, sizeof(g->reason), "%s", a->reason ? a->reason : "");
    if (--bench.open == 0)
        loop_stop(bench.loop);
}

static void start(size_t i, struct call_request request, const char *path)
{
    static char urls[CALLS_MAX][128]; /* borrowed until the calls ended */
    AUTO_FREE char *url = script_server_url(bench.server, path);
    (void)snprintf(urls[i], sizeof(urls[i]), "%s", url);
    request.url = request.url ? request.url : urls[i];
    if (request.deadline_ms == 0)
        request.deadline_ms = loop_update_now(bench.loop) + DEADLINE_MS;
    bench.got[i] = (struct got){0};
    bench.open++;
    bench.got[i].call = http_client_start(bench.client, &request, on_done, &bench.got[i]);
    ck_assert_ptr_nonnull(bench.got[i].call);
    ck_assert(!bench.got[i].done); /* never from inside */
}

static void run(void)
{
    timer_start(bench.loop, &bench.guard, loop_update_now(bench.loop) + GUARD_MS, on_guard, NULL);
    loop_run(bench.loop);
    timer_stop(bench.loop, &bench.guard);
    ck_assert(!bench.guard_fired);
}

static const struct got *call(struct call_request request)
{
    start(0, request, "/p");
    run();
    return &bench.got[0];
}

static const struct call_request GET = {.method = HTTP_GET};
#define POST_TEXT "{\"n\":1}"
static const struct call_request POST = {.method = HTTP_POST,
                                         .content_type = "application/json",
                                         .body = {POST_TEXT, sizeof(POST_TEXT) - 1}};
static const struct call_request POST_ONCE = {.method = HTTP_POST,
                                              .content_type = "application/json",
                                              .body = {POST_TEXT, sizeof(POST_TEXT) - 1},
                                              .run_once = true};

/* ---- scripts */

/* Answers with the request as text. */
static enum script_end echo(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    buf_printf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
               r->text.len);
    buf_append(answer, r->text);
    return SCRIPT_KEEP;
}

/* Sends arg as it is. */
static enum script_end raw(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)r;
    buf_append_z(answer, arg);
    return SCRIPT_CLOSE;
}

/* The first request of a connection is answered, the next makes it end without an answer. */
static enum script_end die_on_reuse(void *arg, const struct script_request *r, struct buf *answer)
{
    if (r->on_connection > 0)
        return *(const bool *)arg ? SCRIPT_RESET : SCRIPT_CLOSE;
    script_answer(answer, 200, "application/json", "", "{}");
    return SCRIPT_KEEP;
}

static enum script_end no_answer(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    (void)answer;
    return SCRIPT_KEEP;
}

/* ---- what goes out and comes back */

START_TEST(request_is_sent_as_asked)
{
    setup(echo, NULL, 4);
    struct call_request request = POST;
    request.authorization = STR("Bearer abc");
    request.traceparent = "00-11111111111111111111111111111111-2222222222222222-01";
    const struct got *g = call(request);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_int_eq(g->status, 200);
    ck_assert(g->sent);
    ck_assert_str_eq(g->type, "text/plain");
    ck_assert_int_eq(g->retry_after_s, -1);
    ck_assert_ptr_nonnull(strstr(g->body, "POST /p HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nAuthorization: Bearer abc\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nAccept: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\ntraceparent: 00-1111"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nContent-Length: 7\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\n\r\n" POST_TEXT));
    ck_assert_ptr_null(strstr(g->body, "Expect"));
    ck_assert_ptr_null(strstr(g->body, "Accept-Encoding"));
    teardown();
}
END_TEST

START_TEST(run_once_request_looks_the_same)
{
    setup(echo, NULL, 4);
    const struct got *g = call(POST_ONCE);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nContent-Length: 7\r\n"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\n\r\n" POST_TEXT));
    ck_assert_ptr_null(strstr(g->body, "Expect"));
    ck_assert_ptr_null(strstr(g->body, "Transfer-Encoding"));
    teardown();
}
END_TEST

START_TEST(nothing_of_one_call_is_in_the_next)
{
    setup(echo, NULL, 1);
    struct call_request first = POST_ONCE;
    first.authorization = STR("Bearer first");
    ck_assert_ptr_nonnull(strstr(call(first)->body, "Bearer first"));
    const struct got *g = call(GET);
    ck_assert_int_eq(strncmp(g->body, "GET /p HTTP/1.1\r\n", 17), 0);
    ck_assert_ptr_null(strstr(g->body, "Authorization"));
    ck_assert_ptr_null(strstr(g->body, "Content-"));
    ck_assert_uint_eq(script_server_connections(bench.server), 1);
    teardown();
}
END_TEST

START_TEST(methods_and_empty_bodies)
{
    setup(echo, NULL, 4);
    struct call_request request = {.method = HTTP_POST};
    const struct got *g = call(request);
    ck_assert_ptr_nonnull(strstr(g->body, "POST /p"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\nContent-Length: 0\r\n"));
    ck_assert_ptr_null(strstr(g->body, "Content-Type"));
    request.method = HTTP_DELETE;
    g = call(request);
    ck_assert_ptr_nonnull(strstr(g->body, "DELETE /p HTTP/1.1"));
    request.body = STR("{}");
    request.content_type = "application/json";
    g = call(request);
    ck_assert_ptr_nonnull(strstr(g->body, "DELETE /p HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(g->body, "\r\n\r\n{}"));
    teardown();
}
END_TEST

/* Handles are used again: what one call had set must not show in another. */
START_TEST(any_method_follows_any_other)
{
    setup(echo, NULL, 1);
    const struct call_request large = {
        .method = HTTP_POST, .content_type = "application/json", .body = STR("{\"long\":\"er\"}")};
    const struct call_request cases[] = {
        GET,
        POST,
        {.method = HTTP_DELETE},
        large,
        {.method = HTTP_POST},
        POST_ONCE,
        {.method = HTTP_DELETE, .content_type = "application/json", .body = STR("{}")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(cases); i++) {
        /* Each behind each of the others. */
        const size_t pair[] = {i % ARRAY_LEN(cases), i / ARRAY_LEN(cases)};
        for (size_t n = 0; n < 2; n++) {
            const struct call_request *request = &cases[pair[n]];
            const struct got *g = call(*request);
            const char *method = http_method_name(request->method);
            const char *end = strstr(g->body, "\r\n\r\n");
            ck_assert_int_eq(strncmp(g->body, method, strlen(method)), 0);
            ck_assert_ptr_nonnull(end);
            ck_assert_str_is(request->body.ptr ? request->body : STR(""), end + 4);
        }
    }
    ck_assert_uint_eq(script_server_connections(bench.server), 1);
    teardown();
}
END_TEST

START_TEST(path_is_sent_as_it_is)
{
    setup(echo, NULL, 4);
    start(0, GET, "/a/../b/%2e%2e/c?x=%00");
    run();
    ck_assert_ptr_nonnull(strstr(bench.got[0].body, "GET /a/../b/%2e%2e/c?x=%00 HTTP/1.1"));
    teardown();
}
END_TEST

START_TEST(large_body_arrives_whole)
{
    setup(echo, NULL, 4);
    static char body[200000];
    memset(body, 'x', sizeof(body));
    struct call_request request = POST_ONCE;
    request.body = (struct str){body, sizeof(body)};
    const struct got *g = call(request);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_uint_gt(g->body_len, sizeof(body));
    teardown();
}
END_TEST

#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"                         \
    "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n"

START_TEST(chunked_answer_is_joined)
{
    setup(raw, CHUNKED, 4);
    const struct got *g = call(GET);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_str_eq(g->body, "{\"a\":1}");
    ck_assert_str_eq(g->type, "application/json");
    ck_assert(g->charset_ok);
    teardown();
}
END_TEST

/* ---- answers that end in CALL_BAD_ANSWER or CALL_BROKEN */

static const struct {
    const char *answer;
    enum call_result result;
    int status;
} FLAWED[] = {
    {"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
     CALL_BAD_ANSWER, 302},
    {"HTTP/1.1 308 P\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", CALL_BAD_ANSWER,
     308},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", CALL_BAD_ANSWER,
     200},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CALL_BAD_ANSWER, 200},
    {"{\"http\":0.9}", CALL_BAD_ANSWER, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", CALL_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":", CALL_BROKEN, 200},
    {"", CALL_BROKEN, 0},
    {"HTTP/1.1 20", CALL_BROKEN, 0},
    {"HTTP/1.1 200 OK\r\n", CALL_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le", CALL_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", CALL_BROKEN, 200},
    {"HTTP/1.1 100 Continue\r\n\r\n", CALL_BROKEN, 100},
    {"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n", CALL_BROKEN, 200},
};

START_TEST(flawed_answer_is_not_passed_on)
{
    setup(raw, FLAWED[_i].answer, 4);
    const struct got *g = call(GET);
    ck_assert_msg(g->result == FLAWED[_i].result, "got %d (%s)", (int)g->result, g->reason);
    ck_assert_int_eq(g->status, FLAWED[_i].status);
    ck_assert_uint_eq(g->body_len, 0);
    ck_assert_str_ne(g->reason, "");
    ck_assert(g->sent);
    teardown();
}
END_TEST

static enum script_end send_many(void *arg, const struct script_request *r, struct buf *answer)
{
    const size_t bytes = *(const size_t *)arg;
    (void)r;
    buf_append_z(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (size_t i = 0; i < bytes; i++)
        buf_append_byte(answer, 'x');
    return SCRIPT_CLOSE;
}

START_TEST(body_ceiling_holds)
{
    size_t bytes = 1000;
    setup(send_many, &bytes, 4);
    struct call_request request = GET;
    request.answer_max_bytes = 1000;
    ck_assert_int_eq(call(request)->result, CALL_ANSWERED);
    request.answer_max_bytes = 999;
    ck_assert_int_eq(call(request)->result, CALL_BAD_ANSWER);
    ck_assert_str_eq(bench.got[0].reason, "answer too large");
    bytes = 1024 * 1024;
    ck_assert_int_eq(call(GET)->result, CALL_BAD_ANSWER);
    teardown();
}
END_TEST

static enum script_end many_fields(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    buf_append_z(answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 120; i++)
        buf_printf(answer, "X-%d: y\r\n", i);
    buf_append_z(answer, "Content-Length: 0\r\n\r\n");
    return SCRIPT_KEEP;
}

static enum script_end long_fields(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    buf_append_z(answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 50; i++)
        buf_printf(answer, "X-%d: %01000d\r\n", i, i);
    buf_append_z(answer, "Content-Length: 0\r\n\r\n");
    return SCRIPT_KEEP;
}

START_TEST(header_ceilings_hold)
{
    setup(many_fields, NULL, 4);
    ck_assert_int_eq(call(GET)->result, CALL_BAD_ANSWER);
    teardown();
    setup(long_fields, NULL, 4);
    ck_assert_int_eq(call(GET)->result, CALL_BAD_ANSWER);
    teardown();
}
END_TEST

START_TEST(error_status_is_an_answer)
{
    setup(raw,
          "HTTP/1.1 429 T\r\nRetry-After: 5\r\nContent-Type: application/json\r\n"
          "Content-Length: 2\r\n\r\n{}",
          4);
    const struct got *g = call(POST_ONCE);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_int_eq(g->status, 429);
    ck_assert_int_eq(g->retry_after_s, 5);
    ck_assert_str_eq(g->body, "{}");
    teardown();
}
END_TEST

/* ---- connections that die */

START_TEST(refused_port_is_not_sent)
{
    setup(echo, NULL, 4);
    struct script_server *gone = script_server_start(echo, NULL);
    AUTO_FREE char *url = script_server_url(gone, "/");
    script_server_stop(gone);
    struct call_request request = POST_ONCE;
    request.url = url;
    const struct got *g = call(request);
    ck_assert_int_eq(g->result, CALL_NOT_SENT);
    ck_assert(!g->sent);
    ck_assert_str_ne(g->reason, "");
    teardown();
}
END_TEST

START_TEST(other_protocols_are_not_spoken)
{
    setup(echo, NULL, 4);
    static const char *const URLS[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/",
                                       "no url at all"};
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        struct call_request request = GET;
        request.url = URLS[i];
        ck_assert_int_eq(call(request)->result, CALL_NOT_SENT);
    }
    teardown();
}
END_TEST

START_TEST(plain_http_needs_permission)
{
    setup(echo, NULL, 4);
    http_client_destroy(bench.client);
    const struct http_client_options options = {.connect_timeout_ms = 1000, .connections_max = 1};
    struct err_text text = {0};
    ck_assert_int_eq(http_client_create(bench.loop, &options, &bench.client, &text), ERR_OK);
    ck_assert_int_eq(call(GET)->result, CALL_NOT_SENT);
    ck_assert_uint_eq(script_server_connections(bench.server), 0);
    teardown();
}
END_TEST

/* _i: 0 FIN, 1 RST */
START_TEST(idempotent_call_survives_a_dead_connection)
{
    bool reset = _i == 1;
    setup(die_on_reuse, &reset, 1);
    ck_assert_int_eq(call(POST)->result, CALL_ANSWERED);
    ck_assert_int_eq(call(POST)->result, CALL_ANSWERED);
    ck_assert_uint_eq(script_server_requests(bench.server), 3);
    teardown();
}
END_TEST

START_TEST(run_once_call_reaches_the_server_once)
{
    bool reset = _i == 1;
    setup(die_on_reuse, &reset, 1);
    ck_assert_int_eq(call(POST_ONCE)->result, CALL_ANSWERED);
    const struct got *g = call(POST_ONCE);
    ck_assert_int_eq(g->result, CALL_BROKEN);
    ck_assert(g->sent);
    ck_assert_uint_eq(script_server_requests(bench.server), 2);
    teardown();
}
END_TEST

START_TEST(run_once_call_without_body_reaches_the_server_once)
{
    bool reset = _i == 1;
    setup(die_on_reuse, &reset, 1);
    struct call_request request = POST_ONCE;
    request.body = (struct str){0};
    ck_assert_int_eq(call(request)->result, CALL_ANSWERED);
    const struct got *g = call(request);
    ck_assert_int_eq(g->result, CALL_BROKEN);
    ck_assert(g->sent);
    ck_assert_uint_eq(script_server_requests(bench.server), 2);
    teardown();
}
END_TEST

START_TEST(connection_closed_while_idle_costs_nothing)
{
    setup(echo, NULL, 1);
    ck_assert_int_eq(call(POST_ONCE)->result, CALL_ANSWERED);
    script_server_close_idle(bench.server);
    ck_assert_int_eq(call(POST_ONCE)->result, CALL_ANSWERED);
    ck_assert_uint_eq(script_server_requests(bench.server), 2);
    ck_assert_uint_eq(script_server_connections(bench.server), 2);
    teardown();
}
END_TEST

START_TEST(bytes_on_an_idle_connection_answer_nobody)
{
    setup(echo, NULL, 1);
    const struct call_request once = _i == 1 ? POST_ONCE : POST;
    ck_assert_int_eq(call(once)->result, CALL_ANSWERED);
    script_server_blurt(bench.server, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    const struct got *g = call(once);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_ptr_null(strstr(g->body, "forged"));
    ck_assert_ptr_nonnull(strstr(g->body, POST_TEXT));
    ck_assert_uint_eq(script_server_connections(bench.server), 2);
    teardown();
}
END_TEST

/* ---- time */

/* Where HTTP/2 was asked for and HTTP/1.1 is what the server speaks. */
START_TEST(bytes_on_an_idle_connection_answer_nobody_without_http2_either)
{
    setup_with(
        echo, NULL,
        (struct http_client_options){
            .allow_http = true, .http2 = true, .connect_timeout_ms = 3000, .connections_max = 1});
    ck_assert_int_eq(call(POST_ONCE)->result, CALL_ANSWERED);
    script_server_blurt(bench.server, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    const struct got *g = call(POST_ONCE);
    ck_assert_int_eq(g->result, CALL_ANSWERED);
    ck_assert_ptr_null(strstr(g->body, "forged"));
    ck_assert_uint_eq(script_server_connections(bench.server), 2);
    teardown();
}
END_TEST

START_TEST(deadline_ends_a_call)
{
    setup(no_answer, NULL, 4);
    struct call_request request = POST_ONCE;
    const int64_t before_ms = clock_mono_ms();
    request.deadline_ms = before_ms + 150;
    const struct got *g = call(request);
    ck_assert_int_eq(g->result, CALL_TIMED_OUT);
    ck_assert(g->sent);
    ck_assert_int_ge(clock_mono_ms() - before_ms, 149);
    ck_assert_uint_eq(http_client_open_calls(bench.client), 0);
    teardown();
}
END_TEST

START_TEST(deadline_in_the_queue_sends_nothing)
{
    setup(no_answer, NULL, 1);
    struct call_request request = POST_ONCE;
    start(0, request, "/first");
    request.deadline_ms = loop_now_ms(bench.loop) + 50;
    start(1, request, "/second");
    bench.open--; /* the first never ends */
    ck_assert_uint_eq(http_client_open_calls(bench.client), 2);
    run();
    ck_assert_int_eq(bench.got[1].result, CALL_TIMED_OUT);
    ck_assert(!bench.got[1].sent);
    ck_assert(!bench.got[0].done);
    ck_assert(call_may_have_been_sent(bench.got[0].call));
    teardown();
    ck_assert(!bench.got[0].done); /* destroyed without a callback */
}
END_TEST

/* ---- cancelling and the queue */

static void cancel_first(struct deferred *d)
{
    call_cancel(d->arg);
}

START_TEST(cancelled_call_makes_room_and_is_silent)
{
    setup(die_on_reuse, &(bool){false}, 1);
    start(0, POST, "/first");
    start(1, POST, "/second");
    start(2, POST, "/third");
    bench.open -= 1;
    /* Behind libcurl's own: the request has left, and no answer has been read. */
    struct deferred soon = {0};
    loop_defer(bench.loop, &soon, cancel_first, bench.got[0].call);
    call_cancel(NULL);
    run();
    ck_assert(!bench.got[0].done);
    ck_assert_int_eq(bench.got[1].result, CALL_ANSWERED);
    ck_assert_int_eq(bench.got[2].result, CALL_ANSWERED);
    teardown();
}
END_TEST

START_TEST(calls_share_the_connections_allowed)
{
    setup(echo, NULL, 3);
    for (size_t i = 0; i < CALLS_MAX; i++)
        start(i, i % 2 ? POST_ONCE : POST, "/many");
    run();
    for (size_t i = 0; i < CALLS_MAX; i++)
        ck_assert_int_eq(bench.got[i].result, CALL_ANSWERED);
    ck_assert_uint_eq(script_server_requests(bench.server), CALLS_MAX);
    ck_assert_uint_le(script_server_connections(bench.server), 3);
    teardown();
}
END_TEST

static unsigned refused_count;

static void count_refused(void *arg, const struct call_answer *a)
{
    (void)arg;
    ck_assert_int_eq(a->result, CALL_NOT_SENT);
    ck_assert(!a->may_have_been_sent);
    if (++refused_count == 10)
        loop_stop(bench.loop);
}

START_TEST(queue_is_bounded)
{
    enum { WAITING_MAX = 5000 };
    setup_with(no_answer, NULL,
               (struct http_client_options){.allow_http = true,
                                            .connect_timeout_ms = 3000,
                                            .connections_max = 1,
                                            .waiting_max = WAITING_MAX});
    AUTO_FREE char *url = script_server_url(bench.server, "/");
    struct call_request request = GET;
    request.url = url;
    request.deadline_ms = loop_now_ms(bench.loop) + DEADLINE_MS;
    refused_count = 0;
    for (unsigned i = 0; i < WAITING_MAX + 11; i++)
        ck_assert_ptr_nonnull(http_client_start(bench.client, &request, count_refused, NULL));
    ck_assert_uint_eq(refused_count, 0);
    run();
    ck_assert_uint_eq(http_client_open_calls(bench.client), WAITING_MAX + 1);
    teardown();
}
END_TEST

START_TEST(library_version_is_told)
{
    const char *version = http_client_library_version();
    int major = 0, minor = 0, patch = 0;

    ck_assert_int_eq(sscanf(version, "%d.%d.%d", &major, &minor, &patch), 3);
}
END_TEST

static void add_exchange_tests(TCase *tests)
{
    tcase_add_test(tests, request_is_sent_as_asked);
    tcase_add_test(tests, run_once_request_looks_the_same);
    tcase_add_test(tests, nothing_of_one_call_is_in_the_next);
    tcase_add_test(tests, methods_and_empty_bodies);
    tcase_add_test(tests, any_method_follows_any_other);
    tcase_add_test(tests, path_is_sent_as_it_is);
    tcase_add_test(tests, large_body_arrives_whole);
    tcase_add_test(tests, chunked_answer_is_joined);
    tcase_add_loop_test(tests, flawed_answer_is_not_passed_on, 0, (int)ARRAY_LEN(FLAWED));
    tcase_add_test(tests, body_ceiling_holds);
    tcase_add_test(tests, header_ceilings_hold);
    tcase_add_test(tests, error_status_is_an_answer);
}

int main(void)
{
    TCase *tests = tcase_create("http_client");
    (void)signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(tests, 60);
    add_exchange_tests(tests);
    tcase_add_test(tests, refused_port_is_not_sent);
    tcase_add_test(tests, other_protocols_are_not_spoken);
    tcase_add_test(tests, plain_http_needs_permission);
    tcase_add_loop_test(tests, idempotent_call_survives_a_dead_connection, 0, 2);
    tcase_add_loop_test(tests, run_once_call_reaches_the_server_once, 0, 2);
    tcase_add_loop_test(tests, run_once_call_without_body_reaches_the_server_once, 0, 2);
    tcase_add_test(tests, connection_closed_while_idle_costs_nothing);
    tcase_add_loop_test(tests, bytes_on_an_idle_connection_answer_nobody, 0, 2);
    tcase_add_test(tests, bytes_on_an_idle_connection_answer_nobody_without_http2_either);
    tcase_add_test(tests, deadline_ends_a_call);
    tcase_add_test(tests, deadline_in_the_queue_sends_nothing);
    tcase_add_test(tests, cancelled_call_makes_room_and_is_silent);
    tcase_add_test(tests, calls_share_the_connections_allowed);
    tcase_add_test(tests, queue_is_bounded);
    tcase_add_test(tests, library_version_is_told);
    return unit_run(tests, "http_client");
}
