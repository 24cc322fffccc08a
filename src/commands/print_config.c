/* SPDX-License-Identifier: Apache-2.0
 * `print-config`: the effective values and where they came from, secrets redacted. */
#include <stdio.h>

#include "commands/commands.h"
#include "config/config.h"

int command_print_config(const struct invocation *in)
{
    const struct config_inputs inputs = {
        .purpose = CONFIG_FOR_SERVICE, .argc = in->argc, .argv = in->argv, .envp = in->envp};
    struct config_loaded *loaded = NULL;

    const int code = config_load(&inputs, stderr, &loaded);
    if (code == 0)
        config_print(loaded, stdout);
    config_free(loaded);
    return code;
}
