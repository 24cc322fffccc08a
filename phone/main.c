/* SPDX-License-Identifier: Apache-2.0
 * Runs one command of the virtual phone. */
#include <stdio.h>

#include "base/crypto.h"
#include "phone/commands.h"

enum { EXIT_USAGE = 64 };

static enum phone_outcome run(const struct phone_options *options)
{
    struct phone phone;
    if (!phone_open(&phone, options))
        return OUTCOME_NO_ANSWER;
    const enum phone_outcome outcome = command_find(options->command)->run(&phone);
    return phone_close(&phone) ? outcome : OUTCOME_NO_ANSWER;
}

int main(int argc, char **argv)
{
    struct phone_options options;
    switch (phone_options_parse(argc, argv, &options, stderr)) {
    case PHONE_HELP:
        phone_options_help(stdout);
        return EXIT_SUCCESS;
    case PHONE_USAGE:
        return EXIT_USAGE;
    case PHONE_RUN:
        break;
    }
    if (!crypto_init() || !exchange_begin_all())
        return OUTCOME_NO_ANSWER;
    const enum phone_outcome outcome = run(&options);
    exchange_end_all();
    crypto_finish();
    return (int)outcome;
}
