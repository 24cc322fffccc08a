/* SPDX-License-Identifier: Apache-2.0
 * What the validator and the tree builder share; nobody else includes it. */
#pragma once

#include <stdbool.h>

#include "base/json.h"

/* The one cause of a refusal that is not the document's fault; compared by address. */
extern const char json_out_of_memory[];

/* The double that the text of a valid number stands for. False without memory. */
bool json_number_value(struct str number, double *ret);

/* As json_validate(), and tells how many bytes the longest number has. */
NODISCARD bool json_check(struct str text, const struct json_limits *limits,
                          size_t *ret_longest_number, struct json_error *reterr);
