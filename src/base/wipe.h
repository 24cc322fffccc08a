/* SPDX-License-Identifier: Apache-2.0
 * Memory for libraries that pass secrets through buffers of their own and do not overwrite them:
 * libcurl, which gathers the token request with the client secret in it, and OpenSSL. On the few
 * threads that handle long-lived secrets, what such a library gives back is overwritten; on others
 * this is malloc() and free(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* From here on, for the life of the calling thread. */
void wipe_on_this_thread(void);
/* For a stretch of work with such a secret on any other thread. Returns what held before, for the
 * call that ends the stretch. */
bool wipe_while(bool on);

/* In place of free() and realloc(), for memory from malloc() and its like. */
void wipe_free(void *memory);
void *wipe_realloc(void *memory, size_t bytes);
