/* SPDX-License-Identifier: Apache-2.0
 * The loop of steps: order, waiting, failing, the client that leaves, the clean-up. */
#include "api/flow.h"

#include "api/answer.h"
#include "api_rig.h"
#include "unit.h"

static char trail[64]; /* a letter for each step that ran */
static unsigned finished;
static struct flow *waiting;

static void note(char letter)
{
    const size_t len = strlen(trail);
    ck_assert_uint_lt(len, sizeof trail - 1);
    trail[len] = letter;
    trail[len + 1] = '\0';
}

static enum err step_a(struct flow *f)
{
    (void)f;
    note('a');
    return ERR_OK;
}

static enum err step_b(struct flow *f)
{
    (void)f;
    note('b');
    return ERR_OK;
}

static enum err step_wait(struct flow *f)
{
    note('w');
    waiting = f;
    return ERR_PENDING;
}

static enum err step_fail(struct flow *f)
{
    note('f');
    return flow_fail_with(f, ERR_CHALLENGE_USED, "why");
}

static enum err step_bare_code(struct flow *f)
{
    (void)f;
    note('c');
    return ERR_NO_MEMORY;
}

static enum err step_commit(struct flow *f)
{
    flow_retry_from_now(f, RETRY_NEW_CHALLENGE);
    return ERR_OK;
}

static enum err step_send_once(struct flow *f)
{
    note('s');
    return flow_send(f, VENDOR_AUTHENTICATE, VENDOR_TOKEN_CLIENT);
}

static enum err step_send(struct flow *f)
{
    note('s');
    buf_append_z(flow_call_body(f), "{}");
    return flow_send(f, VENDOR_LOGOUT, VENDOR_TOKEN_CLIENT);
}

static enum err step_answer(struct flow *f)
{
    static const struct answer_rule RULES[] = {
        {400, "auth_invalid_key_type", ERR_KEY_REJECTED},
        {400, NULL, ERR_REQUEST_REJECTED},
        {404, NULL, ERR_OK},
    };
    note('r');
    return answer_map(f, RULES, ARRAY_LEN(RULES));
}

static enum err step_document(struct flow *f)
{
    buf_append_z(flow_reply_json(f, 201, 8), "{\"a\":1}");
    return ERR_OK;
}

static enum err step_too_long(struct flow *f)
{
    buf_append_z(flow_reply_json(f, 200, 8), "{\"a\":12345}");
    return ERR_OK;
}

static void on_finish(struct flow *f)
{
    ck_assert_ptr_nonnull(f->state);
    finished++;
}

/* A story of the given steps. */
static void tell(step_fn *first, step_fn *second, step_fn *third)
{
    static struct step steps[3];
    static struct story story;
    steps[0] = (struct step){"first", first};
    steps[1] = (struct step){"second", second};
    steps[2] = (struct step){"third", third};
    story = (struct story){
        .ceremony = CEREMONY_OTHER,
        .steps = steps,
        .step_count = !second  ? 1
                      : !third ? 2
                               : 3,
        .state_bytes = 16,
        .finish = on_finish,
    };
    flow_start(&rig.req, &story);
}

static void set_up(void)
{
    rig_set_up();
    trail[0] = '\0';
    finished = 0;
    waiting = NULL;
}

START_TEST(steps_run_in_order_and_then_the_reply_goes_out)
{
    tell(step_a, step_b, NULL);
    ck_assert_str_eq(trail, "ab");
    ck_assert_int_eq(rig.req.status, 204);
    ck_assert_uint_eq(rig.req.reply.len, 0);
}
END_TEST

START_TEST(a_document_is_the_answer)
{
    tell(step_document, NULL, NULL);
    ck_assert_int_eq(rig.req.status, 201);
    ck_assert_str_is(buf_str(&rig.req.reply), "{\"a\":1}");
}
END_TEST

START_TEST(an_answer_that_outgrows_its_buffer_is_our_fault)
{
    tell(step_too_long, NULL, NULL);
    ck_assert_int_eq(rig.req.failure.code, ERR_INTERNAL);
}
END_TEST

START_TEST(a_failing_step_ends_the_story)
{
    tell(step_a, step_fail, step_b);
    ck_assert_str_eq(trail, "af");
    ck_assert_int_eq(rig.req.failure.code, ERR_CHALLENGE_USED);
    ck_assert_str_eq(rig.req.failure.reason, "why");
    ck_assert_int_eq(rig.req.failure.retry, RETRY_NEW_CHALLENGE);
}
END_TEST

START_TEST(a_bare_code_gets_the_tables_text)
{
    tell(step_bare_code, NULL, NULL);
    ck_assert_int_eq(rig.req.failure.code, ERR_OVERLOADED);
    ck_assert_int_eq(rig.req.failure.retry, RETRY_SAME);
    ck_assert_int_ge(rig.req.failure.retry_after_s, 1);
}
END_TEST

START_TEST(from_a_point_on_every_failure_tells_the_app_the_same)
{
    tell(step_commit, step_bare_code, NULL);
    ck_assert_int_eq(rig.req.failure.code, ERR_OVERLOADED);
    ck_assert_int_eq(rig.req.failure.retry, RETRY_NEW_CHALLENGE);
}
END_TEST

START_TEST(a_waiting_step_is_left_or_run_again)
{
    tell(step_wait, step_b, NULL);
    ck_assert_str_eq(trail, "w");
    ck_assert_int_eq(rig.req.status, 0);
    flow_again(waiting);
    ck_assert_str_eq(trail, "ww");
    flow_continue(waiting, ERR_OK);
    ck_assert_str_eq(trail, "wwb");
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(what_is_waited_for_may_fail)
{
    tell(step_wait, step_b, NULL);
    flow_continue(waiting, ERR_KEYS_UNAVAILABLE);
    ck_assert_str_eq(trail, "w");
    ck_assert_int_eq(rig.req.failure.code, ERR_KEYS_UNAVAILABLE);
}
END_TEST

START_TEST(a_401_always_says_how_to_authenticate)
{
    tell(step_wait, NULL, NULL);
    flow_continue(waiting, ERR_TOKEN_EXPIRED);
    ck_assert_int_eq(rig.req.status, 401);
    ck_assert_ptr_nonnull(strstr(rig.req.failure.www_authenticate, "error=\"invalid_token\""));
}
END_TEST

START_TEST(the_answer_of_a_call_is_there_in_the_next_step)
{
    tell(step_send, step_answer, step_b);
    rig_answer(200, "{}");
    ck_assert_str_eq(trail, "srb");
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(an_answer_is_mapped_by_the_first_rule_that_fits)
{
    static const struct {
        int status;
        const char *body;
        enum err code;
        bool shown;
    } CASES[] = {
        {400, "{\"ts_error_code\":\"auth_invalid_key_type\"}", ERR_KEY_REJECTED, true},
        {400, "{\"error_code\":\"user_not_found\"}", ERR_REQUEST_REJECTED, false},
        {400, "", ERR_REQUEST_REJECTED, false},
        {404, "", ERR_OK, false},
        {409, "", ERR_UPSTREAM_INVALID_RESPONSE, false},
    };
    tell(step_send, step_answer, NULL);
    rig_answer(CASES[_i].status, CASES[_i].body);
    if (CASES[_i].code == ERR_OK) {
        ck_assert_int_eq(rig.req.status, 204);
        return;
    }
    ck_assert_int_eq(rig.req.failure.code, CASES[_i].code);
    ck_assert((rig.req.failure.upstream_code != NULL) == CASES[_i].shown);
}
END_TEST

START_TEST(a_broken_call_ends_the_story_with_its_reason)
{
    tell(step_send_once, step_answer, NULL);
    rig_break(CALL_BROKEN, true);
    ck_assert_str_eq(trail, "s");
    ck_assert_int_eq(rig.req.failure.code, ERR_UPSTREAM_OUTCOME_UNKNOWN);
    ck_assert_str_eq(rig.req.failure.reason, "the rig broke it");
}
END_TEST

START_TEST(a_client_that_leaves_takes_a_harmless_call_along)
{
    tell(step_send, step_answer, NULL);
    rig.call_sent = true;
    rig.req.on_gone(rig.req.on_gone_arg);
    ck_assert(rig.req.abandoned);
    ck_assert_ptr_null(rig.call_done); /* at once, and not when the request ends */
    ck_assert_uint_eq(finished, 1);
    rig_end_request();
    ck_assert_uint_eq(finished, 1);
}
END_TEST

START_TEST(a_client_that_leaves_is_not_told_of_what_was_waited_for)
{
    rig.has_token = false;
    tell(want_client_token, step_b, NULL);
    rig.req.on_gone(rig.req.on_gone_arg);
    ck_assert(rig.req.abandoned);
    ck_assert_ptr_null(rig.token_wait);
}
END_TEST

START_TEST(a_client_that_leaves_does_not_stop_what_the_vendor_may_be_executing)
{
    tell(step_send_once, step_answer, NULL);
    rig.call_sent = true;
    rig.req.on_gone(rig.req.on_gone_arg);
    ck_assert(!rig.req.abandoned);
    rig_answer(200, "{}");
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(a_client_that_leaves_before_the_call_went_out_stops_it)
{
    tell(step_send_once, step_answer, NULL);
    rig.call_sent = false;
    rig.req.on_gone(rig.req.on_gone_arg);
    ck_assert(rig.req.abandoned);
    ck_assert_ptr_null(rig.call_done);
}
END_TEST

START_TEST(the_end_of_a_request_cancels_what_is_under_way_and_finishes_once)
{
    tell(step_send, step_answer, NULL);
    rig_end_request();
    ck_assert_ptr_null(rig.call_done);
    ck_assert_uint_eq(finished, 1);
}
END_TEST

START_TEST(the_end_of_a_request_cancels_a_wait_for_the_token)
{
    rig.has_token = false;
    tell(want_client_token, step_b, NULL);
    ck_assert_ptr_nonnull(rig.token_wait);
    rig_end_request();
    ck_assert_ptr_null(rig.token_wait);
}
END_TEST

START_TEST(the_token_that_arrives_lets_the_story_go_on)
{
    rig.has_token = false;
    tell(want_client_token, step_b, NULL);
    rig_token_arrives(ERR_OK);
    ck_assert_str_eq(trail, "b");
}
END_TEST

START_TEST(the_token_that_does_not_arrive_ends_it)
{
    rig.has_token = false;
    tell(want_client_token, step_b, NULL);
    rig_token_arrives(ERR_UPSTREAM_REFUSED_CREDENTIALS);
    ck_assert_str_eq(trail, "");
    ck_assert_int_eq(rig.req.failure.code, ERR_UPSTREAM_REFUSED_CREDENTIALS);
}
END_TEST

START_TEST(no_memory_at_the_start_is_overload)
{
    arena_finish(&rig.req.arena);
    arena_init(&rig.req.arena, 1);
    tell(step_a, NULL, NULL);
    ck_assert_str_eq(trail, "");
    ck_assert_int_eq(rig.req.failure.code, ERR_OVERLOADED);
}
END_TEST

static TCase *calls(void)
{
    TCase *t = tcase_create("calls");
    tcase_add_checked_fixture(t, set_up, rig_tear_down);
    tcase_add_test(t, the_answer_of_a_call_is_there_in_the_next_step);
    tcase_add_loop_test(t, an_answer_is_mapped_by_the_first_rule_that_fits, 0, 5);
    tcase_add_test(t, a_broken_call_ends_the_story_with_its_reason);
    tcase_add_test(t, a_client_that_leaves_takes_a_harmless_call_along);
    tcase_add_test(t, a_client_that_leaves_is_not_told_of_what_was_waited_for);
    tcase_add_test(t, a_client_that_leaves_does_not_stop_what_the_vendor_may_be_executing);
    tcase_add_test(t, a_client_that_leaves_before_the_call_went_out_stops_it);
    tcase_add_test(t, the_end_of_a_request_cancels_what_is_under_way_and_finishes_once);
    tcase_add_test(t, the_end_of_a_request_cancels_a_wait_for_the_token);
    tcase_add_test(t, the_token_that_arrives_lets_the_story_go_on);
    tcase_add_test(t, the_token_that_does_not_arrive_ends_it);
    return t;
}

static TCase *steps(void)
{
    TCase *t = tcase_create("steps");
    tcase_add_checked_fixture(t, set_up, rig_tear_down);
    tcase_add_test(t, steps_run_in_order_and_then_the_reply_goes_out);
    tcase_add_test(t, a_document_is_the_answer);
    tcase_add_test(t, an_answer_that_outgrows_its_buffer_is_our_fault);
    tcase_add_test(t, a_failing_step_ends_the_story);
    tcase_add_test(t, a_bare_code_gets_the_tables_text);
    tcase_add_test(t, from_a_point_on_every_failure_tells_the_app_the_same);
    tcase_add_test(t, a_waiting_step_is_left_or_run_again);
    tcase_add_test(t, what_is_waited_for_may_fail);
    tcase_add_test(t, a_401_always_says_how_to_authenticate);
    tcase_add_test(t, no_memory_at_the_start_is_overload);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("flow");
    suite_add_tcase(suite, steps());
    suite_add_tcase(suite, calls());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
