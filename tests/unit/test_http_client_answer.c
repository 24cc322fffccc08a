/* SPDX-License-Identifier: Apache-2.0
 * net/http_client_answer: media types and charsets, Retry-After in both forms, refused codings, the
 * ceilings on header sections, interim answers. */
#include "unit.h"

#include <stdio.h>

#include "net/http_client_answer.h"

enum { WALL_S = 1700000000 }; /* Tue, 14 Nov 2023 22:13:20 GMT */

static struct answer_head head_of(const char *const *lines, size_t count)
{
    struct answer_head h;
    answer_head_init(&h);
    for (size_t i = 0; i < count; i++) {
        if (!answer_head_line(&h, str_of(lines[i]), WALL_S))
            break;
    }
    return h;
}

#define HEAD(...)                                                                                  \
    head_of((const char *const[]){"HTTP/1.1 200 OK\r\n", __VA_ARGS__},                             \
            sizeof((const char *const[]){"", __VA_ARGS__}) / sizeof(char *))

START_TEST(media_type_is_lower_cased_and_bare)
{
    static const struct {
        const char *line, *type;
        bool charset_ok;
    } CASES[] = {
        {"Content-Type: application/json\r\n", "application/json", true},
        {"content-type:APPLICATION/Json ; charset=UTF-8\r\n", "application/json", true},
        {"Content-Type: application/json; charset=\"utf-8\"\r\n", "application/json", true},
        {"Content-Type: text/html; charset=utf-16\r\n", "text/html", false},
        {"Content-Type: a/b; q=\"x;charset=utf-16\"\r\n", "a/b", true},
        {"Content-Type: a/b; x=y; charset=latin1\r\n", "a/b", false},
        {"Content-Type:\r\n", "", true},
        {"Other: x\r\n", "", true},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct answer_head h = HEAD(CASES[i].line);
        ck_assert_str_eq(h.media_type, CASES[i].type);
        ck_assert_int_eq(h.charset_ok, CASES[i].charset_ok);
        ck_assert_ptr_null(h.refused);
    }
}
END_TEST

START_TEST(two_media_types_are_none)
{
    const struct answer_head h =
        HEAD("Content-Type: application/json\r\n", "Content-Type: application/json\r\n");
    ck_assert_str_eq(h.media_type, "");
}
END_TEST

START_TEST(retry_after_is_clamped)
{
    static const struct {
        const char *line;
        int seconds;
    } CASES[] = {
        {"Retry-After: 7\r\n", 7},
        {"Retry-After: 0\r\n", 0},
        {"Retry-After: 61\r\n", 60},
        {"Retry-After: 99999999999999999999999\r\n", 60},
        {"Retry-After: -1\r\n", -1},
        {"Retry-After: 1.5\r\n", -1},
        {"Retry-After: soon\r\n", -1},
        {"Retry-After:\r\n", -1},
        {"Retry-After: Tue, 14 Nov 2023 22:13:30 GMT\r\n", 10},
        {"Retry-After: Tue, 14 Nov 2023 22:13:00 GMT\r\n", 0},
        {"Retry-After: Tue, 14 Nov 2033 22:13:00 GMT\r\n", 60},
        {"Retry-After: Tue, 14 Nov 2033 22:13:00 GMT and more\r\n", -1},
        {"Other: 7\r\n", -1},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct answer_head h = HEAD(CASES[i].line);
        ck_assert_msg(h.retry_after_s == CASES[i].seconds, "%s: %d", CASES[i].line,
                      h.retry_after_s);
    }
}
END_TEST

START_TEST(the_date_is_read_or_absent)
{
    static const struct {
        const char *line;
        int64_t date_s;
    } CASES[] = {
        {"Date: Thu, 01 Jan 1970 00:00:10 GMT", 10},
        {"date: Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Date: yesterday", 0},
        {"Date: Sunday, 06-Nov-94 08:49:37 GMT", 0},
        {"Date:", 0},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct answer_head h;
        answer_head_init(&h);
        ck_assert(answer_head_line(&h, str_of(CASES[i].line), 0));
        ck_assert_msg(http_date_parse(str_of(h.date)) == CASES[i].date_s, "%s", CASES[i].line);
    }
}
END_TEST

START_TEST(codings_that_were_not_asked_for_are_refused)
{
    ck_assert_ptr_nonnull(HEAD("Content-Encoding: gzip\r\n").refused);
    ck_assert_ptr_nonnull(HEAD("content-encoding:br\r\n").refused);
    ck_assert_ptr_nonnull(HEAD("Transfer-Encoding: gzip, chunked\r\n").refused);
    ck_assert_ptr_null(HEAD("Content-Encoding: identity\r\n").refused);
    ck_assert_ptr_null(HEAD("Transfer-Encoding: Chunked\r\n").refused);
}
END_TEST

START_TEST(fields_are_limited_over_all_sections)
{
    struct answer_head h;
    answer_head_init(&h);
    unsigned accepted = 0;
    while (accepted < 1000 && answer_head_line(&h, STR("HTTP/1.1 103 Early\r\n"), WALL_S)) {
        accepted++;
        ck_assert(answer_head_line(&h, STR("\r\n"), WALL_S));
    }
    ck_assert_uint_eq(accepted, HEADER_FIELDS_MAX);
}
END_TEST

START_TEST(bytes_are_limited)
{
    static char line[HEADER_BYTES_MAX + 1];
    struct answer_head h;
    memset(line, 'a', sizeof(line));
    answer_head_init(&h);
    ck_assert(answer_head_line(&h, (struct str){line, HEADER_BYTES_MAX}, WALL_S));
    ck_assert(!answer_head_line(&h, STR("x"), WALL_S));
    ck_assert_ptr_nonnull(h.refused);
}
END_TEST

START_TEST(interim_answer_leaves_no_fields)
{
    const struct answer_head h = HEAD("Content-Type: text/html; charset=x\r\n",
                                      "Retry-After: 3\r\n", "\r\n", "HTTP/1.1 200 OK\r\n");
    ck_assert_str_eq(h.media_type, "");
    ck_assert(h.charset_ok);
    ck_assert_int_eq(h.retry_after_s, -1);
}
END_TEST

START_TEST(a_header_is_complete_with_its_empty_line)
{
    ck_assert(!HEAD("Content-Length: 0\r\n").complete);
    ck_assert(HEAD("Content-Length: 0\r\n", "\r\n").complete);
    ck_assert(!HEAD("\r\n", "HTTP/1.1 200 OK\r\n").complete);

    static const struct {
        const char *status_line;
        bool complete;
    } ROWS[] = {
        {"HTTP/1.1 100 Continue\r\n", false},
        {"HTTP/1.1 103 Early Hints\r\n", false},
        {"HTTP/2 103\r\n", false},
        {"HTTP/1.1 101 Switching Protocols\r\n", true},
        {"HTTP/2 200\r\n", true},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *const lines[] = {ROWS[i].status_line, "\r\n"};
        ck_assert_msg(head_of(lines, 2).complete == ROWS[i].complete, "%s", ROWS[i].status_line);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http_client_answer");
    tcase_add_test(tests, media_type_is_lower_cased_and_bare);
    tcase_add_test(tests, two_media_types_are_none);
    tcase_add_test(tests, retry_after_is_clamped);
    tcase_add_test(tests, the_date_is_read_or_absent);
    tcase_add_test(tests, codings_that_were_not_asked_for_are_refused);
    tcase_add_test(tests, fields_are_limited_over_all_sections);
    tcase_add_test(tests, bytes_are_limited);
    tcase_add_test(tests, interim_answer_leaves_no_fields);
    tcase_add_test(tests, a_header_is_complete_with_its_empty_line);
    return unit_run(tests, "http_client_answer");
}
