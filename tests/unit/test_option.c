/* SPDX-License-Identifier: Apache-2.0
 * config/option: every row of the table makes sense and can be found by key and flag; the nearest
 * key to a slip. */
#include "config/option.h"

#include "unit.h"

START_TEST(every_row_is_complete_and_found_by_key_and_flag)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct option *o = &OPTIONS[i];
        char flag[OPTION_FLAG_BYTES], allowed[OPTION_ALLOWED_BYTES];
        enum option_id found;

        ck_assert(option_find(str_of(o->key), &found));
        ck_assert_uint_eq(found, i);
        option_flag((enum option_id)i, flag);
        ck_assert_msg((flag[0] == '\0') == (o->kind == OPTION_SECRET), "%s", o->key);
        if (flag[0] != '\0') {
            ck_assert(option_find_flag(str_of(flag + 2), &found));
            ck_assert_uint_eq(found, i);
        }
        option_allowed((enum option_id)i, allowed);
        ck_assert_msg(allowed[0] != '\0', "%s", o->key);
        ck_assert_ptr_nonnull(option_placeholder(o->kind));
        ck_assert_msg(o->help[0] != '\0' && o->help[strlen(o->help) - 1] != '.', "%s", o->key);
        ck_assert_msg(o->min <= o->max, "%s", o->key);
    }
}
END_TEST

START_TEST(the_row_of_a_secret_file_follows_its_secret)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (OPTIONS[i].kind != OPTION_SECRET)
            continue;
        ck_assert_uint_lt(i + 1, OPT_COUNT);
        ck_assert_int_eq(OPTIONS[i + 1].kind, OPTION_SECRET_FILE);
        ck_assert_uint_eq(OPTIONS[i + 1].offset, OPTIONS[i].offset);
        ck_assert(option_is_secret((enum option_id)i));
        ck_assert(!option_is_secret((enum option_id)(i + 1)));
    }
}
END_TEST

START_TEST(a_slip_finds_the_key_that_was_meant)
{
    static const struct {
        const char *slip, *meant; /* NULL: longer than any key */
    } CASES[] = {
        {"BFF_LISTNE", "BFF_LISTEN"},
        {"BFF_LISTENS", "BFF_LISTEN"},
        {"BFF_WORKER", "BFF_WORKERS"},
        {"BFF_CLIENTID", "BFF_CLIENT_ID"},
        {"BFF_ISSUER", "BFF_ISSUERS"},
        {"BFF_JWT_LEEWAY", "BFF_JWT_LEEWAY_S"},
        {"BFF_REGIONAL", "BFF_REGION"},
        {"BFF_A_NAME_THAT_IS_LONGER_THAN_ANY_KEY_OF_THE_TABLE_COULD_EVER_BE_IN_PRACTICE", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct option *near = option_nearest(str_of(CASES[i].slip));
        if (CASES[i].meant)
            ck_assert_msg(near && strcmp(near->key, CASES[i].meant) == 0, "%s -> %s", CASES[i].slip,
                          near ? near->key : "none");
        else
            ck_assert_msg(!near, "%s -> %s", CASES[i].slip, near ? near->key : "");
    }
}
END_TEST

START_TEST(regions_are_exact)
{
    ck_assert_str_eq(region_find(STR("us"))->issuer, "https://userid.security");
    ck_assert_ptr_null(region_find(STR("sandbox"))->issuer);
    ck_assert_ptr_null(region_find(STR("US")));
    ck_assert_ptr_null(region_find(STR("")));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("option");
    tcase_add_test(t, every_row_is_complete_and_found_by_key_and_flag);
    tcase_add_test(t, the_row_of_a_secret_file_follows_its_secret);
    tcase_add_test(t, a_slip_finds_the_key_that_was_meant);
    tcase_add_test(t, regions_are_exact);
    return unit_run(t, "option");
}
