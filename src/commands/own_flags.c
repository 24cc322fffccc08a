/* SPDX-License-Identifier: Apache-2.0
 * See own_flags.h. */
#include "commands/own_flags.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

/* 1: taken; 0: another flag; -1: its value is wrong. Moves *at over a separate value. */
static int take(struct own_flag *f, const struct invocation *in, int *at)
{
    const char *arg = in->argv[*at];
    const size_t len = strlen(f->name);

    if (strncmp(arg, f->name, len) != 0 || (arg[len] != '\0' && arg[len] != '='))
        return 0;
    if (!f->takes_value) {
        if (arg[len] != '\0')
            return -1;
        f->value = "";
        return 1;
    }
    if (arg[len] == '=') {
        f->value = arg + len + 1;
        return 1;
    }
    if (*at + 1 >= in->argc)
        return -1;
    f->value = in->argv[++*at];
    return 1;
}

static void forget(struct own_flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        flags[i].value = NULL;
}

int own_flags_take(struct own_flag *flags, size_t count, const struct invocation *in,
                   char ***ret_rest, int *ret_count)
{
    AUTO_FREE char **rest = calloc((size_t)in->argc + 1, sizeof(char *));
    int left = 0;

    if (!rest) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    for (int i = 0; i < in->argc; i++) {
        int taken = 0;
        for (size_t f = 0; f < count && taken == 0; f++) {
            taken = take(&flags[f], in, &i);
            if (taken < 0) {
                (void)fprintf(stderr, "flag %s %s value\n", flags[f].name,
                              flags[f].takes_value ? "needs a" : "takes no");
                forget(flags, count);
                return EXIT_USAGE;
            }
        }
        if (taken == 0)
            rest[left++] = in->argv[i];
    }
    *ret_rest = rest;
    *ret_count = left;
    rest = NULL;
    return EXIT_GOOD;
}
