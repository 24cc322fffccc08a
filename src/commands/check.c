/* SPDX-License-Identifier: Apache-2.0
 * `check`: everything that start-up validates, without starting. */
#include <stdio.h>

#include "base/crypto.h"
#include "commands/commands.h"
#include "config/config.h"
#include "resources.h"

int command_check(const struct invocation *in)
{
    const struct config_inputs inputs = {
        .purpose = CONFIG_FOR_SERVICE, .argc = in->argc, .argv = in->argv, .envp = in->envp};
    struct config_loaded *loaded = NULL;
    struct resources resources;

    if (!crypto_init()) {
        (void)fputs("OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    int code = config_load(&inputs, stderr, &loaded);
    if (code == 0 && !resources_load(loaded, NULL, stderr, &resources))
        code = EXIT_CONFIG;
    if (code == 0) {
        (void)fputs("OK: the configuration is valid\n", stdout);
        resources_finish(&resources);
    }
    config_free(loaded);
    crypto_finish();
    return code;
}
