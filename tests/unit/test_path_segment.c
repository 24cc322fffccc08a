/* SPDX-License-Identifier: Apache-2.0
 * Ids in paths: decoded once, and nothing that could steer a call. */
#include "api/path_segment.h"

#include "unit.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 64 * 1024);
}

static void tear_down(void)
{
    arena_finish(&arena);
}

static const struct {
    const char *raw;
    const char *decoded; /* NULL: refused */
} CASES[] = {
    {"k-1", "k-1"},      {"a%20b", "a b"},
    {"%6b", "k"},        {"%C3%a9", "\xc3\xa9"},
    {"%252e", "%2e"}, /* decoded once */
    {"a+b", "a+b"},      {"...", "..."},
    {"@host", "@host"},  {"a%3Fx=1", "a?x=1"},
    {"a%23b", "a#b"},    {".", NULL},
    {"..", NULL},        {"%2e%2e", NULL},
    {"%2E", NULL},       {"a%2fb", NULL},
    {"a%2Fb", NULL},     {"%2e%2e%2fadmin", NULL},
    {"%00", NULL},       {"a%0d%0aHost:x", NULL},
    {"%7f", NULL},       {"%c2%85", NULL},
    {"%ff", NULL},       {"%c0%af", NULL}, /* overlong '/' */
    {"%ed%a0%80", NULL}, {"%", NULL},
    {"%4", NULL},        {"%zz", NULL},
    {"%u0041", NULL},    {"", NULL},
};

START_TEST(a_segment_is_decoded_or_refused)
{
    struct str text = {0};
    const char *what = NULL;
    const enum err e = path_segment_decode(str_of(CASES[_i].raw), &arena, &text, &what);
    if (CASES[_i].decoded) {
        ck_assert_int_eq(e, ERR_OK);
        ck_assert_str_is(text, CASES[_i].decoded);
        return;
    }
    ck_assert_int_eq(e, ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(what);
    ck_assert_ptr_null(text.ptr);
}
END_TEST

START_TEST(length_counts_decoded_bytes)
{
    char raw[3 * 256 + 1];
    for (size_t i = 0; i < 256; i++)
        memcpy(raw + 3 * i, "%61", 3);
    struct str text = {0};
    const char *what = NULL;
    ck_assert_int_eq(path_segment_decode((struct str){raw, 3 * 255}, &arena, &text, &what), ERR_OK);
    ck_assert_uint_eq(text.len, 255);
    ck_assert_int_eq(path_segment_decode((struct str){raw, 3 * 256}, &arena, &text, &what),
                     ERR_INVALID_REQUEST);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("path_segment");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_segment_is_decoded_or_refused, 0, ARRAY_LEN(CASES));
    tcase_add_test(t, length_counts_decoded_bytes);
    return unit_run(t, "path_segment");
}
