/* SPDX-License-Identifier: Apache-2.0
 * Reads, checks and counts settings; see settings.h. */
#include "settings.h"

#include <stdlib.h>

#include "commands/commands.h"

int settings_load(const struct config_inputs *in, const struct settings *before, FILE *errors,
                  struct settings **ret)
{
    struct config_inputs inputs = *in;
    struct settings *s = calloc(1, sizeof(*s));

    if (!s) {
        (void)fputs("out of memory\n", errors);
        return EXIT_CONFIG;
    }
    inputs.before = before ? before->loaded : NULL;
    s->references = 1;
    int code = config_load(&inputs, errors, &s->loaded);
    if (code == 0) {
        s->config = config_of(s->loaded);
        if ((before && !config_may_follow(before->loaded, s->loaded, errors)) ||
            !resources_load(s->loaded, before ? &before->resources : NULL, errors, &s->resources))
            code = EXIT_CONFIG;
    }
    if (code == 0)
        *ret = s;
    else
        settings_unref(s);
    return code;
}

struct settings *settings_ref(struct settings *s)
{
    s->references++;
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || --s->references > 0)
        return;
    resources_finish(&s->resources);
    config_free(s->loaded);
    free(s);
}
