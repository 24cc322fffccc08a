/* SPDX-License-Identifier: Apache-2.0
 * config/url: the parts of good URLs, and the reasons for which others are refused. */
#include "config/url.h"

#include "unit.h"

START_TEST(good_urls_are_split)
{
    static const struct {
        const char *text;
        bool https;
        const char *host;
        int port;
        const char *path;
    } CASES[] = {
        {"https://h", true, "h", 443, ""},
        {"http://h", false, "h", 80, ""},
        {"https://api.example.com:8443/a/b", true, "api.example.com", 8443, "/a/b"},
        {"https://127.0.0.1/", true, "127.0.0.1", 443, "/"},
        {"https://[2001:db8::1]:9/x", true, "2001:db8::1", 9, "/x"},
        {"https://[::1]", true, "::1", 443, ""},
        {"https://h?q=/", true, "h", 443, ""},
        {"https://h/p?q#f", true, "h", 443, "/p"},
        {"https://user:secret@h/p", true, "h", 443, "/p"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct url u;
        const char *problem = NULL;
        ck_assert_msg(url_split(str_of(CASES[i].text), &u, &problem), "%s: %s", CASES[i].text,
                      problem);
        ck_assert_int_eq(u.https, CASES[i].https);
        ck_assert_str_is(u.host, CASES[i].host);
        ck_assert_int_eq(u.port, CASES[i].port);
        ck_assert_str_is(u.path, CASES[i].path);
        ck_assert_int_eq(u.has_query, strchr(CASES[i].text, '?') != NULL);
        ck_assert_int_eq(u.has_fragment, strchr(CASES[i].text, '#') != NULL);
        ck_assert_int_eq(u.has_userinfo, strchr(CASES[i].text, '@') != NULL);
    }
}
END_TEST

START_TEST(other_texts_are_refused_with_a_reason)
{
    static const char *const BAD[] = {
        "",
        "h",
        "//h",
        "https:/h",
        "https://",
        "https:///p",
        "https://:80",
        "https://h:",
        "https://h:x",
        "https://h:0",
        "https://h:99999",
        "https://h:123456",
        "https://[::1",
        "https://[::1]x",
        "https://[g]",
        "https://h_h",
        "https://h h",
        "https://h\n",
        "https://\xc3\xa4",
        "HTTPS://h",
        "ftp://h",
        "https://[]",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct url u;
        const char *problem = NULL;
        ck_assert_msg(!url_split(str_of(BAD[i]), &u, &problem), "%s", BAD[i]);
        ck_assert_ptr_nonnull(problem);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("url");
    tcase_add_test(t, good_urls_are_split);
    tcase_add_test(t, other_texts_are_refused_with_a_reason);
    return unit_run(t, "url");
}
