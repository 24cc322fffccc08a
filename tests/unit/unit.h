/* SPDX-License-Identifier: Apache-2.0
 * What the unit tests share: comparison of borrowed text, and the main of a test with one suite. */
#pragma once

#include <check.h>
#include <stdlib.h>

#include "base/str.h"

#define ck_assert_str_is(text, expected)                                                           \
    do {                                                                                           \
        const struct str ck_text_ = (text);                                                        \
        ck_assert_msg(str_is(ck_text_, (expected)), "got \"%.*s\", expected \"%s\"",               \
                      (int)ck_text_.len, ck_text_.ptr ? ck_text_.ptr : "", (expected));            \
    } while (0)

static inline int unit_run(TCase *tests, const char *name)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
