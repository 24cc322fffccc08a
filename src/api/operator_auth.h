/* SPDX-License-Identifier: Apache-2.0
 * Who may call the operator listener: keys of at least 32 random bytes, of which the service knows
 * only the SHA-256 (BFF_OPERATOR_KEYS_FILE, one "name:sha256-hex-of-key" a line). */
#pragma once

#include "api/flow.h"

struct operator_keys;

enum { OPERATOR_KEYS_MAX = 64, OPERATOR_NAME_MAX = 64 };

/* Empty lines and lines that begin with '#' are skipped. Errors name file and line, never the
 * hash: ERR_INVALID_REQUEST, ERR_NO_MEMORY. */
NODISCARD enum err operator_keys_load(const char *file, struct operator_keys **ret,
                                      struct err_text *reterr);
/* The same from text; `where` names its origin in errors. */
NODISCARD enum err operator_keys_parse(struct str text, const char *where,
                                       struct operator_keys **ret, struct err_text *reterr);
void operator_keys_free(struct operator_keys *k); /* overwrites; accepts NULL */
/* The name that belongs to the key; NULL: none. Every row is compared, in constant time. */
const char *operator_keys_find(const struct operator_keys *k, struct str key);

/* Step: the Authorization field carries an operator key as Bearer token. */
NODISCARD enum err operator_check(struct flow *f);
