/* SPDX-License-Identifier: Apache-2.0
 * The table of what is done when a call to the vendor fails: complete, within the rules of api.md
 * section 3, and the naming of failures that leads into it. */
#include "identity/resilience.h"

#include "unit.h"

#define TOKEN_IS_BAD "{\"message\":\"Invalid token\",\"error_code\":401}"

static bool is_users_kind(enum failure_kind kind)
{
    return kind == FAILURE_USER_401 || kind == FAILURE_USER_403;
}

static bool is_our_tokens_kind(enum failure_kind kind)
{
    return kind == FAILURE_TOKEN_401 || kind == FAILURE_TOKEN_403;
}

START_TEST(every_call_has_a_row_for_every_failure_it_can_meet)
{
    for (size_t c = 0; c < VENDOR_CALL_COUNT; c++) {
        const enum vendor_call call = (enum vendor_call)c;
        const bool users = vendor_call_row(call)->with_users_token;
        for (size_t k = FAILURE_NONE + 1; k < FAILURE_KIND_COUNT; k++) {
            const enum failure_kind kind = (enum failure_kind)k;
            const bool can_be = users ? !is_our_tokens_kind(kind) : !is_users_kind(kind);
            ck_assert_msg((resilience_row(call, kind)->error != ERR_OK) == can_be, "%s %s",
                          vendor_call_row(call)->label, failure_label(kind));
        }
        ck_assert_int_eq(resilience_row(call, FAILURE_NONE)->error, ERR_OK);
        ck_assert_int_eq(resilience_row(call, FAILURE_NONE)->action, ACTION_REFUSE);
    }
}
END_TEST

/* register, authenticate and refresh, but for a token that the vendor has refused. */
START_TEST(what_must_not_run_twice_is_never_repeated)
{
    for (size_t c = 0; c < VENDOR_CALL_COUNT; c++) {
        const enum vendor_call call = (enum vendor_call)c;
        for (size_t k = FAILURE_NONE + 1; k < FAILURE_KIND_COUNT; k++) {
            const enum action action = resilience_row(call, (enum failure_kind)k)->action;
            if (vendor_call_row(call)->run_once)
                ck_assert(action != ACTION_REPEAT);
            if (action == ACTION_RENEW)
                ck_assert(k == FAILURE_TOKEN_401);
            if (action == ACTION_REPEAT)
                ck_assert(k == FAILURE_NOT_SENT || k == FAILURE_BROKEN);
        }
    }
    ck_assert(vendor_call_row(VENDOR_REGISTER)->run_once);
    ck_assert(vendor_call_row(VENDOR_AUTHENTICATE)->run_once);
    ck_assert(vendor_call_row(VENDOR_REFRESH)->run_once);
}
END_TEST

/* api.md: an upstream 401 or 403 about our token is never the app's 401, but on authenticate and
 * refresh, where it is taken for the vendor's word on the user. */
START_TEST(the_apps_401_is_about_the_app)
{
    for (size_t c = 0; c < VENDOR_CALL_COUNT; c++) {
        const enum vendor_call call = (enum vendor_call)c;
        if (vendor_call_row(call)->with_users_token)
            continue;
        ck_assert_int_eq(resilience_row(call, FAILURE_TOKEN_401)->error,
                         ERR_UPSTREAM_REFUSED_CREDENTIALS);
        const bool verdict = call == VENDOR_AUTHENTICATE || call == VENDOR_REFRESH;
        ck_assert((resilience_row(call, FAILURE_TOKEN_403)->error ==
                   ERR_UPSTREAM_REFUSED_CREDENTIALS) == !verdict);
        ck_assert((resilience_row(call, FAILURE_TOKEN_403)->action == ACTION_ALARM) == !verdict);
    }
}
END_TEST

START_TEST(a_refusal_before_sending_leaves_the_request_as_it_was)
{
    for (size_t c = 0; c < VENDOR_CALL_COUNT; c++) {
        const enum vendor_call call = (enum vendor_call)c;
        ck_assert_int_eq(resilience_row(call, FAILURE_LIMITED)->retry, RETRY_SAME);
        ck_assert_int_eq(resilience_row(call, FAILURE_BREAKER_OPEN)->retry, RETRY_SAME);
    }
    ck_assert_int_eq(resilience_row(VENDOR_AUTHENTICATE, FAILURE_NOT_SENT)->retry,
                     RETRY_NEW_CHALLENGE);
    ck_assert_int_eq(resilience_row(VENDOR_REFRESH, FAILURE_LATE)->retry, RETRY_LOGIN);
    ck_assert_int_eq(resilience_row(VENDOR_REFRESH, FAILURE_LATE_UNSENT)->retry, RETRY_SAME);
}
END_TEST

static const struct {
    enum vendor_call call;
    enum call_result result;
    bool sent;
    int status;
    const char *body;
    enum failure_kind kind;
} KINDS[] = {
    {VENDOR_START, CALL_ANSWERED, true, 200, "", FAILURE_NONE},
    {VENDOR_START, CALL_ANSWERED, true, 204, "", FAILURE_NONE},
    {VENDOR_START, CALL_ANSWERED, true, 404, "", FAILURE_NONE},
    {VENDOR_START, CALL_ANSWERED, true, 302, "", FAILURE_BAD_ANSWER},
    {VENDOR_START, CALL_ANSWERED, true, 101, "", FAILURE_BAD_ANSWER},
    {VENDOR_START, CALL_ANSWERED, true, 429, "", FAILURE_VENDOR_429},
    {VENDOR_START, CALL_ANSWERED, true, 500, "", FAILURE_VENDOR_5XX},
    {VENDOR_REGISTER, CALL_ANSWERED, true, 503, "", FAILURE_VENDOR_5XX},
    {VENDOR_START, CALL_ANSWERED, true, 401, "", FAILURE_TOKEN_401},
    {VENDOR_START, CALL_ANSWERED, true, 403, "", FAILURE_TOKEN_403},
    {VENDOR_AUTHENTICATE, CALL_ANSWERED, true, 401, "", FAILURE_NONE},
    {VENDOR_AUTHENTICATE, CALL_ANSWERED, true, 401, TOKEN_IS_BAD, FAILURE_TOKEN_401},
    {VENDOR_REFRESH, CALL_ANSWERED, true, 401, "{}", FAILURE_NONE},
    {VENDOR_REFRESH, CALL_ANSWERED, true, 401, TOKEN_IS_BAD, FAILURE_TOKEN_401},
    {VENDOR_AUTHENTICATE, CALL_ANSWERED, true, 403, "", FAILURE_TOKEN_403},
    {VENDOR_REGISTER, CALL_ANSWERED, true, 401, TOKEN_IS_BAD, FAILURE_USER_401},
    {VENDOR_DELETE, CALL_ANSWERED, true, 403, "", FAILURE_USER_403},
    {VENDOR_START, CALL_NOT_SENT, false, 0, "", FAILURE_NOT_SENT},
    {VENDOR_START, CALL_BROKEN, true, 0, "", FAILURE_BROKEN},
    {VENDOR_AUTHENTICATE, CALL_BROKEN, false, 0, "", FAILURE_NOT_SENT},
    {VENDOR_REGISTER, CALL_TIMED_OUT, true, 0, "", FAILURE_LATE},
    {VENDOR_REGISTER, CALL_TIMED_OUT, false, 0, "", FAILURE_LATE_UNSENT},
    {VENDOR_LOGOUT, CALL_BAD_ANSWER, true, 200, "", FAILURE_BAD_ANSWER},
};

START_TEST(every_end_of_a_call_has_one_name)
{
    const struct call_answer answer = {
        .result = KINDS[_i].result,
        .status = KINDS[_i].status,
        .may_have_been_sent = KINDS[_i].sent,
        .body = str_of(KINDS[_i].body),
    };
    ck_assert_int_eq(failure_kind_of(KINDS[_i].call, &answer), KINDS[_i].kind);
}
END_TEST

START_TEST(the_vendor_is_sick_when_it_is_silent_or_says_so)
{
    static const enum failure_kind SICK[] = {FAILURE_NOT_SENT, FAILURE_BROKEN, FAILURE_LATE_UNSENT,
                                             FAILURE_LATE, FAILURE_VENDOR_5XX};
    size_t counted = 0;
    for (size_t k = FAILURE_NONE; k < FAILURE_KIND_COUNT; k++)
        counted += failure_counts_for_breaker((enum failure_kind)k);
    ck_assert_uint_eq(counted, ARRAY_LEN(SICK));
    for (size_t i = 0; i < ARRAY_LEN(SICK); i++)
        ck_assert(failure_counts_for_breaker(SICK[i]));
}
END_TEST

START_TEST(the_page_has_a_line_for_every_row)
{
    AUTO_BUF struct buf page;
    buf_init(&page, 65536);
    resilience_write_docs(&page);
    buf_append_byte(&page, '\0');
    ck_assert(buf_ok(&page));
    ck_assert_ptr_nonnull(strstr(page.ptr, "| `broken` | refuse | 502 | `upstream_outcome_unknown` "
                                           "| `new_challenge` |\n"));
    ck_assert_ptr_nonnull(strstr(page.ptr, "\n### logout\n"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("resilience");
    tcase_add_test(t, every_call_has_a_row_for_every_failure_it_can_meet);
    tcase_add_test(t, what_must_not_run_twice_is_never_repeated);
    tcase_add_test(t, the_apps_401_is_about_the_app);
    tcase_add_test(t, a_refusal_before_sending_leaves_the_request_as_it_was);
    tcase_add_loop_test(t, every_end_of_a_call_has_one_name, 0, ARRAY_LEN(KINDS));
    tcase_add_test(t, the_vendor_is_sick_when_it_is_silent_or_says_so);
    tcase_add_test(t, the_page_has_a_line_for_every_row);
    return unit_run(t, "resilience");
}
