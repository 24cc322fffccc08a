/* SPDX-License-Identifier: Apache-2.0
 * The requests of a load: whole HTTP/1.1 messages, one behind the other in a file, sent in turn. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "{n}" in a request becomes a number of so many digits, another in each. */
enum { NUMBER_DIGITS = 10 };

/* False: not readable, or not whole requests; a line on standard error says which. May be called
 * for several files. */
bool requests_load(const char *path);
/* Writes the n-th into *buf, which grows; returns its length. */
size_t requests_write(uint64_t n, char **buf, size_t *room);
