/* SPDX-License-Identifier: Apache-2.0
 * What config_load() makes; shared by the files of this folder alone. */
#pragma once

#include "config/config.h"
#include "config/config_sources.h"
#include "config/config_text.h"
#include "config/option.h"

struct config_loaded {
    struct config config;
    struct raw_value raws[OPT_COUNT];
    char *file;          /* owned; of --config or BFF_CONFIG; NULL: none */
    bool bad[OPT_COUNT]; /* the value was reported; rules over several keys leave it out */
    /* [OPT_COUNT]; of a key that names a file: which contents it had, from their SHA-256; 0: not
     * known. Owned, in memory for secrets: guesses at a weak one could be held against it. NULL:
     * none is known. */
    uint64_t *contents;
};

/* Set, and not to nothing. */
static inline bool config_has(const struct config_loaded *c, enum option_id id)
{
    return c->raws[id].text && c->raws[id].text[0] != '\0';
}

/* "BFF_X: value "..." (where): what would be right"; a secret's value is left out. */
void config_refuse(struct config_loaded *c, struct problems *p, enum option_id id,
                   const char *format, ...) PRINTF_LIKE(4, 5);
/* "BFF_X: not set: what is needed" */
void config_demand(struct problems *p, enum option_id id, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- config_check.c: the rules over several keys */
/* before: the one that runs; NULL at start. */
void config_check(struct config_loaded *c, enum config_purpose purpose,
                  const struct config_loaded *before, struct problems *p);
