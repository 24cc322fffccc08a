/* SPDX-License-Identifier: Apache-2.0
 * What libraries free is overwritten; see wipe.h. */
#include "base/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

static _Thread_local bool wipes;

void wipe_on_this_thread(void)
{
    wipes = true;
}

bool wipe_while(bool on)
{
    const bool before = wipes;

    wipes = on;
    return before;
}

/* Apart, so that other threads, which free a hundred blocks a request, pay next to nothing. */
static __attribute__((noinline)) void wipe_and_free(void *memory)
{
    crypto_cleanse(memory, malloc_usable_size(memory));
    free(memory);
}

/* libcurl gives back more that it never took than what it did. */
void wipe_free(void *memory)
{
    if (!memory)
        return;
    if (wipes)
        wipe_and_free(memory);
    else
        free(memory);
}

/* realloc() may move what is there, and frees the place where it was. */
void *wipe_realloc(void *memory, size_t bytes)
{
    if (!wipes || !memory)
        return realloc(memory, bytes);
    const size_t had = malloc_usable_size(memory);
    void *moved = malloc(bytes);
    if (!moved)
        return NULL;
    memcpy(moved, memory, had < bytes ? had : bytes);
    wipe_free(memory);
    return moved;
}
