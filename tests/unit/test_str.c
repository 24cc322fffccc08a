/* SPDX-License-Identifier: Apache-2.0
 * base/str: comparisons with empty and absent text, each row of the UTF-8 table at both of its
 * edges, control characters in all three forms. */
#include "unit.h"

START_TEST(equality_minds_length_and_case)
{
    ck_assert(str_eq(STR(""), str_of(NULL)));
    ck_assert(str_is(STR("abc"), "abc"));
    ck_assert(!str_is(STR("abc"), "abcd"));
    ck_assert(!str_is(STR("abc"), "abC"));
    ck_assert(str_eq_nocase(STR("aBc-9"), STR("AbC-9")));
    ck_assert(!str_eq_nocase(STR("abc"), STR("abd")));
    ck_assert(!str_eq_nocase(STR("abc"), STR("ab")));
    /* Only letters fold: '[' and '{' differ by the same bit. */
    ck_assert(!str_eq_nocase(STR("["), STR("{")));
}
END_TEST

START_TEST(prefix_and_suffix)
{
    ck_assert(str_starts_with(STR("https://x"), STR("https://")));
    ck_assert(!str_starts_with(STR("http"), STR("https")));
    ck_assert(str_starts_with(STR(""), STR("")));
    ck_assert(str_ends_with(STR("a/cis"), STR("/cis")));
    ck_assert(!str_ends_with(STR("cis"), STR("/cis")));
    ck_assert(str_ends_with(str_of(NULL), STR("")));
}
END_TEST

static const struct utf8_case {
    struct str text;
    size_t first; /* length of the first character, 0: ill-formed */
} utf8_cases[] = {
    {{"a", 1}, 1},
    {{"\0", 1}, 1},
    {{"\x7f", 1}, 1},
    {{"\x80", 1}, 0},
    {{"\xc1\xbf", 2}, 0},
    {{"\xc2\x80", 2}, 2},
    {{"\xdf\xbf", 2}, 2},
    {{"\xdf", 1}, 0},
    {{"\xdf\x7f", 2}, 0},
    {{"\xdf\xc0", 2}, 0},
    {{"\xe0\x9f\xbf", 3}, 0},
    {{"\xe0\xa0\x80", 3}, 3},
    {{"\xe2\x82\xac", 3}, 3},
    {{"\xe2\x82", 2}, 0},
    {{"\xe2\x82\x2e", 3}, 0},
    {{"\xed\x9f\xbf", 3}, 3},
    {{"\xed\xa0\x80", 3}, 0},
    {{"\xee\x80\x80", 3}, 3},
    {{"\xef\xbf\xbf", 3}, 3},
    {{"\xf0\x8f\xbf\xbf", 4}, 0},
    {{"\xf0\x90\x80\x80", 4}, 4},
    {{"\xf3\xbf\xbf\xbf", 4}, 4},
    {{"\xf4\x8f\xbf\xbf", 4}, 4},
    {{"\xf4\x90\x80\x80", 4}, 0},
    {{"\xf0\x9f\x98", 3}, 0},
    {{"\xf5\x80\x80\x80", 4}, 0},
    {{"\xff", 1}, 0},
};

START_TEST(utf8_rows_hold_at_their_edges)
{
    const struct utf8_case *c = &utf8_cases[_i];
    ck_assert_uint_eq(str_utf8_length(c->text), c->first);
    ck_assert(str_is_utf8(c->text) == (c->first != 0));
}
END_TEST

START_TEST(utf8_of_whole_texts)
{
    ck_assert(str_is_utf8(STR("")));
    ck_assert(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
    ck_assert(!str_is_utf8(STR("ok \xf0\x9f\x98\x80 then \xc3")));
}
END_TEST

START_TEST(control_characters)
{
    ck_assert(!str_has_control(STR("plain gr\xc3\xbc\xc3\x9f")));
    ck_assert(!str_has_control(STR("\xc2\xa0")));
    ck_assert(str_has_control(STR("a\nb")));
    ck_assert(str_has_control((struct str){"\0", 1}));
    ck_assert(str_has_control(STR("\x7f")));
    ck_assert(str_has_control(STR("\xc2\x80")));
    ck_assert(str_has_control(STR("\xc2\x9f")));
    ck_assert(!str_has_control(STR("\xc2")));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("str");
    tcase_add_test(tests, equality_minds_length_and_case);
    tcase_add_test(tests, prefix_and_suffix);
    tcase_add_loop_test(tests, utf8_rows_hold_at_their_edges, 0,
                        (int)(sizeof(utf8_cases) / sizeof(utf8_cases[0])));
    tcase_add_test(tests, utf8_of_whole_texts);
    tcase_add_test(tests, control_characters);
    return unit_run(tests, "str");
}
