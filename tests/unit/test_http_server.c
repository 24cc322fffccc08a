/* SPDX-License-Identifier: Apache-2.0
 * net/http_server on real sockets: answers now and later, pipelining, headers of every answer,
 * refusals that keep or end the connection, bodies over their limit. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "server_fixture.h"
#include "unit.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(target, length, body)                                                                 \
    "POST " target " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"                    \
    "Content-Length: " length "\r\n\r\n" body

#define TEXT_POST                                                                                  \
    "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"

static struct fixture fixture;
static struct reply reply;

static void setup(void)
{
    ck_assert(crypto_init());
    fixture_init(&fixture);
    fixture_run(&fixture);
}

static void teardown(void)
{
    fixture_stop(&fixture);
    crypto_finish();
}

START_TEST(every_answer_carries_the_same_headers)
{
    client_ask(&fixture, "GET /sync HTTP/1.1\r\nHost: h\r\nX-Request-Id: my-id_1.2\r\n\r\n",
               &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.body, "hello");
    ck_assert(reply_has(&reply, "X-Request-Id: my-id_1.2"));
    ck_assert(reply_has(&reply, "Cache-Control: no-store"));
    ck_assert(reply_has(&reply, "X-Content-Type-Options: nosniff"));
    ck_assert(reply_has(&reply, "Content-Type: text/plain"));
    ck_assert_ptr_null(strstr(reply.head, "Server:"));
    ck_assert_ptr_null(strstr(reply.head, "Connection: close"));

    client_ask(&fixture, "GET /no HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\n\r\n", &reply);
    ck_assert_int_eq(reply.status, 404);
    ck_assert(reply_has(&reply, "Content-Type: application/problem+json"));
    ck_assert(reply_has(&reply, "Cache-Control: no-store"));
    ck_assert_ptr_null(strstr(reply.head, "a b"));
    ck_assert_ptr_nonnull(strstr(reply.body, "\"code\":\"not_found\""));
}
END_TEST

START_TEST(failures_say_how_to_authenticate_and_what_is_allowed)
{
    client_ask(&fixture, GET("/v1/fail"), &reply);
    ck_assert_int_eq(reply.status, 401);
    ck_assert(reply_has(&reply, "WWW-Authenticate: Bearer error=\"invalid_token\""));
    client_ask(&fixture, "PUT /v1/echo HTTP/1.1\r\nHost: h\r\n\r\n", &reply);
    ck_assert_int_eq(reply.status, 405);
    ck_assert(reply_has(&reply, "Allow: POST"));
    client_ask(&fixture, "TRACE /sync HTTP/1.1\r\nHost: h\r\n\r\n", &reply);
    ck_assert_int_eq(reply.status, 405);
    ck_assert(reply_has(&reply, "Allow: GET, HEAD"));
}
END_TEST

START_TEST(head_is_get_without_its_body)
{
    const int fd = client_connect(&fixture);
    client_send(fd, "HEAD /sync HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(fd, true, &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(reply_has(&reply, "Content-Length: 5"));
    client_send(fd, GET("/sync"));
    client_read(fd, false, &reply);
    ck_assert_str_eq(reply.body, "hello");
    close(fd);
}
END_TEST

START_TEST(bodies_arrive_whole_however_they_are_framed)
{
    client_ask(&fixture, POST("/v1/echo", "7", "{\"a\":1}"), &reply);
    ck_assert_str_eq(reply.body, "{\"a\":1}");

    const int fd = client_connect(&fixture);
    client_send(fd, "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    client_read(fd, true, &reply);
    ck_assert_int_eq(reply.status, 100);
    client_send(fd, "3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\nTrailer: 1\r\n\r\n");
    client_read(fd, false, &reply);
    ck_assert_str_eq(reply.body, "{\"a\":1}");
    close(fd);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    const int fd = client_connect(&fixture);
    client_send(fd, GET("/v1/later/30") POST("/v1/echo", "2", "{}") GET("/v1/later/1") GET("/sync")
                        GET("/no"));
    static const char *const BODIES[] = {"later", "{}", "later", "hello"};
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        client_read(fd, false, &reply);
        ck_assert_int_eq(reply.status, 200);
        ck_assert_str_eq(reply.body, BODIES[i]);
    }
    client_read(fd, false, &reply);
    ck_assert_int_eq(reply.status, 404);
    close(fd);
}
END_TEST

START_TEST(a_thousand_pipelined_requests_get_a_thousand_answers)
{
    const int fd = client_connect(&fixture);
    for (unsigned sent = 0, read = 0; read < 1000;) {
        for (; sent < 1000 && sent < read + 100; sent++)
            client_send(fd, sent % 10 == 0 ? GET("/v1/later/0") : GET("/sync"));
        client_read(fd, false, &reply);
        ck_assert_str_eq(reply.body, read % 10 == 0 ? "later" : "hello");
        read++;
    }
    close(fd);
}
END_TEST

START_TEST(a_refused_request_that_is_soon_complete_keeps_the_connection)
{
    static const char *const REFUSED[] = {
        GET("/no"),
        "TRACE /sync HTTP/1.1\r\nHost: h\r\n\r\n",
        GET("/v1/later/1?q"),
        POST("/no", "9", "{\"a\":123}"),
        POST("/sync", "2", "{}"),
        POST("/v1/echo?q=1", "2", "{}"),
        TEXT_POST,
        "GET /sync HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
    };
    const int fd = client_connect(&fixture);
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        client_send(fd, REFUSED[i]);
        client_read(fd, false, &reply);
        ck_assert_int_ge(reply.status, 400);
        ck_assert_ptr_null(strstr(reply.head, "Connection: close"));
    }
    client_send(fd, GET("/sync"));
    client_read(fd, false, &reply);
    ck_assert_str_eq(reply.body, "hello");
    close(fd);
}
END_TEST

START_TEST(doubtful_requests_end_the_connection_and_nothing_behind_them_is_served)
{
    static const char *const REFUSED[] = {
        "GET /../sync HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /sync HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET /sync HTTP/1.1\r\n\r\n",
        "GET /sync HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        const int fd = client_connect(&fixture);
        client_send(fd, REFUSED[i]);
        client_send(fd, GET("/sync"));
        client_read(fd, false, &reply);
        ck_assert_int_ge(reply.status, 400);
        ck_assert(reply_has(&reply, "Connection: close"));
        ck_assert(client_sees_end(fd));
        close(fd);
    }
}
END_TEST

static void send_filler(int fd, size_t bytes)
{
    static char filler[65536];
    memset(filler, ' ', sizeof(filler));
    while (bytes > 0) {
        const size_t part = bytes < sizeof(filler) ? bytes : sizeof(filler);
        if (send(fd, filler, part, MSG_NOSIGNAL) < 0)
            return; /* cut off: the answer is read by the caller */
        bytes -= part;
    }
}

START_TEST(a_body_over_the_limit_is_refused_and_the_answer_survives_its_bytes)
{
    int fd = client_connect(&fixture);
    client_send(fd, "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
    client_read(fd, false, &reply); /* not "100 Continue" */
    ck_assert_int_eq(reply.status, 413);
    close(fd);

    static const char *const HEADS[] = {"Content-Length: 200000\r\n\r\n",
                                        "Transfer-Encoding: chunked\r\n\r\n30d40\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(HEADS); i++) {
        fd = client_connect(&fixture);
        client_send(fd, "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n");
        client_send(fd, HEADS[i]);
        send_filler(fd, 200000);
        client_read(fd, false, &reply);
        ck_assert_int_eq(reply.status, 413);
        ck_assert_ptr_nonnull(strstr(reply.body, "payload_too_large"));
        ck_assert(reply_has(&reply, "Connection: close"));
        ck_assert(client_sees_end(fd));
        close(fd);
    }
}
END_TEST

START_TEST(long_targets_and_headers_have_their_own_answers)
{
    char text[12000];
    int n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n", 600, 0);
    ck_assert_int_gt(n, 600);
    client_ask(&fixture, text, &reply);
    ck_assert_int_eq(reply.status, 414);
    ck_assert_ptr_nonnull(strstr(reply.body, "uri_too_long"));
    n = snprintf(text, sizeof(text), "GET /sync HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", 9000, 0);
    ck_assert_int_gt(n, 9000);
    client_ask(&fixture, text, &reply);
    ck_assert_int_eq(reply.status, 431);
    ck_assert_ptr_nonnull(strstr(reply.body, "headers_too_large"));
    n = snprintf(text, sizeof(text), "GET /sync HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", 8000, 0);
    ck_assert_int_gt(n, 8000);
    client_ask(&fixture, text, &reply);
    ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(the_client_address_is_the_peers_unless_a_trusted_proxy_forwards)
{
    static const char TEXT[] = "GET /ip HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: "
                               "6.6.6.6\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";
    client_ask(&fixture, TEXT, &reply);
    ck_assert_str_eq(reply.body, "127.0.0.1");
    /* Of a server that runs: written before the next connection is accepted, read after it. */
    struct err_text err = {0};
    ck_assert(cidr_list_parse(STR("127.0.0.0/8"), &fixture.trusted, &err) == ERR_OK);
    client_ask(&fixture, TEXT, &reply);
    ck_assert_str_eq(reply.body, "192.0.2.7");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("server");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, every_answer_carries_the_same_headers);
    tcase_add_test(tc, failures_say_how_to_authenticate_and_what_is_allowed);
    tcase_add_test(tc, head_is_get_without_its_body);
    tcase_add_test(tc, bodies_arrive_whole_however_they_are_framed);
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_test(tc, a_thousand_pipelined_requests_get_a_thousand_answers);
    tcase_add_test(tc, a_refused_request_that_is_soon_complete_keeps_the_connection);
    tcase_add_test(tc, doubtful_requests_end_the_connection_and_nothing_behind_them_is_served);
    tcase_add_test(tc, a_body_over_the_limit_is_refused_and_the_answer_survives_its_bytes);
    tcase_add_test(tc, long_targets_and_headers_have_their_own_answers);
    tcase_add_test(tc, the_client_address_is_the_peers_unless_a_trusted_proxy_forwards);
    return unit_run(tc, "http_server");
}
