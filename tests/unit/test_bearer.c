/* SPDX-License-Identifier: Apache-2.0
 * The Authorization field (RFC 6750) and the bearer's verification inside a flow. */
#include "api/bearer.h"

#include <stdio.h>

#include "api_rig.h"
#include "base/clock.h"
#include "jose_support.h"
#include "unit.h"

static const struct {
    const char *field;
    enum err expected;
    const char *token;
} FIELDS[] = {
    {"Bearer abc", ERR_OK, "abc"},
    {"bearer abc", ERR_OK, "abc"},
    {"BEARER a-b._~+/c==", ERR_OK, "a-b._~+/c=="},
    {NULL, ERR_MISSING_TOKEN, NULL},
    {"", ERR_MISSING_TOKEN, NULL},
    {"Basic abc", ERR_MISSING_TOKEN, NULL},
    {"DPoP abc", ERR_MISSING_TOKEN, NULL},
    {"Bearerabc", ERR_MISSING_TOKEN, NULL},
    {"Bear", ERR_MISSING_TOKEN, NULL},
    {"Bearer", ERR_INVALID_TOKEN, NULL},
    {"Bearer ", ERR_INVALID_TOKEN, NULL},
    {"Bearer  abc", ERR_INVALID_TOKEN, NULL},
    {"Bearer\tabc", ERR_INVALID_TOKEN, NULL},
    {"Bearer abc ", ERR_INVALID_TOKEN, NULL},
    {"Bearer abc, Bearer def", ERR_INVALID_TOKEN, NULL},
    {"Bearer abc def", ERR_INVALID_TOKEN, NULL},
    {"Bearer a=b", ERR_INVALID_TOKEN, NULL},
    {"Bearer ==", ERR_INVALID_TOKEN, NULL},
    {"Bearer \"abc\"", ERR_INVALID_TOKEN, NULL},
    {"Bearer ab\xc3\xa9", ERR_INVALID_TOKEN, NULL},
};

START_TEST(a_field_holds_one_token_or_none)
{
    struct str token = {0};
    ck_assert_int_eq(bearer_parse(str_of(FIELDS[_i].field), &token), FIELDS[_i].expected);
    if (FIELDS[_i].token)
        ck_assert_str_is(token, FIELDS[_i].token);
    else
        ck_assert_ptr_null(token.ptr);
}
END_TEST

START_TEST(the_challenge_names_the_error_only_when_a_token_came)
{
    ck_assert_str_eq(bearer_challenge(ERR_MISSING_TOKEN), "Bearer realm=\"biometrics-bff\"");
    ck_assert_str_eq(bearer_challenge(ERR_AUTHENTICATION_FAILED),
                     "Bearer realm=\"biometrics-bff\"");
    ck_assert_ptr_nonnull(strstr(bearer_challenge(ERR_INVALID_TOKEN), "error=\"invalid_token\""));
    ck_assert_ptr_nonnull(strstr(bearer_challenge(ERR_TOKEN_EXPIRED), "has expired"));
}
END_TEST

START_TEST(each_byte_is_of_a_token_or_not)
{
    static const char CHARS[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/";

    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'B', 'e', 'a', 'r', 'e', 'r', ' ', 'a', (char)byte, 'b', '\0'};
        struct str token = {0};
        ck_assert_int_eq(bearer_parse(str_of(text), &token) == ERR_OK, strchr(CHARS, byte) != NULL);
    }
}
END_TEST

/* ---- inside a flow */

static EVP_PKEY *key; /* made once, before the tests fork: making one is slow */
static struct buf field;

static const struct step STEPS[] = {{"bearer", bearer_check}};
static const struct story STORY = {
    .ceremony = CEREMONY_OTHER,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
};

static void publish_key(EVP_PKEY *of, const char *kid)
{
    AUTO_BUF struct buf set;
    buf_init(&set, 65536);
    buf_append_z(&set, "{\"keys\":[");
    jose_jwk(&set, of, kid, "");
    buf_append_z(&set, "]}");
    struct keyset_report report;
    struct err_text error = {0};
    keyset_unref(rig.keys);
    rig.keys = NULL;
    ck_assert_int_eq(
        keyset_parse(buf_str(&set), STR("https://issuer.test"), &rig.keys, &report, &error),
        ERR_OK);
}

static void publish(const char *kid)
{
    publish_key(key, kid);
}

static void present(int64_t exp_s)
{
    char claims[512];
    (void)snprintf(claims, sizeof claims,
                   "{\"iss\":\"https://issuer.test\",\"sub\":\"u-1\",\"aud\":\"userid-api\","
                   "\"client_id\":\"client-1\",\"iat\":%lld,\"exp\":%lld}",
                   (long long)exp_s - 600, (long long)exp_s);
    buf_reset(&field);
    buf_append_z(&field, "Bearer ");
    jose_sign(&field, key, JWS_RS256, STR("{\"alg\":\"RS256\",\"kid\":\"kid-1\"}"), str_of(claims));
    rig.req.authorization = field.ptr;
}

static void make_key(void)
{
    key = jose_rsa_key(2048);
}

static void free_key(void)
{
    EVP_PKEY_free(key);
}

static void set_up(void)
{
    rig_set_up();
    buf_init(&field, 65536);
}

static void tear_down(void)
{
    buf_finish(&field);
    rig_tear_down();
}

START_TEST(a_good_token_passes)
{
    publish("kid-1");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(a_token_of_which_only_the_expiry_fails_may_be_refreshed)
{
    publish("kid-1");
    present(clock_wall_s() - 300);
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.failure.code, ERR_TOKEN_EXPIRED);
    ck_assert_int_eq(rig.req.failure.retry, RETRY_REFRESH);
}
END_TEST

START_TEST(an_unknown_kid_asks_the_keeper_and_is_verified_again)
{
    publish("kid-0");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.status, 0);
    publish("kid-1");
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(a_kid_that_stays_unknown_is_refused_after_one_question)
{
    publish("kid-0");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
    ck_assert_str_eq(rig.req.failure.reason, "unknown_kid");
    ck_assert_ptr_null(rig.kid_wait);
}
END_TEST

START_TEST(the_keepers_refusal_is_the_answer)
{
    static const enum err OUTCOMES[] = {ERR_INVALID_TOKEN, ERR_KEYS_UNAVAILABLE};
    publish("kid-0");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    rig_kid_arrives(OUTCOMES[_i]);
    ck_assert_int_eq(rig.req.failure.code, OUTCOMES[_i]);
}
END_TEST

START_TEST(without_any_keys_nothing_passes)
{
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.failure.code, ERR_KEYS_UNAVAILABLE);
}
END_TEST

static void present_under_another_key(void)
{
    EVP_PKEY *other = jose_rsa_key(2048);
    publish_key(other, "kid-1");
    EVP_PKEY_free(other);
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
}

START_TEST(a_key_that_was_put_under_an_old_kid_is_found_by_one_question)
{
    rig.may_look_again = true;
    present_under_another_key();
    ck_assert_int_eq(rig.req.status, 0);
    publish("kid-1");
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(a_bad_signature_is_refused_after_one_question)
{
    rig.may_look_again = true;
    present_under_another_key();
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
    ck_assert_str_eq(rig.req.failure.reason, "signature");
    ck_assert_ptr_null(rig.kid_wait);
}
END_TEST

START_TEST(a_bad_signature_is_refused_at_once_when_the_keys_were_just_looked_at)
{
    present_under_another_key();
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
    ck_assert_ptr_null(rig.kid_wait);
}
END_TEST

START_TEST(a_bad_signature_whose_kid_goes_meanwhile_is_still_refused)
{
    rig.may_look_again = true;
    present_under_another_key();
    publish("kid-2");
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
    ck_assert_ptr_null(rig.kid_wait);
}
END_TEST

START_TEST(the_end_of_the_request_cancels_the_question)
{
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    ck_assert_ptr_nonnull(rig.kid_wait);
    rig_end_request();
    ck_assert_ptr_null(rig.kid_wait);
}
END_TEST

/* ---- remembered tokens */

static void with_memory(void)
{
    app_finish(&rig.app);
    rig.app.token_memory_max = 8;
    ck_assert_int_eq(app_init(&rig.app), ERR_OK);
}

static void again(void)
{
    rig_end_request();
    rig.req.status = 0;
    flow_start(&rig.req, &STORY);
}

/* The last character of the signature: the token is another one, and no longer signed. */
static void spoil(void)
{
    char *last = &field.ptr[field.len - 2];
    *last = *last == 'A' ? 'B' : 'A';
}

START_TEST(a_remembered_token_passes_as_it_did)
{
    with_memory();
    publish("kid-1");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.status, 204);
    again();
    ck_assert_int_eq(rig.req.status, 204);
}
END_TEST

START_TEST(a_token_that_resembles_a_remembered_one_does_not_pass)
{
    with_memory();
    publish("kid-1");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    spoil();
    again();
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
    again();
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
}
END_TEST

START_TEST(a_remembered_token_whose_key_went_is_refused)
{
    with_memory();
    publish("kid-1");
    present(clock_wall_s() + 300);
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.status, 204);
    publish("kid-2");
    again();
    rig_kid_arrives(ERR_OK);
    ck_assert_int_eq(rig.req.failure.code, ERR_INVALID_TOKEN);
}
END_TEST

static const struct step LOGOUT_STEPS[] = {{"bearer", bearer_check_for_logout}};
static const struct story LOGOUT = {
    .ceremony = CEREMONY_OTHER,
    .steps = LOGOUT_STEPS,
    .step_count = ARRAY_LEN(LOGOUT_STEPS),
};

/* Good enough for logout alone, so it must not be remembered for the others. */
START_TEST(a_token_that_logout_took_is_not_remembered)
{
    with_memory();
    publish("kid-1");
    present(clock_wall_s() - 300);
    flow_start(&rig.req, &LOGOUT);
    ck_assert_int_eq(rig.req.status, 204);
    again();
    ck_assert_int_eq(rig.req.failure.code, ERR_TOKEN_EXPIRED);
}
END_TEST

START_TEST(no_token_is_missing_and_not_invalid)
{
    flow_start(&rig.req, &STORY);
    ck_assert_int_eq(rig.req.failure.code, ERR_MISSING_TOKEN);
    ck_assert_str_eq(rig.req.failure.www_authenticate, "Bearer realm=\"biometrics-bff\"");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("bearer");
    tcase_add_unchecked_fixture(t, make_key, free_key);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_field_holds_one_token_or_none, 0, ARRAY_LEN(FIELDS));
    tcase_add_test(t, the_challenge_names_the_error_only_when_a_token_came);
    tcase_add_test(t, each_byte_is_of_a_token_or_not);
    tcase_add_test(t, a_good_token_passes);
    tcase_add_test(t, a_token_of_which_only_the_expiry_fails_may_be_refreshed);
    tcase_add_test(t, an_unknown_kid_asks_the_keeper_and_is_verified_again);
    tcase_add_test(t, a_kid_that_stays_unknown_is_refused_after_one_question);
    tcase_add_loop_test(t, the_keepers_refusal_is_the_answer, 0, 2);
    tcase_add_test(t, without_any_keys_nothing_passes);
    tcase_add_test(t, a_key_that_was_put_under_an_old_kid_is_found_by_one_question);
    tcase_add_test(t, a_bad_signature_is_refused_after_one_question);
    tcase_add_test(t, a_bad_signature_is_refused_at_once_when_the_keys_were_just_looked_at);
    tcase_add_test(t, a_bad_signature_whose_kid_goes_meanwhile_is_still_refused);
    tcase_add_test(t, the_end_of_the_request_cancels_the_question);
    tcase_add_test(t, a_remembered_token_passes_as_it_did);
    tcase_add_test(t, a_token_that_resembles_a_remembered_one_does_not_pass);
    tcase_add_test(t, a_remembered_token_whose_key_went_is_refused);
    tcase_add_test(t, a_token_that_logout_took_is_not_remembered);
    tcase_add_test(t, no_token_is_missing_and_not_invalid);
    return unit_run(t, "bearer");
}
