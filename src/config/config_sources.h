/* SPDX-License-Identifier: Apache-2.0
 * Collects the texts of the options from the command line, the environment and the file, each with
 * where it came from. Values are not read here. */
#pragma once

#include "config/config.h"
#include "config/config_text.h"
#include "config/option.h"

struct raw_value {
    char *text;  /* owned; NULL: not set */
    char *where; /* owned; "environment", "flag --listen", "/etc/bff.conf:3" */
    enum config_source source;
    bool is_secret; /* text lies in memory for secrets */
};

/* raws has OPT_COUNT zeroed entries. Flags win over the environment, and that over the file.
 * Returns the path of the file, borrowed from in; NULL: none was named. */
const char *config_collect(const struct config_inputs *in, struct problems *problems,
                           struct raw_value *raws);
/* False: out of memory; it is then unset. */
NODISCARD bool raw_set(struct raw_value *raw, struct str text, enum config_source source,
                       const char *where);
/* The same for a secret. */
NODISCARD bool raw_set_secret(struct raw_value *raw, struct str text, enum config_source source,
                              const char *where);
void raw_clear(struct raw_value *raw);
