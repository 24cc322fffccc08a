/* SPDX-License-Identifier: Apache-2.0
 * Pages for secrets; see secret.h. A secret ends where its last page ends, so that the first byte
 * behind it is one of the guard's; before it lies the header:
 *
 *     guard page | free space, header, secret | guard page */
#include "base/secret.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/crypto.h"

enum { SECRET_BYTES_MAX = 1024 * 1024 };

struct header {
    char *mapping; /* guard pages included */
    size_t pages_bytes;
    bool locked;
    alignas(max_align_t) char secret[];
};

static _Atomic size_t locked_bytes;
static _Atomic size_t unlocked_bytes;

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t rounded_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* The guards' address range; the pages between them can be used. NULL: out of memory. */
static char *map_between_guards(size_t pages_bytes)
{
    const size_t guard = page_bytes();
    char *mapping =
        mmap(NULL, pages_bytes + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping + guard, pages_bytes, PROT_READ | PROT_WRITE) == 0)
        return mapping;
    (void)munmap(mapping, pages_bytes + 2 * guard);
    return NULL;
}

void *secret_alloc(size_t bytes)
{
    if (bytes > SECRET_BYTES_MAX)
        return NULL;
    const size_t held = sizeof(struct header) + rounded_up(bytes, alignof(max_align_t));
    const size_t pages_bytes = rounded_up(held, page_bytes());
    char *mapping = map_between_guards(pages_bytes);
    if (!mapping)
        return NULL;

    char *pages = mapping + page_bytes();
    const bool locked = mlock(pages, pages_bytes) == 0;
    (void)madvise(pages, pages_bytes, MADV_DONTDUMP);
    atomic_fetch_add_explicit(locked ? &locked_bytes : &unlocked_bytes, pages_bytes,
                              memory_order_relaxed);
    struct header *h = (struct header *)(void *)(pages + pages_bytes - held);
    *h = (struct header){.mapping = mapping, .pages_bytes = pages_bytes, .locked = locked};
    return h->secret;
}

char *secret_copy(struct str text)
{
    char *copy = secret_alloc(text.len + 1);

    if (copy && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

void secret_free(void *secret)
{
    if (!secret)
        return;
    const struct header h =
        *(const struct header *)(void *)((char *)secret - offsetof(struct header, secret));
    crypto_cleanse(h.mapping + page_bytes(), h.pages_bytes);
    (void)munmap(h.mapping, h.pages_bytes + 2 * page_bytes());
    atomic_fetch_sub_explicit(h.locked ? &locked_bytes : &unlocked_bytes, h.pages_bytes,
                              memory_order_relaxed);
}

struct secret_usage secret_usage(void)
{
    return (struct secret_usage){
        .locked_bytes = atomic_load_explicit(&locked_bytes, memory_order_relaxed),
        .unlocked_bytes = atomic_load_explicit(&unlocked_bytes, memory_order_relaxed),
    };
}
