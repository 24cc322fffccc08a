/* SPDX-License-Identifier: Apache-2.0
 * Opens files that an operator named, so that no path can hold its reader up. */
#pragma once

#include "base/auto.h"

/* For reading. -1, with what is wrong in *ret_why (valid until the thread's next strerror()): it
 * cannot be opened, or it is a pipe, whose reader would wait for a writer. */
NODISCARD int file_open(const char *path, const char **ret_why);
