/* SPDX-License-Identifier: Apache-2.0
 * Scope-bound clean-up and small compile-time helpers. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_arg_at)                                                       \
    __attribute__((format(printf, format_at, first_arg_at)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void auto_free_(void *p)
{
    free(*(void **)p);
}

static inline void auto_close_(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#define AUTO_FREE __attribute__((cleanup(auto_free_)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))
/* For any destroyer that takes a pointer to the variable. */
#define AUTO(fn) __attribute__((cleanup(fn)))
