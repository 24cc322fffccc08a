/* SPDX-License-Identifier: Apache-2.0
 * How most commands begin: their own flags, OpenSSL, the configuration. */
#pragma once

#include "commands/own_flags.h"
#include "config/config.h"

/* Takes the command's flags out of the arguments and reads the configuration from the rest. 0, or
 * the exit code; what is wrong with the configuration has gone to errors, with the flags to
 * standard error. Whatever it returns, the caller calls crypto_finish() in the end. */
NODISCARD int load_for_command(const struct invocation *in, struct own_flag *flags, size_t count,
                               enum config_purpose purpose, FILE *errors,
                               struct config_loaded **ret);
