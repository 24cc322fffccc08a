/* SPDX-License-Identifier: Apache-2.0
 * Memory for secrets that live as long as a configuration does: the client secret, private keys,
 * the sealing keys. Each lies on pages of its own, which are locked (never written to swap), left
 * out of core dumps, and between two pages that nobody may touch. A page each: for few and
 * long-lived things. Any thread. */
#pragma once

#include <stddef.h>

#include "base/auto.h"
#include "base/str.h"

/* Zeroed, aligned as by malloc(). NULL: out of memory. Where the limit of locked memory
 * (RLIMIT_MEMLOCK) is too low the pages stay unlocked, which secret_usage() tells. */
NODISCARD void *secret_alloc(size_t bytes);
/* A copy of the text with a NUL behind it. NULL: out of memory. */
NODISCARD char *secret_copy(struct str text);
/* Overwrites all of it before the pages go back. Accepts NULL. */
void secret_free(void *secret);

struct secret_usage {
    size_t locked_bytes;
    size_t unlocked_bytes; /* for want of RLIMIT_MEMLOCK */
};
/* Whole pages, of all that are allocated now. */
struct secret_usage secret_usage(void);
