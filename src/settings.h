/* SPDX-License-Identifier: Apache-2.0
 * A configuration with what it points at, read and checked as one: immutable, shared by all
 * threads, replaced as a whole by a reload. References are counted by the main thread alone: it
 * keeps one for each thread that may still use the settings. */
#pragma once

#include "config/config.h"
#include "resources.h"

struct settings {
    unsigned references;
    struct config_loaded *loaded;
    const struct config *config; /* of loaded */
    struct resources resources;
};

/* before: what the process runs with; NULL: it starts. Problems are printed as config_load() prints
 * them, notes and warnings too. Returns 0, 64 or 78, as config_load(). */
NODISCARD int settings_load(const struct config_inputs *in, const struct settings *before,
                            FILE *errors, struct settings **ret);
NODISCARD struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* accepts NULL; the last one frees and cleanses */
