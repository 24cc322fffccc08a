/* SPDX-License-Identifier: Apache-2.0
 * The vendor's successful answers: what is refused before anything is verified. */
#include "identity/upstream.h"

#include "unit.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 256 * 1024);
}

static void tear_down(void)
{
    arena_finish(&arena);
}

#define GOOD "\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":3600"

START_TEST(a_full_answer_is_read_member_by_member)
{
    struct vendor_tokens tokens;
    const char *reason = NULL;
    const enum err e = tokens_read(STR("{" GOOD ",\"id_token\":\"d.e.f\",\"refresh_token\":\"r\","
                                       "\"session_id\":\"s\",\"extra\":[1]}"),
                                   true, &arena, &tokens, &reason);
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_str_is(tokens.access_token, "a.b.c");
    ck_assert_str_is(tokens.id_token, "d.e.f");
    ck_assert_str_is(tokens.refresh_token, "r");
    ck_assert_str_is(tokens.session_id, "s");
    ck_assert_int_eq(tokens.expires_in_s, 3600);
}
END_TEST

START_TEST(a_refresh_needs_no_session_and_optional_members_may_be_null)
{
    struct vendor_tokens tokens;
    const char *reason = NULL;
    ck_assert_int_eq(
        tokens_read(STR("{" GOOD ",\"id_token\":null}"), false, &arena, &tokens, &reason), ERR_OK);
    ck_assert_ptr_null(tokens.id_token.ptr);
    ck_assert_ptr_null(tokens.session_id.ptr);
}
END_TEST

START_TEST(numbers_of_seconds_are_bounded)
{
    static const struct {
        const char *body;
        int64_t seconds;
    } CASES[] = {
        {"{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":1}", 1},
        {"{\"access_token\":\"a\",\"token_type\":\"BEARER\",\"expires_in\":59.9}", 59},
        {"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":1e300}", 315360000},
    };
    struct vendor_tokens tokens;
    const char *reason = NULL;
    ck_assert_int_eq(tokens_read(str_of(CASES[_i].body), false, &arena, &tokens, &reason), ERR_OK);
    ck_assert_int_eq(tokens.expires_in_s, CASES[_i].seconds);
}
END_TEST

static const char *const REFUSED[] = {
    "",
    "[]",
    "{}",
    "{" GOOD "}trailing",
    "{" GOOD "}", /* no session_id */
    "{" GOOD ",\"session_id\":\"\"}",
    "{" GOOD ",\"session_id\":7}",
    "{" GOOD ",\"session_id\":\"s\",\"session_id\":\"t\"}",
    "{" GOOD ",\"session_id\":\"two words\"}",
    "{" GOOD ",\"session_id\":\"s\",\"id_token\":5}",
    "{" GOOD ",\"session_id\":\"s\",\"refresh_token\":\"line\\nbreak\"}",
    "{\"access_token\":5,\"token_type\":\"Bearer\",\"expires_in\":1,\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"token_type\":\"MAC\",\"expires_in\":1,\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"expires_in\":1,\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":\"1\",\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":0,\"session_id\":\"s\"}",
    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":-1,\"session_id\":\"s\"}",
};

START_TEST(anything_else_is_refused_with_a_reason)
{
    struct vendor_tokens tokens;
    const char *reason = NULL;
    ck_assert_int_eq(tokens_read(str_of(REFUSED[_i]), true, &arena, &tokens, &reason),
                     ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_ptr_nonnull(reason);
}
END_TEST

START_TEST(what_a_token_may_not_be_is_for_the_verifier_to_say)
{
    static const char *const TEXTS[] = {"", "a b", "a\\n.b.c", "\\u00e9"};
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        AUTO_BUF struct buf body;
        buf_init(&body, 1024);
        buf_printf(&body,
                   "{\"access_token\":\"%s\",\"id_token\":\"%s\",\"token_type\":\"Bearer\","
                   "\"expires_in\":1}",
                   TEXTS[i], TEXTS[i]);
        struct vendor_tokens tokens;
        const char *reason = NULL;
        ck_assert_int_eq(tokens_read(buf_str(&body), false, &arena, &tokens, &reason), ERR_OK);
        ck_assert_ptr_nonnull(tokens.access_token.ptr);
        ck_assert_ptr_nonnull(tokens.id_token.ptr);
    }
}
END_TEST

START_TEST(the_session_of_a_refused_answer_is_known)
{
    struct vendor_tokens tokens;
    const char *reason = NULL;
    ck_assert_int_eq(tokens_read(STR("{\"access_token\":5,\"session_id\":\"s\"}"), true, &arena,
                                 &tokens, &reason),
                     ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_str_is(tokens.session_id, "s");
    ck_assert_ptr_null(tokens.access_token.ptr);
}
END_TEST

static enum err read_challenge(const char *body, struct str *ret)
{
    const struct call_answer answer = {
        .body = str_of(body),
        .content_type = STR("application/json"),
        .charset_ok = true,
    };
    const char *reason = NULL;
    return start_answer(&answer, &arena, ret, &reason);
}

START_TEST(a_challenge_is_printable_text_of_bounded_length)
{
    struct str challenge;
    ck_assert_int_eq(read_challenge("{\"challenge\":\"abc def\",\"more\":1}", &challenge), ERR_OK);
    ck_assert_str_is(challenge, "abc def");

    ck_assert_int_eq(read_challenge("{}", &challenge), ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_int_eq(read_challenge("{\"challenge\":\"\"}", &challenge),
                     ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_int_eq(read_challenge("{\"challenge\":\"a\\tb\"}", &challenge),
                     ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_int_eq(read_challenge("{\"challenge\":{}}", &challenge),
                     ERR_UPSTREAM_INVALID_RESPONSE);
}
END_TEST

START_TEST(a_challenge_at_the_limit_passes_and_one_more_byte_does_not)
{
    for (size_t extra = 0; extra < 2; extra++) {
        AUTO_BUF struct buf body;
        buf_init(&body, 2 * CHALLENGE_BYTES_MAX);
        buf_append_z(&body, "{\"challenge\":\"");
        for (size_t i = 0; i < CHALLENGE_BYTES_MAX + extra; i++)
            buf_append_byte(&body, 'x');
        buf_append_z(&body, "\"}");
        struct str challenge;
        ck_assert_int_eq(read_challenge(body.ptr, &challenge),
                         extra == 0 ? ERR_OK : ERR_UPSTREAM_INVALID_RESPONSE);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vendor_tokens");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_full_answer_is_read_member_by_member);
    tcase_add_test(t, a_refresh_needs_no_session_and_optional_members_may_be_null);
    tcase_add_loop_test(t, numbers_of_seconds_are_bounded, 0, 3);
    tcase_add_loop_test(t, anything_else_is_refused_with_a_reason, 0, ARRAY_LEN(REFUSED));
    tcase_add_test(t, what_a_token_may_not_be_is_for_the_verifier_to_say);
    tcase_add_test(t, the_session_of_a_refused_answer_is_known);
    tcase_add_test(t, a_challenge_is_printable_text_of_bounded_length);
    tcase_add_test(t, a_challenge_at_the_limit_passes_and_one_more_byte_does_not);
    return unit_run(t, "vendor_tokens");
}
