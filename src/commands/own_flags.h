/* SPDX-License-Identifier: Apache-2.0
 * Flags that belong to a command and not to the configuration. */
#pragma once

#include <stdbool.h>

#include "base/auto.h"
#include "commands/commands.h"

struct own_flag {
    const char *name;  /* "--json" */
    bool takes_value;  /* "--name value" or "--name=value"; else a switch */
    const char *value; /* out: borrowed from the arguments; "" for a switch; NULL: not given */
};

/* Takes them out; what is left for config_load() comes as *ret_rest (free() it) with its count. 0,
 * or the exit code, when the problem has been printed; then no flag has a value. */
NODISCARD int own_flags_take(struct own_flag *flags, size_t count, const struct invocation *in,
                             char ***ret_rest, int *ret_count);
