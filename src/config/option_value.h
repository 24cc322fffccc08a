/* SPDX-License-Identifier: Apache-2.0
 * Turns the text of an option into the value in struct config, one reader a kind. Rules that need
 * more than one key are in config_check.c. */
#pragma once

#include "config/config.h"
#include "config/config_text.h"
#include "config/option.h"

/* text is not empty. Reads it into the row's member, which must be unset. */
NODISCARD bool option_read(enum option_id id, struct str text, struct config *config,
                           struct option_problem *reterr);
/* Frees (and cleanses, when secret) the member and zeroes it. */
void option_clear(enum option_id id, struct config *config);
/* "give ..." with what the row allows; always false. */
bool option_not_allowed(enum option_id id, struct option_problem *reterr);

/* Next entry of a comma list, blanks around it stripped. False at the end. */
NODISCARD bool option_next_entry(struct str *rest, struct str *ret);

/* ---- option_url.c */
NODISCARD bool option_read_url(enum option_id id, struct str text, void *member,
                               struct option_problem *reterr);
NODISCARD bool option_read_origin(enum option_id id, struct str text, void *member,
                                  struct option_problem *reterr);
NODISCARD bool option_read_issuers(struct str text, struct config *config,
                                   struct option_problem *reterr);
void option_clear_issuers(struct config *config);
