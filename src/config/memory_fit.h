/* SPDX-License-Identifier: Apache-2.0
 * Fits what grows with load (connections, requests, tables) into the memory that the process may
 * use: its cgroup's limit or BFF_MEMORY_MAX_BYTES. So a crowd is refused by us, one by one, and not
 * ended by the kernel as a whole. */
#pragma once

#include "config/config.h"

/* The least limit of the cgroup and those above it; INT64_MAX: none. root: as cgroup_least(). */
int64_t memory_limit_of(const char *root);

enum memory_fit {
    MEMORY_FITS,
    MEMORY_LOWERED,   /* *c is changed; text says what */
    MEMORY_TOO_SMALL, /* text says how much is needed at least */
};

enum {
    MEMORY_TEXT_BYTES = 640,
    /* What the kernel is told for each direction of a client's connection; a part of its weight. */
    CLIENT_SOCKET_BUFFER_BYTES = 64 * 1024,
};

/* Lowers numbers of *c so that all of them at once, at their worst, fit into limit_bytes. before:
 * the configuration that runs, NULL at start; what needs a restart is left as it is there. */
enum memory_fit memory_fit(struct config *c, const struct config *before, int64_t limit_bytes,
                           char text[MEMORY_TEXT_BYTES]);
