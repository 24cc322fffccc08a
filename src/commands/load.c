/* SPDX-License-Identifier: Apache-2.0
 * See load.h. */
#include "commands/load.h"

#include <stdio.h>

#include "base/crypto.h"

int load_for_command(const struct invocation *in, struct own_flag *flags, size_t count,
                     enum config_purpose purpose, FILE *errors, struct config_loaded **ret)
{
    AUTO_FREE char **rest = NULL;
    struct config_inputs inputs = {.purpose = purpose, .envp = in->envp};

    const int code = own_flags_take(flags, count, in, &rest, &inputs.argc);
    if (code != EXIT_GOOD)
        return code;
    inputs.argv = rest;
    if (!crypto_init()) {
        (void)fputs("OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    return config_load(&inputs, errors, ret);
}
