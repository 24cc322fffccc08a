/* SPDX-License-Identifier: Apache-2.0
 * One call with its token, its permit, its one renewal and its one repeat. */
#include "api/vendor_send.h"

#include "api_rig.h"
#include "unit.h"

static struct vendor_send sending;
static unsigned done_count;
static enum err done_code;
static int done_status;

static void on_done(struct vendor_send *s, enum err code, const struct call_answer *answer)
{
    ck_assert_ptr_eq(s, &sending);
    done_count++;
    done_code = code;
    done_status = answer ? answer->status : -1;
}

static void begin(enum vendor_call call, enum vendor_token token)
{
    done_count = 0;
    sending = (struct vendor_send){
        .app = &rig.app,
        .call = call,
        .token = token,
        .authorization = STR("Bearer user-token"),
        .body = STR("{\"a\":1}"),
        .traceparent = "tp",
        .deadline_ms = loop_now_ms(rig.app.loop) + 1000,
        .done = on_done,
    };
    ck_assert_int_eq(vendor_send_start(&sending), ERR_PENDING);
}

static void expect(enum err code, int status)
{
    ck_assert_uint_eq(done_count, 1);
    ck_assert_int_eq(done_code, code);
    ck_assert_int_eq(done_status, status);
    ck_assert_ptr_null(rig.call_done);
}

#define TOKEN_IS_BAD "{\"message\":\"Invalid token\",\"error_code\":401}"
#define BARE "{\"message\":\"Unauthorized\",\"error_code\":401}"

START_TEST(a_call_carries_token_body_address_and_deadline)
{
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    ck_assert_str_eq(rig.call.url, "https://vendor.test/cis/v1/auth/mobile-biometrics/start");
    ck_assert_str_is(buf_str(&rig.call_authorization), "Bearer client-token");
    ck_assert_str_is(buf_str(&rig.call_body), "{\"a\":1}");
    ck_assert_str_eq(rig.call.content_type, "application/json");
    ck_assert_str_eq(rig.call.traceparent, "tp");
    ck_assert_int_eq(rig.call.deadline_ms, sending.deadline_ms);
    ck_assert(rig.call.run_once); /* repeats are vendor_send's alone */
    rig_answer(200, "{}");
    expect(ERR_OK, 200);
    ck_assert(sending.may_have_run);
    ck_assert_uint_eq(rig.permits, 1);
}
END_TEST

START_TEST(the_users_token_is_sent_as_it_was_given)
{
    begin(VENDOR_REGISTER, VENDOR_TOKEN_USER);
    ck_assert_str_is(buf_str(&rig.call_authorization), "Bearer user-token");
    ck_assert(rig.call.run_once);
    rig_answer(401, TOKEN_IS_BAD);
    expect(ERR_OK, 401);
    ck_assert_uint_eq(rig.tokens_refused, 0);
}
END_TEST

START_TEST(the_admin_token_is_the_clients_where_there_is_no_admin)
{
    begin(VENDOR_FACE_REVOKE, VENDOR_TOKEN_ADMIN);
    ck_assert_str_is(buf_str(&rig.call_authorization), "Bearer client-token");
    rig_answer(204, "");
    rig.config.admin_client_id = (char *)(uintptr_t) "admin";
    begin(VENDOR_FACE_REVOKE, VENDOR_TOKEN_ADMIN);
    ck_assert_str_is(buf_str(&rig.call_authorization), "Bearer admin-token");
    rig_answer(204, "");
}
END_TEST

START_TEST(without_a_token_it_waits_for_one)
{
    rig.has_token = false;
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    ck_assert_uint_eq(rig.calls, 0);
    rig_token_arrives(ERR_OK);
    ck_assert_uint_eq(rig.calls, 1);
    rig_answer(200, "{}");
    expect(ERR_OK, 200);
}
END_TEST

START_TEST(a_token_that_does_not_come_ends_it)
{
    rig.has_token = false;
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    rig_token_arrives(ERR_TOKEN_UNAVAILABLE);
    expect(ERR_TOKEN_UNAVAILABLE, -1);
    ck_assert(!sending.may_have_run);
}
END_TEST

static const struct {
    enum failure_kind permit;
    enum err code;
} NO_PERMITS[] = {
    {FAILURE_LIMITED, ERR_UPSTREAM_RATE_LIMITED},
    {FAILURE_BREAKER_OPEN, ERR_UPSTREAM_UNAVAILABLE},
};

START_TEST(no_permit_no_call)
{
    rig.permit = NO_PERMITS[_i].permit;
    sending = (struct vendor_send){.app = &rig.app, .call = VENDOR_AUTHENTICATE, .done = on_done};
    ck_assert_int_eq(vendor_permit(&sending), NO_PERMITS[_i].code);
    ck_assert_int_eq(vendor_send_start(&sending), NO_PERMITS[_i].code);
    ck_assert_int_eq(sending.failure, NO_PERMITS[_i].permit);
    ck_assert_int_eq(sending.retry_after_s, 7);
    ck_assert_int_eq(rig.permit_class, VENDOR_CLASS_AUTHENTICATE);
    ck_assert_uint_eq(rig.calls, 0);
}
END_TEST

START_TEST(a_probe_is_reported_as_one_and_its_renewed_call_asks_anew)
{
    rig.probe = true;
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    rig.probe = false;
    rig_answer(401, BARE);
    ck_assert(rig.reported_probe);
    ck_assert_int_eq(rig.reported, FAILURE_TOKEN_401);
    rig_token_arrives(ERR_OK);
    rig_answer(500, "");
    ck_assert_uint_eq(rig.reports, 2);
    ck_assert(!rig.reported_probe);
    expect(ERR_UPSTREAM_UNAVAILABLE, 500);
}
END_TEST

START_TEST(a_permit_taken_ahead_is_used_once)
{
    sending = (struct vendor_send){.app = &rig.app, .done = on_done};
    ck_assert_int_eq(vendor_permit(&sending), ERR_OK);
    ck_assert_int_eq(vendor_permit(&sending), ERR_OK);
    ck_assert_uint_eq(rig.permits, 1);
    ck_assert_int_eq(vendor_send_start(&sending), ERR_PENDING);
    ck_assert_uint_eq(rig.permits, 1);
    rig_answer(401, BARE);
    rig_token_arrives(ERR_OK);
    ck_assert_uint_eq(rig.permits, 2);
    vendor_send_cancel(&sending);
}
END_TEST

static const struct {
    enum vendor_call call;
    const char *body;
    bool renews;
} REFUSALS[] = {
    {VENDOR_START, TOKEN_IS_BAD, true}, {VENDOR_START, BARE, true},
    {VENDOR_LOGOUT, "<html>", true},    {VENDOR_AUTHENTICATE, TOKEN_IS_BAD, true},
    {VENDOR_AUTHENTICATE, BARE, false}, {VENDOR_REFRESH, TOKEN_IS_BAD, true},
    {VENDOR_REFRESH, BARE, false},
};

START_TEST(a_401_about_our_token_renews_it_once)
{
    begin(REFUSALS[_i].call, VENDOR_TOKEN_CLIENT);
    rig_answer(401, REFUSALS[_i].body);
    ck_assert_uint_eq(rig.tokens_refused, REFUSALS[_i].renews);
    if (!REFUSALS[_i].renews) {
        expect(ERR_OK, 401);
        return;
    }
    ck_assert_uint_eq(done_count, 0);
    rig_token_arrives(ERR_OK);
    ck_assert_uint_eq(rig.calls, 2);
    rig_answer(401, REFUSALS[_i].body);
    expect(ERR_OK, 401);
    ck_assert_uint_eq(rig.calls, 2);
    ck_assert_int_eq(sending.failure, FAILURE_TOKEN_401);
    vendor_send_alarm(&sending);
    ck_assert_uint_eq(rig.alarms, 1);
    ck_assert_int_eq(rig.alarm_status, 401);
}
END_TEST

static const struct {
    enum vendor_call call;
    enum vendor_token token;
    int status;
    bool alarm;
} FORBIDDEN[] = {
    {VENDOR_START, VENDOR_TOKEN_CLIENT, 403, true},
    {VENDOR_LOGOUT, VENDOR_TOKEN_CLIENT, 403, true},
    {VENDOR_FACE_REVOKE, VENDOR_TOKEN_ADMIN, 403, true},
    {VENDOR_AUTHENTICATE, VENDOR_TOKEN_CLIENT, 403, false},
    {VENDOR_REFRESH, VENDOR_TOKEN_CLIENT, 403, false},
    {VENDOR_DELETE, VENDOR_TOKEN_USER, 403, false},
    {VENDOR_START, VENDOR_TOKEN_CLIENT, 404, false},
};

START_TEST(a_403_is_an_alarm_where_no_app_can_cause_it)
{
    begin(FORBIDDEN[_i].call, FORBIDDEN[_i].token);
    rig_answer(FORBIDDEN[_i].status, "{}");
    expect(ERR_OK, FORBIDDEN[_i].status);
    vendor_send_alarm(&sending);
    ck_assert_uint_eq(rig.alarms, FORBIDDEN[_i].alarm);
    ck_assert_uint_eq(rig.tokens_refused, 0);
    ck_assert_uint_eq(rig.calls, 1);
}
END_TEST

START_TEST(a_token_that_the_keeper_does_not_replace_is_not_sent_again)
{
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    rig_answer(401, TOKEN_IS_BAD);
    rig.token_fetched_ms--; /* what arrives is the old one under a new number */
    rig_token_arrives(ERR_OK);
    expect(ERR_UPSTREAM_REFUSED_CREDENTIALS, -1);
    ck_assert_uint_eq(rig.calls, 1);
}
END_TEST

static const struct {
    enum vendor_call call;
    enum call_result result;
    bool sent;
    bool repeats;
    enum err code;
} BREAKS[] = {
    {VENDOR_DELETE, CALL_BROKEN, true, true, ERR_UPSTREAM_UNAVAILABLE},
    {VENDOR_DELETE, CALL_NOT_SENT, false, true, ERR_UPSTREAM_UNAVAILABLE},
    {VENDOR_DELETE, CALL_TIMED_OUT, true, false, ERR_UPSTREAM_TIMEOUT},
    {VENDOR_DELETE, CALL_BAD_ANSWER, true, false, ERR_UPSTREAM_INVALID_RESPONSE},
    {VENDOR_REGISTER, CALL_BROKEN, true, false, ERR_UPSTREAM_OUTCOME_UNKNOWN},
    {VENDOR_AUTHENTICATE, CALL_BROKEN, true, false, ERR_UPSTREAM_OUTCOME_UNKNOWN},
    {VENDOR_REFRESH, CALL_NOT_SENT, false, false, ERR_UPSTREAM_UNAVAILABLE},
};

static void pause_is_over(void)
{
    ck_assert(sending.pause.active);
    ck_assert_int_ge(sending.pause.at_ms, loop_now_ms(rig.app.loop));
    ck_assert_int_lt(sending.pause.at_ms, loop_now_ms(rig.app.loop) + VENDOR_REPEAT_WINDOW_MS);
    timer_stop(rig.app.loop, &sending.pause);
    sending.pause.on_time(&sending.pause);
}

START_TEST(a_broken_call_is_repeated_once_where_it_may_run_twice)
{
    begin(BREAKS[_i].call, VENDOR_TOKEN_CLIENT);
    rig_break(BREAKS[_i].result, BREAKS[_i].sent);
    ck_assert(sending.repeated == BREAKS[_i].repeats);
    ck_assert_uint_eq(rig.calls, 1);
    if (BREAKS[_i].repeats) {
        ck_assert_uint_eq(done_count, 0);
        pause_is_over();
        ck_assert(rig.call.fresh_connection);
        rig_break(BREAKS[_i].result, BREAKS[_i].sent);
    }
    ck_assert_uint_eq(rig.calls, BREAKS[_i].repeats ? 2 : 1);
    expect(BREAKS[_i].code, 0);
    ck_assert(sending.may_have_run == BREAKS[_i].sent);
    ck_assert_str_eq(sending.reason, "the rig broke it");
}
END_TEST

START_TEST(a_repeat_that_cannot_be_sent_gives_the_first_outcome)
{
    begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
    rig_break(CALL_BROKEN, true);
    rig.permit = FAILURE_LIMITED;
    pause_is_over();
    expect(ERR_UPSTREAM_UNAVAILABLE, 0);
    ck_assert_int_eq(sending.failure, FAILURE_BROKEN);
    ck_assert(sending.may_have_run);
    ck_assert_str_eq(sending.reason, "the rig broke it");
}
END_TEST

START_TEST(what_may_have_run_once_may_have_run)
{
    begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
    rig_break(CALL_BROKEN, true);
    pause_is_over();
    rig_break(CALL_NOT_SENT, false);
    expect(ERR_UPSTREAM_UNAVAILABLE, 0);
    ck_assert(sending.may_have_run);
}
END_TEST

START_TEST(no_budget_no_repeat)
{
    rig.no_repeats = true;
    begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
    rig_break(CALL_NOT_SENT, false);
    expect(ERR_UPSTREAM_UNAVAILABLE, 0);
    ck_assert_uint_eq(rig.calls, 1);
}
END_TEST

START_TEST(no_repeat_that_the_deadline_would_cut)
{
    static const int LEFT_MS[] = {-1, 0};
    for (size_t i = 0; i < ARRAY_LEN(LEFT_MS); i++) {
        begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
        sending.deadline_ms = loop_now_ms(rig.app.loop) + VENDOR_REPEAT_WINDOW_MS +
                              VENDOR_REPEAT_LEAST_MS + LEFT_MS[i];
        rig_break(CALL_BROKEN, true);
        ck_assert(sending.repeated == (LEFT_MS[i] == 0));
        vendor_send_cancel(&sending);
    }
}
END_TEST

START_TEST(a_call_that_our_token_left_no_time_says_nothing_about_the_vendor)
{
    static const int LEFT_MS[] = {-1, 0};
    for (size_t i = 0; i < ARRAY_LEN(LEFT_MS); i++) {
        rig.given_back = 0;
        rig.reported = FAILURE_NONE;
        rig.has_token = false;
        begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
        sending.deadline_ms = loop_now_ms(rig.app.loop) + VENDOR_REPEAT_LEAST_MS + LEFT_MS[i];
        rig_token_arrives(ERR_OK);
        rig_break(CALL_TIMED_OUT, false);
        expect(ERR_UPSTREAM_TIMEOUT, 0);
        ck_assert_uint_eq(rig.given_back, LEFT_MS[i] < 0);
        ck_assert_int_eq(rig.reported, LEFT_MS[i] < 0 ? FAILURE_NONE : FAILURE_LATE_UNSENT);
    }
}
END_TEST

START_TEST(a_pause_ends_with_the_one_who_waits)
{
    begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
    rig_break(CALL_BROKEN, true);
    vendor_send_cancel(&sending);
    ck_assert(!sending.pause.active);
    ck_assert(sending.may_have_run);
    ck_assert_uint_eq(done_count, 0);
}
END_TEST

START_TEST(a_cancelled_call_is_not_reported)
{
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    vendor_send_cancel(&sending);
    vendor_send_cancel(&sending);
    ck_assert_ptr_null(rig.call_done);
    ck_assert_uint_eq(done_count, 0);

    rig.has_token = false;
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    vendor_send_cancel(&sending);
    ck_assert_ptr_null(rig.token_wait);
}
END_TEST

START_TEST(a_permit_taken_ahead_goes_back_when_nothing_is_sent)
{
    sending = (struct vendor_send){.app = &rig.app, .call = VENDOR_AUTHENTICATE, .done = on_done};
    ck_assert_int_eq(vendor_permit(&sending), ERR_OK);
    vendor_send_cancel(&sending);
    ck_assert_uint_eq(rig.given_back, 1);
    vendor_send_cancel(&sending);
    ck_assert_uint_eq(rig.given_back, 1);

    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    vendor_send_cancel(&sending);
    ck_assert_uint_eq(rig.given_back, 1);
}
END_TEST

START_TEST(the_breakers_probe_is_told_apart_while_it_is_under_way)
{
    rig.probe = true;
    begin(VENDOR_START, VENDOR_TOKEN_CLIENT);
    ck_assert(vendor_send_is_probe(&sending));
    ck_assert(!vendor_send_must_finish(&sending));
    rig_answer(200, "");
    ck_assert(!vendor_send_is_probe(&sending));
}
END_TEST

START_TEST(only_a_call_that_may_not_run_twice_must_be_seen_through)
{
    begin(VENDOR_REGISTER, VENDOR_TOKEN_USER);
    ck_assert(!vendor_send_must_finish(&sending));
    rig.call_sent = true;
    ck_assert(vendor_send_must_finish(&sending));
    rig_answer(200, "");
    ck_assert(vendor_send_must_finish(&sending));

    begin(VENDOR_DELETE, VENDOR_TOKEN_USER);
    ck_assert(!vendor_send_must_finish(&sending));
    vendor_send_cancel(&sending);
}
END_TEST

START_TEST(no_memory_for_the_call_is_a_failure)
{
    rig.call_fails_to_start = true;
    sending = (struct vendor_send){.app = &rig.app, .done = on_done};
    ck_assert_int_eq(vendor_send_start(&sending), ERR_NO_MEMORY);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vendor_send");
    tcase_add_checked_fixture(t, rig_set_up, rig_tear_down);
    tcase_add_test(t, a_call_carries_token_body_address_and_deadline);
    tcase_add_test(t, the_users_token_is_sent_as_it_was_given);
    tcase_add_test(t, the_admin_token_is_the_clients_where_there_is_no_admin);
    tcase_add_test(t, without_a_token_it_waits_for_one);
    tcase_add_test(t, a_token_that_does_not_come_ends_it);
    tcase_add_loop_test(t, no_permit_no_call, 0, ARRAY_LEN(NO_PERMITS));
    tcase_add_test(t, a_probe_is_reported_as_one_and_its_renewed_call_asks_anew);
    tcase_add_test(t, a_permit_taken_ahead_is_used_once);
    tcase_add_loop_test(t, a_401_about_our_token_renews_it_once, 0, ARRAY_LEN(REFUSALS));
    tcase_add_loop_test(t, a_403_is_an_alarm_where_no_app_can_cause_it, 0, ARRAY_LEN(FORBIDDEN));
    tcase_add_test(t, a_token_that_the_keeper_does_not_replace_is_not_sent_again);
    tcase_add_loop_test(t, a_broken_call_is_repeated_once_where_it_may_run_twice, 0,
                        ARRAY_LEN(BREAKS));
    tcase_add_test(t, a_repeat_that_cannot_be_sent_gives_the_first_outcome);
    tcase_add_test(t, what_may_have_run_once_may_have_run);
    tcase_add_test(t, no_budget_no_repeat);
    tcase_add_test(t, no_repeat_that_the_deadline_would_cut);
    tcase_add_test(t, a_call_that_our_token_left_no_time_says_nothing_about_the_vendor);
    tcase_add_test(t, a_pause_ends_with_the_one_who_waits);
    tcase_add_test(t, a_cancelled_call_is_not_reported);
    tcase_add_test(t, a_permit_taken_ahead_goes_back_when_nothing_is_sent);
    tcase_add_test(t, the_breakers_probe_is_told_apart_while_it_is_under_way);
    tcase_add_test(t, only_a_call_that_may_not_run_twice_must_be_seen_through);
    tcase_add_test(t, no_memory_for_the_call_is_a_failure);
    return unit_run(t, "vendor_send");
}
