/* SPDX-License-Identifier: Apache-2.0
 * `print-config`: the effective values and where they came from, secrets redacted. */
#include <stdio.h>

#include "base/crypto.h"
#include "commands/load.h"

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
    struct config_loaded *loaded = NULL;

    int code = load_for_command(in, &json, 1, CONFIG_FOR_SERVICE, stderr, &loaded);
    if (code == EXIT_GOOD)
        code = print(loaded, json.value != NULL);
    config_free(loaded);
    crypto_finish();
    return code;
}
