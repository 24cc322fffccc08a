/* SPDX-License-Identifier: Apache-2.0
 * Approval data: its canonical text, what is refused, and when a claim is equal. */
#include "api/approval.h"

#include <stdio.h>

#include "base/buf.h"
#include "unit.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 64 * 1024);
}

static void tear_down(void)
{
    arena_finish(&arena);
}

static struct json *parsed(const char *text)
{
    static const struct json_limits LIMITS = {65536, 8, 1000};
    struct json *root = NULL;
    struct json_error problem;
    ck_assert_int_eq(json_parse(str_of(text), &LIMITS, &root, &problem), ERR_OK);
    return root;
}

static struct str canonical_of(const char *text)
{
    AUTO_JSON struct json *root = parsed(text);
    struct str canonical = {0};
    struct approval_problem problem;
    ck_assert_int_eq(approval_canonical(root, &arena, &canonical, &problem), ERR_OK);
    return canonical;
}

START_TEST(the_canonical_text_is_sorted_bytewise)
{
    ck_assert_str_is(canonical_of("{\"b\":\"2\",\"a\":\"1\",\"B\":\"\",\"a.\":\"x\"}"),
                     "{\"B\":\"\",\"a\":\"1\",\"a.\":\"x\",\"b\":\"2\"}");
}
END_TEST

static const struct {
    const char *text;
    const char *member; /* NULL: the object itself */
} REFUSED[] = {
    {"{}", NULL},
    {"[]", NULL},
    {"\"a\"", NULL},
    {"{\"a\":1}", "a"},
    {"{\"a\":null}", "a"},
    {"{\"a\":{}}", "a"},
    {"{\"a\":\"1 000\"}", "a"},
    {"{\"a\":\"\\u00e9\"}", "a"},
    {"{\"\":\"1\"}", ""},
    {"{\"a b\":\"1\"}", "a b"},
    {"{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\",\"e\":\"5\",\"f\":\"6\",\"g\":\"7\","
     "\"h\":\"8\",\"i\":\"9\",\"j\":\"10\",\"k\":\"11\"}",
     NULL},
};

START_TEST(what_the_vendor_does_not_take_is_refused)
{
    AUTO_JSON struct json *root = parsed(REFUSED[_i].text);
    struct str canonical = {0};
    struct approval_problem problem = {0};
    ck_assert_int_eq(approval_canonical(root, &arena, &canonical, &problem), ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(problem.what);
    if (REFUSED[_i].member)
        ck_assert_str_eq(problem.member, REFUSED[_i].member);
    else
        ck_assert_ptr_null(problem.member);
}
END_TEST

START_TEST(sizes_are_limits_to_the_byte)
{
    static const struct {
        int key;
        int value;
        enum err expected;
    } CASES[] = {{64, 256, ERR_OK}, {65, 256, ERR_INVALID_REQUEST}, {64, 257, ERR_INVALID_REQUEST}};
    char text[512];
    (void)snprintf(text, sizeof text, "{\"%0*d\":\"%0*d\"}", CASES[_i].key, 1, CASES[_i].value, 1);
    AUTO_JSON struct json *root = parsed(text);
    struct str canonical = {0};
    struct approval_problem problem;
    ck_assert_int_eq(approval_canonical(root, &arena, &canonical, &problem), CASES[_i].expected);
}
END_TEST

START_TEST(ten_members_of_full_size_fit)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 8192);
    for (int i = 0; i < 10; i++)
        buf_printf(&text, "%s\"%064d\":\"%0256d\"", i == 0 ? "{" : ",", i, i);
    buf_append_z(&text, "}");
    ck_assert_uint_eq(canonical_of(text.ptr).len, text.len);
}
END_TEST

static const struct {
    const char *claim;
    bool equal;
} CLAIMS[] = {
    {"{\"sum\":\"200\",\"to\":\"x\"}", true},
    {"{\"to\":\"x\",\"sum\":\"200\"}", true},
    {"{\"sum\":\"201\",\"to\":\"x\"}", false},
    {"{\"sum\":\"200\"}", false},
    {"{\"sum\":\"200\",\"to\":\"x\",\"more\":\"y\"}", false},
    {"{\"sum\":200,\"to\":\"x\"}", false},
    {"{\"Sum\":\"200\",\"to\":\"x\"}", false},
    {"{}", false},
    {"null", false},
    {"\"{}\"", false},
    {"[{\"sum\":\"200\",\"to\":\"x\"}]", false},
};

START_TEST(a_claim_is_equal_only_with_the_same_members_and_values)
{
    const struct str started = canonical_of("{\"to\":\"x\",\"sum\":\"200\"}");
    AUTO_JSON struct json *claim = parsed(CLAIMS[_i].claim);
    ck_assert(approval_equal(started, claim, &arena) == CLAIMS[_i].equal);
}
END_TEST

START_TEST(an_absent_claim_is_never_equal)
{
    ck_assert(!approval_equal(canonical_of("{\"a\":\"b\"}"), NULL, &arena));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("approval");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_canonical_text_is_sorted_bytewise);
    tcase_add_loop_test(t, what_the_vendor_does_not_take_is_refused, 0, ARRAY_LEN(REFUSED));
    tcase_add_loop_test(t, sizes_are_limits_to_the_byte, 0, 3);
    tcase_add_test(t, ten_members_of_full_size_fit);
    tcase_add_loop_test(t, a_claim_is_equal_only_with_the_same_members_and_values, 0,
                        ARRAY_LEN(CLAIMS));
    tcase_add_test(t, an_absent_claim_is_never_equal);
    return unit_run(t, "approval");
}
