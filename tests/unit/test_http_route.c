/* SPDX-License-Identifier: Apache-2.0
 * net/http_route: literal and parameter segments, raw parameters, trailing and doubled slashes,
 * methods of a path, HEAD as GET, Allow. */
#include "net/http_route.h"

#include "unit.h"

static void unused(struct request *req)
{
    (void)req;
}

static const struct route ROUTES[] = {
    {HTTP_GET, "/healthz", BODY_NONE, unused, false},
    {HTTP_POST, "/v1/face/revoke", BODY_NONE, unused, true},
    {HTTP_DELETE, "/v1/keys/{key_id}", BODY_NONE, unused, true},
    {HTTP_GET, "/v1/keys/{key_id}", BODY_NONE, unused, true},
    {HTTP_POST, "/v1/users/{user_id}/keys/{key_id}", BODY_NONE, unused, true},
};

static struct route_match find(enum http_method method, const char *path)
{
    return route_find(ROUTES, ARRAY_LEN(ROUTES), method, str_of(path));
}

START_TEST(paths_match_whole_and_raw)
{
    static const char *const NONE[] = {
        "/",           "",         "/healthz/",   "//healthz",         "/Healthz",
        "/health%7a",  "/v1/keys", "/v1/keys/",   "/v1/keys//",        "/v1/keys/a/b",
        "/v1//keys/a", "healthz",  "/v1/keys/a/", "/v1/users//keys/k", "/healthz;x=1",
        "/healthzz",   "/v1/face",
    };
    for (size_t i = 0; i < ARRAY_LEN(NONE); i++) {
        for (unsigned m = HTTP_GET; m <= HTTP_METHOD_OTHER; m++)
            ck_assert_msg(find((enum http_method)m, NONE[i]).allowed == 0, "%s", NONE[i]);
    }
    ck_assert_ptr_eq(find(HTTP_GET, "/healthz").route, &ROUTES[0]);
    ck_assert_ptr_eq(find(HTTP_POST, "/v1/face/revoke").route, &ROUTES[1]);
}
END_TEST

START_TEST(parameters_are_handed_on_undecoded)
{
    const struct route_match one = find(HTTP_DELETE, "/v1/keys/k%201");
    ck_assert_ptr_eq(one.route, &ROUTES[2]);
    ck_assert_str_is(one.params[0], "k%201");
    const struct route_match two = find(HTTP_POST, "/v1/users/u/keys/k");
    ck_assert_str_is(two.params[0], "u");
    ck_assert_str_is(two.params[1], "k");
}
END_TEST

START_TEST(the_methods_of_a_path_are_known_when_none_fits)
{
    static const struct {
        enum http_method method;
        const char *path, *allow;
    } CASES[] = {
        {HTTP_POST, "/healthz", "GET, HEAD"},
        {HTTP_PUT, "/v1/keys/k", "GET, HEAD, DELETE"},
        {HTTP_METHOD_OTHER, "/v1/face/revoke", "POST"},
        {HTTP_HEAD, "/v1/face/revoke", "POST"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        AUTO_BUF struct buf allow = {0};
        buf_init(&allow, 100);
        const struct route_match match = find(CASES[i].method, CASES[i].path);
        ck_assert_ptr_null(match.route);
        route_write_allow(&allow, match.allowed);
        ck_assert_str_is(buf_str(&allow), CASES[i].allow);
    }
    ck_assert_ptr_eq(find(HTTP_HEAD, "/healthz").route, &ROUTES[0]);
}
END_TEST

START_TEST(methods_are_known_in_their_exact_spelling)
{
    for (unsigned m = HTTP_GET; m < HTTP_METHOD_OTHER; m++)
        ck_assert(http_method_parse(str_of(http_method_name((enum http_method)m))) == m);
    static const char *const OTHER[] = {"get", "", "TRACE", "CONNECT", "_OTHER", "GETX", "G"};
    for (size_t i = 0; i < ARRAY_LEN(OTHER); i++)
        ck_assert(http_method_parse(str_of(OTHER[i])) == HTTP_METHOD_OTHER);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("route");
    tcase_add_test(tc, paths_match_whole_and_raw);
    tcase_add_test(tc, parameters_are_handed_on_undecoded);
    tcase_add_test(tc, the_methods_of_a_path_are_known_when_none_fits);
    tcase_add_test(tc, methods_are_known_in_their_exact_spelling);
    return unit_run(tc, "http_route");
}
