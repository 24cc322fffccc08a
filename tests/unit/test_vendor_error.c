/* SPDX-License-Identifier: Apache-2.0
 * The nine shapes of the vendor's error bodies (contract 4.2, E1 to E9). */
#include "identity/upstream.h"

#include "unit.h"

static const struct {
    const char *body;
    const char *code;
    bool shown;
    bool token_is_bad;
    bool session_gone;
} SHAPES[] = {
    /* E1 */
    {"{\"message\":\"Invalid token\",\"error_code\":401}", "", false, true, false},
    {"{\"message\":\"invalid TOKEN\",\"error_code\":401}", "", false, true, false},
    {"{\"message\":\"Unauthorized\",\"error_code\":401}", "", false, false, false},
    {"{\"message\":\"Session not found\",\"error_code\":400}", "", false, false, true},
    /* E2 */
    {"{\"message\":[\"a is missing\",\"Session not found\"],\"error_code\":400}", "", false, false,
     true},
    {"{\"message\":[\"Invalid token\"],\"error_code\":401}", "", false, true, false},
    /* E3 */
    {"{\"message\":\"x\",\"error_code\":400,\"ts_error_code\":\"auth_invalid_key_type\"}",
     "auth_invalid_key_type", true, false, false},
    {"{\"ts_error_code\":\"system_invalid_input\",\"error_code\":\"invalid_request\"}",
     "system_invalid_input", true, false, false},
    {"{\"ts_error_code\":\"user_not_found\"}", "user_not_found", false, false, false},
    /* E4 */
    {"{\"error_code\":\"client_not_found\",\"message\":\"x\"}", "client_not_found", false, false,
     false},
    /* E5 */
    {"{\"error_code\":\"auth_invalid_credentials\",\"message\":\"x\"}", "auth_invalid_credentials",
     false, false, false},
    /* E6 */
    {"{\"error_code\":\"400\",\"message\":\"Session not found\"}", "", false, false, true},
    /* E7 */
    {"{\"error\":\"invalid_token\",\"error_description\":\"x\"}", "invalid_token", false, true,
     false},
    {"{\"error\":\"access_denied\",\"error_description\":\"Invalid token\"}", "access_denied",
     false, true, false},
    /* E8 */
    {"{\"error_code\":\"unauthorized_request\",\"message\":\"x\"}", "unauthorized_request", false,
     true, false},
    /* E9 and other bodies that say nothing */
    {"<html>Invalid token</html>", "", false, false, false},
    {"", "", false, false, false},
    {"[]", "", false, false, false},
    {"{\"error_code\":\"invalid_token\",\"error_code\":\"x\"}", "", false, false, false},
    {"{\"error_code\":null,\"message\":null}", "", false, false, false},
    {"{\"error_code\":\"two words\"}", "", false, false, false},
    {"{\"error_code\":\"line\\nbreak\"}", "", false, false, false},
    {"{\"error_code\":\"a_code_that_is_much_longer_than_any_code_that_the_vendor_documents\"}", "",
     false, false, false},
};

START_TEST(each_shape_gives_its_code_and_nothing_else)
{
    struct vendor_error error;
    memset(&error, 0x5a, sizeof error);
    ck_assert_int_eq(vendor_error_read(str_of(SHAPES[_i].body), &error), ERR_OK);
    ck_assert_str_eq(error.code, SHAPES[_i].code);
    ck_assert((error.upstream_code != NULL) == SHAPES[_i].shown);
    if (error.upstream_code)
        ck_assert_str_eq(error.upstream_code, SHAPES[_i].code);
    ck_assert(error.token_is_bad == SHAPES[_i].token_is_bad);
    ck_assert(error.session_gone == SHAPES[_i].session_gone);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vendor_error");
    tcase_add_loop_test(t, each_shape_gives_its_code_and_nothing_else, 0, ARRAY_LEN(SHAPES));
    return unit_run(t, "vendor_error");
}
