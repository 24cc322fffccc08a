/* SPDX-License-Identifier: Apache-2.0
 * `print-config`: the effective values and where they came from, secrets redacted. */
#include <stdio.h>

#include "base/crypto.h"
#include "commands/own_flags.h"
#include "config/config.h"

static int print(const struct config_loaded *loaded, bool as_json)
{
    if (!as_json) {
        config_print(loaded, stdout);
        return EXIT_GOOD;
    }
    if (config_print_json(loaded, stdout))
        return EXIT_GOOD;
    (void)fputs("out of memory\n", stderr);
    return EXIT_FAILED;
}

int command_print_config(const struct invocation *in)
{
    struct own_flag json = {"--json", false, NULL};
    AUTO_FREE char **rest = NULL;
    struct config_inputs inputs = {.purpose = CONFIG_FOR_SERVICE, .envp = in->envp};
    struct config_loaded *loaded = NULL;

    int code = own_flags_take(&json, 1, in, &rest, &inputs.argc);
    if (code != EXIT_GOOD)
        return code;
    inputs.argv = rest;
    if (!crypto_init()) {
        (void)fputs("OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    code = config_load(&inputs, stderr, &loaded);
    if (code == 0)
        code = print(loaded, json.value != NULL);
    config_free(loaded);
    crypto_finish();
    return code;
}
