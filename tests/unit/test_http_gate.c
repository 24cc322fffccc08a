/* SPDX-License-Identifier: Apache-2.0
 * net/http_gate: framing (each refusal beside its control), sizes at their borders, Host, target
 * forms and disguised path characters, Expect, Authorization, query, body rules, Content-Type. */
#include "net/http_gate.h"

#include <string.h>

#include "unit.h"

static const struct gate_limits LIMITS = {
    .uri_max_bytes = 64, .header_max_bytes = 1024, .body_max_bytes = 100};

struct field {
    const char *name;
    const char *value;
};

/* A good GET of target over HTTP/1.1 with these fields added; the list ends with a NULL name. */
static struct gate_facts facts_of(const char *target, const struct field *fields)
{
    struct gate_facts facts = {.method = STR("GET"),
                               .target = str_of(target),
                               .target_bytes = strlen(target),
                               .header_bytes = 100};
    for (; fields && fields->name; fields++)
        gate_field(&facts, str_of(fields->name), str_of(fields->value));
    return facts;
}

static const struct field HOST[] = {{"Host", "bff.example"}, {NULL, NULL}};

static struct gate_verdict check(struct gate_facts facts)
{
    return gate_check_message(&facts, &LIMITS);
}

static const struct {
    const char *what;
    struct field fields[4];
    enum err wanted;
} FRAMING[] = {
    {"plain", {{"Host", "h"}}, ERR_OK},
    {"one length", {{"Host", "h"}, {"Content-Length", "3"}}, ERR_OK},
    {"chunked", {{"Host", "h"}, {"Transfer-Encoding", "Chunked"}}, ERR_OK},
    {"both",
     {{"Host", "h"}, {"Content-Length", "3"}, {"transfer-encoding", "chunked"}},
     ERR_INVALID_REQUEST},
    {"equal lengths twice",
     {{"Host", "h"}, {"Content-Length", "3"}, {"content-length", "3"}},
     ERR_INVALID_REQUEST},
    {"a list of lengths", {{"Host", "h"}, {"Content-Length", "3, 3"}}, ERR_INVALID_REQUEST},
    {"signed", {{"Host", "h"}, {"Content-Length", "+3"}}, ERR_INVALID_REQUEST},
    {"negative", {{"Host", "h"}, {"Content-Length", "-1"}}, ERR_INVALID_REQUEST},
    {"hex", {{"Host", "h"}, {"Content-Length", "0x3"}}, ERR_INVALID_REQUEST},
    {"empty", {{"Host", "h"}, {"Content-Length", ""}}, ERR_INVALID_REQUEST},
    {"overflow", {{"Host", "h"}, {"Content-Length", "18446744073709551619"}}, ERR_INVALID_REQUEST},
    {"twice chunked",
     {{"Host", "h"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
     ERR_INVALID_REQUEST},
    {"identity", {{"Host", "h"}, {"Transfer-Encoding", "identity"}}, ERR_INVALID_REQUEST},
    {"gzip, chunked", {{"Host", "h"}, {"Transfer-Encoding", "gzip, chunked"}}, ERR_INVALID_REQUEST},
    {"chunked;q=1", {{"Host", "h"}, {"Transfer-Encoding", "chunked;q=1"}}, ERR_INVALID_REQUEST},
    {"xchunked", {{"Host", "h"}, {"Transfer-Encoding", "xchunked"}}, ERR_INVALID_REQUEST},
    {"space in a name", {{"Host", "h"}, {"X Y", "1"}}, ERR_INVALID_REQUEST},
    {"colon in a name", {{"Host", "h"}, {"X:Y", "1"}}, ERR_INVALID_REQUEST},
    {"trailing space", {{"Host", "h"}, {"Transfer-Encoding ", "chunked"}}, ERR_INVALID_REQUEST},
    {"empty name", {{"Host", "h"}, {"", "1"}}, ERR_INVALID_REQUEST},
    {"LF in a value", {{"Host", "h"}, {"X", "a\nb"}}, ERR_INVALID_REQUEST},
    {"CR in a value", {{"Host", "h"}, {"X", "a\rb"}}, ERR_INVALID_REQUEST},
    {"DEL in a value", {{"Host", "h"}, {"X", "a\x7f"}}, ERR_INVALID_REQUEST},
    {"tab and obs-text in a value", {{"Host", "h"}, {"X", "a\tb\xc3\xa4"}}, ERR_OK},
    {"no Host", {{"X", "1"}}, ERR_INVALID_REQUEST},
    {"two Hosts", {{"Host", "h"}, {"HOST", "h"}}, ERR_INVALID_REQUEST},
    {"empty Host", {{"Host", ""}}, ERR_INVALID_REQUEST},
    {"Host list", {{"Host", "a, b"}}, ERR_INVALID_REQUEST},
    {"Host with path", {{"Host", "a/b"}}, ERR_INVALID_REQUEST},
    {"Host with user", {{"Host", "u@h"}}, ERR_INVALID_REQUEST},
    {"Host with port", {{"Host", "[::1]:8080"}}, ERR_OK},
};

START_TEST(doubtful_framing_is_refused_and_ends_the_connection)
{
    for (size_t i = 0; i < ARRAY_LEN(FRAMING); i++) {
        const struct gate_verdict v = check(facts_of("/v1/session", FRAMING[i].fields));
        ck_assert_msg(v.code == FRAMING[i].wanted, "%s: %s", FRAMING[i].what,
                      v.reason ? v.reason : "passed");
        ck_assert_msg(v.close == (v.code != ERR_OK), "%s", FRAMING[i].what);
    }
    struct gate_facts method = facts_of("/", HOST);
    method.method = STR("G@T");
    ck_assert(check(method).code == ERR_INVALID_REQUEST);
    method.method = STR("PROPFIND");
    ck_assert(check(method).code == ERR_OK);
    struct gate_facts nul = facts_of("/", HOST);
    gate_field(&nul, STR("X"), (struct str){"a\0b", 3});
    ck_assert(check(nul).code == ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(http_1_0_needs_no_host_and_takes_no_chunks)
{
    struct gate_facts facts = facts_of("/", NULL);
    facts.http_1_0 = true;
    ck_assert(check(facts).code == ERR_OK);
    gate_field(&facts, STR("Transfer-Encoding"), STR("chunked"));
    ck_assert(check(facts).code == ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(sizes_are_refused_one_byte_over_their_limit)
{
    struct gate_facts facts = facts_of("/", HOST);
    facts.header_bytes = LIMITS.header_max_bytes;
    facts.target_bytes = LIMITS.uri_max_bytes;
    ck_assert(check(facts).code == ERR_OK);
    facts.header_bytes++;
    ck_assert(check(facts).code == ERR_HEADERS_TOO_LARGE);
    facts.target_bytes++;
    ck_assert(check(facts).code == ERR_URI_TOO_LONG);

    facts = facts_of("/", HOST);
    gate_field(&facts, STR("Content-Length"), STR("100"));
    ck_assert(gate_check_body_size(&facts, &LIMITS).code == ERR_OK);
    facts = facts_of("/", HOST);
    gate_field(&facts, STR("Content-Length"), STR("101"));
    ck_assert(gate_check_body_size(&facts, &LIMITS).code == ERR_PAYLOAD_TOO_LARGE);
    ck_assert(gate_check_body_size(&facts, &LIMITS).close);
}
END_TEST

START_TEST(only_clean_targets_in_origin_form_pass)
{
    static const char *const GOOD[] = {
        "/",           "/v1/session",   "/v1/keys/k%20%C3%A4", "//v1/session", "/a/.../b",
        "/a/..b/b..c", "/v1/;params=1", "/a?b=c/d?e&f=%20",    "/a?",          "/%E2%80%A6",
        "/a/.b",       "/%2e%2e%2e/x",  "/~user/!$&'()*+,=:@",
    };
    static const char *const BAD[] = {
        "",
        "*",
        "http://h/v1/session",
        "h:443",
        "v1/session",
        "/a b",
        "/a\tb",
        "/a\x01",
        "/a\x7f",
        "/caf\xc3\xa9",
        "/a#b",
        "/a\\b",
        "/a\"b",
        "/a<b",
        "/a|b",
        "/a{b}",
        "/a^b",
        "/a`b",
        "/./a",
        "/a/..",
        "/a/.",
        "/../a",
        "/%2e/a",
        "/a/%2e%2E",
        "/a/.%2e/b",
        "/%2f",
        "/a%2Fb",
        "/a%5cb",
        "/a%00b",
        "/a%0d%0ab",
        "/a%7f",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a%u0041",
        "/a?b=%zz",
        "/a?b=%0a",
        "/a?b c",
        "/a?b#c",
        "/a?%",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        const struct gate_verdict v = check(facts_of(GOOD[i], HOST));
        ck_assert_msg(v.code == ERR_OK, "%s: %s", GOOD[i], v.reason);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        const struct gate_verdict v = check(facts_of(BAD[i], HOST));
        ck_assert_msg(v.code == ERR_INVALID_REQUEST && v.close, "%s", BAD[i]);
    }
}
END_TEST

START_TEST(expectations_second_credentials_and_queries_are_refused)
{
    static const struct {
        const char *target;
        struct field fields[4];
        bool takes_query;
        enum err wanted;
    } CASES[] = {
        {"/v1/x", {{"Expect", "100-Continue"}}, false, ERR_OK},
        {"/v1/x", {{"Expect", "200-ok"}}, false, ERR_EXPECTATION_FAILED},
        {"/v1/x", {{"Expect", ""}}, false, ERR_EXPECTATION_FAILED},
        {"/v1/x", {{"Expect", "100-continue"}, {"Expect", "x"}}, false, ERR_EXPECTATION_FAILED},
        {"/v1/x", {{"Authorization", "Bearer a"}}, false, ERR_OK},
        {"/v1/x",
         {{"Authorization", "Bearer a"}, {"authorization", "Bearer a"}},
         false,
         ERR_INVALID_REQUEST},
        {"/v1/x?access_token=a", {{NULL, NULL}}, false, ERR_INVALID_REQUEST},
        {"/v1/x?", {{NULL, NULL}}, false, ERR_INVALID_REQUEST},
        {"/readyz?verbose", {{NULL, NULL}}, true, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct gate_facts facts = facts_of(CASES[i].target, CASES[i].fields);
        const struct gate_verdict v = gate_check_fields(&facts, CASES[i].takes_query);
        ck_assert_msg(v.code == CASES[i].wanted, "case %zu: %s", i, v.reason ? v.reason : "passed");
    }
}
END_TEST

START_TEST(a_body_belongs_only_where_one_is_taken)
{
    static const struct {
        struct field fields[4];
        enum err none, json;
    } CASES[] = {
        {{{NULL, NULL}}, ERR_OK, ERR_UNSUPPORTED_MEDIA_TYPE},
        {{{"Content-Length", "0"}}, ERR_OK, ERR_UNSUPPORTED_MEDIA_TYPE},
        {{{"Content-Length", "2"}}, ERR_INVALID_REQUEST, ERR_UNSUPPORTED_MEDIA_TYPE},
        {{{"Content-Length", "2"}, {"Content-Type", "application/json"}},
         ERR_INVALID_REQUEST,
         ERR_OK},
        {{{"Transfer-Encoding", "chunked"}, {"Content-Type", "application/json"}},
         ERR_INVALID_REQUEST,
         ERR_OK},
        {{{"Content-Length", "0"}, {"Content-Type", "application/json"}}, ERR_OK, ERR_INVALID_JSON},
        {{{"Content-Type", "application/json"}}, ERR_OK, ERR_INVALID_JSON},
        {{{"Content-Type", "application/json"}, {"Content-Type", "application/json"}},
         ERR_OK,
         ERR_UNSUPPORTED_MEDIA_TYPE},
        {{{"Content-Length", "2"},
          {"Content-Type", "application/json"},
          {"Content-Encoding", "gzip"}},
         ERR_INVALID_REQUEST,
         ERR_UNSUPPORTED_MEDIA_TYPE},
        {{{"Content-Length", "2"},
          {"Content-Type", "application/json"},
          {"Content-Encoding", "Identity"}},
         ERR_INVALID_REQUEST,
         ERR_OK},
        {{{"Content-Type", "application/json"},
          {"Content-Encoding", "gzip"},
          {"Content-Encoding", "identity"}},
         ERR_OK,
         ERR_UNSUPPORTED_MEDIA_TYPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct gate_facts facts = facts_of("/", CASES[i].fields);
        ck_assert_msg(gate_check_no_body(&facts).code == CASES[i].none, "case %zu", i);
        ck_assert_msg(gate_check_json_body(&facts).code == CASES[i].json, "case %zu", i);
    }
}
END_TEST

START_TEST(json_is_recognised_by_type_and_charset)
{
    static const char *const GOOD[] = {
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json ; v=1; charset=Utf-8",
        "application/json;",
        "application/json; profile=x",
    };
    static const char *const BAD[] = {
        "",
        "text/json",
        "application/jsonp",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=latin1",
        "application/problem+json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "json",
        "application/json;charset",
        "; charset=utf-8",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        ck_assert_msg(gate_is_json(str_of(GOOD[i])), "%s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        ck_assert_msg(!gate_is_json(str_of(BAD[i])), "%s", BAD[i]);
}
END_TEST

START_TEST(a_target_is_split_at_its_first_question_mark)
{
    struct str path;
    struct str query;
    gate_split_target(STR("/a?b?c"), &path, &query);
    ck_assert_str_is(path, "/a");
    ck_assert_str_is(query, "b?c");
    gate_split_target(STR("/a"), &path, &query);
    ck_assert_str_is(path, "/a");
    ck_assert_ptr_null(query.ptr);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("gate");
    tcase_add_test(tc, doubtful_framing_is_refused_and_ends_the_connection);
    tcase_add_test(tc, http_1_0_needs_no_host_and_takes_no_chunks);
    tcase_add_test(tc, sizes_are_refused_one_byte_over_their_limit);
    tcase_add_test(tc, only_clean_targets_in_origin_form_pass);
    tcase_add_test(tc, expectations_second_credentials_and_queries_are_refused);
    tcase_add_test(tc, a_body_belongs_only_where_one_is_taken);
    tcase_add_test(tc, json_is_recognised_by_type_and_charset);
    tcase_add_test(tc, a_target_is_split_at_its_first_question_mark);
    return unit_run(tc, "http_gate");
}
