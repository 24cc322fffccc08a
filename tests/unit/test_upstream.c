/* SPDX-License-Identifier: Apache-2.0
 * The request bodies as the vendor gets them, and the first reading of its answers. */
#include "identity/upstream.h"

#include <stdio.h>

#include "unit.h"

static struct buf out;

static void set_up(void)
{
    buf_init(&out, VENDOR_BODY_MAX);
}

static void tear_down(void)
{
    buf_finish(&out);
}

static struct json *parsed(const char *text)
{
    static const struct json_limits LIMITS = {4096, 8, 100};
    struct json *root = NULL;
    struct json_error problem;
    ck_assert_int_eq(json_parse(str_of(text), &LIMITS, &root, &problem), ERR_OK);
    return root;
}

START_TEST(start_names_a_user_and_nothing_that_was_not_given)
{
    const struct start_call call = {.user_id = STR("u-1")};
    start_body(&out, &call);
    ck_assert_str_is(buf_str(&out), "{\"user_id\":\"u-1\"}");
}
END_TEST

START_TEST(start_carries_everything_that_was_given)
{
    const struct start_call call = {
        .identifier = STR("a@b.c"),
        .identifier_type = STR("email"),
        .device_id = STR("d-1"),
        .approval_data = STR("{\"sum\":\"200\"}"),
        .timeout_s = 30,
    };
    start_body(&out, &call);
    ck_assert_str_is(buf_str(&out),
                     "{\"identifier\":\"a@b.c\",\"identifier_type\":\"email\","
                     "\"device_id\":\"d-1\",\"approval_data\":{\"sum\":\"200\"},\"timeout\":30}");
}
END_TEST

START_TEST(authenticate_sends_the_four_members_that_the_vendor_requires)
{
    const struct authenticate_call call = {
        .user_id = STR("u-1"),
        .key_id = STR("k-1"),
        .challenge = STR("c"),
        .signature = STR("s"),
    };
    authenticate_body(&out, &call);
    ck_assert_str_is(buf_str(&out), "{\"user_id\":\"u-1\",\"key_id\":\"k-1\",\"challenge\":\"c\","
                                    "\"signature\":\"s\"}");
}
END_TEST

START_TEST(authenticate_carries_session_resource_and_client_attributes)
{
    const struct authenticate_call call = {
        .user_id = STR("u"),
        .key_id = STR("k"),
        .challenge = STR("c"),
        .signature = STR("s"),
        .resource = STR("r"),
        .org_id = STR("o"),
        .session_id = STR("sid"),
        .user_agent = STR("Demo/1.0"),
        .ip_address = STR("203.0.113.7"),
    };
    authenticate_body(&out, &call);
    ck_assert_str_is(buf_str(&out),
                     "{\"user_id\":\"u\",\"key_id\":\"k\",\"challenge\":\"c\",\"signature\":\"s\","
                     "\"resource\":\"r\",\"org_id\":\"o\",\"session_id\":\"sid\","
                     "\"client_attributes\":{\"user_agent\":\"Demo/1.0\","
                     "\"ip_address\":\"203.0.113.7\"}}");
}
END_TEST

static const struct {
    const char *asked; /* NULL: the app asked for no claims */
    bool approval;
    const char *sent;
} CLAIMS[] = {
    {NULL, true, "{\"id_token\":{\"approval_data\":null}}"},
    {"{\"id_token\":{\"email\":null}}", false, "{\"id_token\":{\"email\":null}}"},
    {"{\"id_token\":{\"email\":null}}", true,
     "{\"id_token\":{\"email\":null,\"approval_data\":null}}"},
    {"{\"access_token\":{\"x\":{\"essential\":true}}}", true,
     "{\"id_token\":{\"approval_data\":null},\"access_token\":{\"x\":{\"essential\":true}}}"},
    {"{\"id_token\":{\"approval_data\":{\"value\":1},\"a\":null}}", true,
     "{\"id_token\":{\"a\":null,\"approval_data\":null}}"},
    {"{\"id_token\":{},\"access_token\":{}}", false, "{\"id_token\":{},\"access_token\":{}}"},
};

START_TEST(authenticate_merges_the_request_for_approval_data_into_the_claims)
{
    AUTO_JSON struct json *claims = CLAIMS[_i].asked ? parsed(CLAIMS[_i].asked) : NULL;
    const struct authenticate_call call = {
        .user_id = STR("u"),
        .key_id = STR("k"),
        .challenge = STR("c"),
        .signature = STR("s"),
        .claims = claims,
        .ask_approval_data = CLAIMS[_i].approval,
    };
    authenticate_body(&out, &call);
    AUTO_JSON struct json *sent = parsed(out.ptr);
    AUTO_BUF struct buf text;
    buf_init(&text, 4096);
    json_print(&text, json_member(sent, "claims"));
    ck_assert_str_is(buf_str(&text), CLAIMS[_i].sent);
}
END_TEST

START_TEST(register_uses_the_names_and_the_mapping_of_the_vendor)
{
    const struct register_call call = {
        .key_id = STR("k-1"),
        .public_key = STR("-----BEGIN\nx"),
        .device_id = STR("d"),
        .display_name = STR("Ada's"),
        .challenge = STR("c"),
        .attestation = STR("a"),
        .ec = true,
        .ios = false,
    };
    register_body(&out, &call);
    ck_assert_str_is(buf_str(&out), "{\"publicKey\":\"-----BEGIN\\nx\",\"publicKeyId\":\"k-1\","
                                    "\"os\":\"Android\",\"encryptionType\":\"ec\","
                                    "\"device_id\":\"d\",\"displayName\":\"Ada's\","
                                    "\"challenge\":\"c\",\"attestation_encoded_result\":\"a\"}");
}
END_TEST

START_TEST(register_always_says_what_kind_of_key_it_is)
{
    const struct register_call call = {.key_id = STR("k"), .public_key = STR("p"), .ios = true};
    register_body(&out, &call);
    ck_assert_str_is(buf_str(&out), "{\"publicKey\":\"p\",\"publicKeyId\":\"k\",\"os\":\"iOS\","
                                    "\"encryptionType\":\"rsa\"}");
}
END_TEST

START_TEST(the_small_bodies_escape_what_they_carry)
{
    static void (*const WRITE[])(struct buf *, struct str) = {delete_body, face_revoke_body,
                                                              refresh_body, logout_body};
    static const char *const NAMES[] = {"publicKeyId", "user_id", "refresh_token", "session_id"};
    WRITE[_i](&out, STR("a\"b"));
    char expected[64];
    (void)snprintf(expected, sizeof expected, "{\"%s\":\"a\\\"b\"}", NAMES[_i]);
    ck_assert_str_is(buf_str(&out), expected);
}
END_TEST

static const struct {
    const char *content_type;
    bool charset_ok;
    const char *body;
    enum err expected;
} BODIES[] = {
    {"application/json", true, "{\"a\":1}", ERR_OK},
    {"application/json", true, "{\"a\":1,\"a\":2}", ERR_UPSTREAM_INVALID_RESPONSE},
    {"application/json", true, "[1]", ERR_UPSTREAM_INVALID_RESPONSE},
    {"application/json", true, "", ERR_UPSTREAM_INVALID_RESPONSE},
    {"application/json", true, "<html>", ERR_UPSTREAM_INVALID_RESPONSE},
    {"application/json", false, "{\"a\":1}", ERR_UPSTREAM_INVALID_RESPONSE},
    {"text/html", true, "{\"a\":1}", ERR_UPSTREAM_INVALID_RESPONSE},
    {NULL, true, "{\"a\":1}", ERR_UPSTREAM_INVALID_RESPONSE},
};

START_TEST(a_body_is_a_strict_json_object_that_says_so)
{
    const struct call_answer answer = {
        .body = str_of(BODIES[_i].body),
        .content_type = str_of(BODIES[_i].content_type),
        .charset_ok = BODIES[_i].charset_ok,
    };
    AUTO_JSON struct json *root = NULL;
    const char *reason = NULL;
    ck_assert_int_eq(vendor_body_read(&answer, &root, &reason), BODIES[_i].expected);
    ck_assert((root != NULL) == (BODIES[_i].expected == ERR_OK));
    ck_assert((reason != NULL) == (BODIES[_i].expected != ERR_OK));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("upstream");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, start_names_a_user_and_nothing_that_was_not_given);
    tcase_add_test(t, start_carries_everything_that_was_given);
    tcase_add_test(t, authenticate_sends_the_four_members_that_the_vendor_requires);
    tcase_add_test(t, authenticate_carries_session_resource_and_client_attributes);
    tcase_add_loop_test(t, authenticate_merges_the_request_for_approval_data_into_the_claims, 0,
                        ARRAY_LEN(CLAIMS));
    tcase_add_test(t, register_uses_the_names_and_the_mapping_of_the_vendor);
    tcase_add_test(t, register_always_says_what_kind_of_key_it_is);
    tcase_add_loop_test(t, the_small_bodies_escape_what_they_carry, 0, 4);
    tcase_add_loop_test(t, a_body_is_a_strict_json_object_that_says_so, 0, ARRAY_LEN(BODIES));
    return unit_run(t, "upstream");
}
