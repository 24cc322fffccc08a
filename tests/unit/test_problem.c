/* SPDX-License-Identifier: Apache-2.0
 * base/problem: members of the document, with and without the optional ones. */
#include "unit.h"

#include "base/buf.h"
#include "base/error.h"

START_TEST(plain_failure)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 4096);
    const struct failure f = failure_of(ERR_TOKEN_EXPIRED);
    problem_write(&b, &f, "r-1");
    ck_assert_str_is(buf_str(&b),
                     "{\"type\":\"/problems/token_expired\",\"title\":\"The access token has "
                     "expired\",\"status\":401,\"detail\":\"only the expiry of the Bearer token "
                     "failed\",\"code\":\"token_expired\",\"request_id\":\"r-1\",\"retry\":"
                     "\"refresh\"}");
}
END_TEST

START_TEST(failure_with_everything)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 4096);
    struct failure f = failure_of(ERR_REQUEST_REJECTED);
    f.detail = "the user is \"gone\"";
    f.retry = RETRY_LOGIN;
    f.upstream_code = "user_inactive";
    f.reason = "for the log alone";
    f.pointers[0].pointer = "/user_id";
    f.pointers[0].detail = "too long";
    f.pointers[1].pointer = "/x~1y";
    f.pointers[1].detail = "unknown member";
    f.pointer_count = 2;
    problem_write(&b, &f, "r-2");
    ck_assert_str_is(
        buf_str(&b),
        "{\"type\":\"/problems/request_rejected\",\"title\":\"The identity service "
        "rejected the request\",\"status\":422,\"detail\":\"the user is \\\"gone\\\"\","
        "\"code\":\"request_rejected\",\"request_id\":\"r-2\",\"retry\":\"login\","
        "\"errors\":[{\"pointer\":\"/user_id\",\"detail\":\"too long\"},"
        "{\"pointer\":\"/x~1y\",\"detail\":\"unknown member\"}],"
        "\"upstream_code\":\"user_inactive\"}");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("problem");
    tcase_add_test(tests, plain_failure);
    tcase_add_test(tests, failure_with_everything);
    return unit_run(tests, "problem");
}
