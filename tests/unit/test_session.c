/* SPDX-License-Identifier: Apache-2.0
 * What the tokens of a session must agree with, once each is verified. */
#include "api/session.h"

#include "unit.h"

enum { STARTED_S = 1000, LEEWAY_S = 60 };

static struct arena arena;
static struct session session;

static void set_up(void)
{
    arena_init(&arena, 64 * 1024);
    session = (struct session){
        .access = {.sub = STR("u-1"), .iat_s = STARTED_S},
        .id = {.sub = STR("u-1"), .iat_s = STARTED_S},
    };
}

static void tear_down(void)
{
    session_finish(&session);
    arena_finish(&arena);
}

static void with_id_claims(const char *text)
{
    static const struct json_limits LIMITS = {4096, 8, 100};
    struct json_error problem;
    ck_assert_int_eq(json_parse(str_of(text), &LIMITS, &session.id.payload, &problem), ERR_OK);
}

static enum jwt_reason check(struct session_binding binding)
{
    return session_binding_check(&session, &binding, LEEWAY_S, &arena);
}

START_TEST(tokens_of_the_user_that_authenticated_pass)
{
    with_id_claims("{}");
    ck_assert_int_eq(check((struct session_binding){.user_id = STR("u-1")}), JWT_OK);
    ck_assert_int_eq(check((struct session_binding){0}), JWT_OK);
}
END_TEST

START_TEST(tokens_of_another_user_do_not)
{
    ck_assert_int_eq(check((struct session_binding){.user_id = STR("u-2")}), JWT_SUB_MISMATCH);
    ck_assert_int_eq(check((struct session_binding){.user_id = STR("U-1")}), JWT_SUB_MISMATCH);
}
END_TEST

START_TEST(two_tokens_of_two_users_never_pass)
{
    with_id_claims("{}");
    session.id.sub = STR("u-2");
    ck_assert_int_eq(check((struct session_binding){0}), JWT_SUB_MISMATCH);
}
END_TEST

START_TEST(tokens_from_before_the_start_are_stale_beyond_the_leeway)
{
    with_id_claims("{}");
    const struct session_binding binding = {.not_before_s = STARTED_S};
    session.access.iat_s = STARTED_S - LEEWAY_S;
    ck_assert_int_eq(check(binding), JWT_OK);
    session.access.iat_s = STARTED_S - LEEWAY_S - 1;
    ck_assert_int_eq(check(binding), JWT_STALE);
    session.access.iat_s = STARTED_S;
    session.id.iat_s = STARTED_S - LEEWAY_S - 1;
    ck_assert_int_eq(check(binding), JWT_STALE);
}
END_TEST

static const struct {
    const char *id_claims; /* NULL: no ID token */
    enum jwt_reason expected;
} APPROVALS[] = {
    {"{\"approval_data\":{\"b\":\"2\",\"a\":\"1\"}}", JWT_OK},
    {"{\"approval_data\":{\"a\":\"1\",\"b\":\"3\"}}", JWT_APPROVAL},
    {"{\"approval_data\":{\"a\":\"1\"}}", JWT_APPROVAL},
    {"{\"approval_data\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}", JWT_APPROVAL},
    {"{\"approval_data\":null}", JWT_APPROVAL},
    {"{}", JWT_APPROVAL},
    {NULL, JWT_MISSING},
};

START_TEST(approval_data_must_come_back_equal_in_an_id_token)
{
    if (APPROVALS[_i].id_claims)
        with_id_claims(APPROVALS[_i].id_claims);
    ck_assert_int_eq(
        check((struct session_binding){.approval_data = STR("{\"a\":\"1\",\"b\":\"2\"}")}),
        APPROVALS[_i].expected);
}
END_TEST

static const struct {
    const char *type;
    const char *identifier;
    const char *id_claims;
    enum jwt_reason expected;
} IDENTIFIERS[] = {
    {"email", "a@b.c", "{\"email\":\"a@b.c\"}", JWT_OK},
    {"email", "a@b.c", "{\"email\":\"A@B.C\"}", JWT_OK},
    {"email", "a@b.c", "{}", JWT_OK},
    {"email", "a@b.c", NULL, JWT_OK},
    {"email", "a@b.c", "{\"email\":\"x@b.c\"}", JWT_IDENTIFIER},
    {"email", "a@b.c", "{\"email\":7}", JWT_IDENTIFIER},
    {"email", "a@b.c", "{\"email\":null}", JWT_IDENTIFIER},
    {"phone_number", "+15551234", "{\"phone_number\":\"+1 (555) 12-34\"}", JWT_OK},
    {"phone_number", "+1 5551234", "{\"phone_number\":\"+15551234\"}", JWT_OK},
    {"phone_number", "+15551234", "{\"phone_number\":\"+15551235\"}", JWT_IDENTIFIER},
    {"phone_number", "+15551234", "{\"phone_number\":\"+155512345\"}", JWT_IDENTIFIER},
    {"phone_number", "+15551234", "{\"phone_number\":\"\"}", JWT_IDENTIFIER},
    {"phone_number", "+15551234", "{\"email\":\"x@b.c\"}", JWT_OK},
    {"username", "ada", "{\"username\":\"bob\",\"email\":\"x@b.c\"}", JWT_OK},
};

START_TEST(an_identifier_that_the_id_token_contradicts_is_a_failure)
{
    if (IDENTIFIERS[_i].id_claims)
        with_id_claims(IDENTIFIERS[_i].id_claims);
    ck_assert_int_eq(check((struct session_binding){
                         .identifier = str_of(IDENTIFIERS[_i].identifier),
                         .identifier_type = str_of(IDENTIFIERS[_i].type),
                     }),
                     IDENTIFIERS[_i].expected);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("session");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, tokens_of_the_user_that_authenticated_pass);
    tcase_add_test(t, tokens_of_another_user_do_not);
    tcase_add_test(t, two_tokens_of_two_users_never_pass);
    tcase_add_test(t, tokens_from_before_the_start_are_stale_beyond_the_leeway);
    tcase_add_loop_test(t, approval_data_must_come_back_equal_in_an_id_token, 0,
                        ARRAY_LEN(APPROVALS));
    tcase_add_loop_test(t, an_identifier_that_the_id_token_contradicts_is_a_failure, 0,
                        ARRAY_LEN(IDENTIFIERS));
    return unit_run(t, "session");
}
