/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into a program under test: every way to take memory, counted, and made to fail on
 * demand. The C library calls these, too (strdup, getline, asprintf), and so do OpenSSL, libcurl,
 * libmicrohttpd, cJSON and libjwt. Memory that is mapped without a file counts as taken. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "torture.h"

#define EXPORT __attribute__((visibility("default")))

/* dlsym() itself may take memory, before there is any to be had. */
enum { EARLY_BYTES = 16 * 1024 };
static _Alignas(max_align_t) char early[EARLY_BYTES];
static size_t early_used;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
} real;

static bool resolving;

static void resolve(void)
{
    if (real.munmap || resolving)
        return;
    resolving = true;
    *(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&real.free = dlsym(RTLD_NEXT, "free");
    *(void **)&real.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&real.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&real.mmap = dlsym(RTLD_NEXT, "mmap");
    *(void **)&real.munmap = dlsym(RTLD_NEXT, "munmap");
    resolving = false;
}

static void *take_early(size_t bytes)
{
    const size_t at = (early_used + 15) & ~(size_t)15;
    if (bytes > EARLY_BYTES - at)
        return NULL;
    early_used = at + bytes;
    return early + at;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + EARLY_BYTES;
}

static bool must_fail(void)
{
    struct torture_control *c = torture_control();
    int error = 0;
    if (!c || !torture_strikes(&c->allocations, &error))
        return false;
    errno = ENOMEM;
    return true;
}

static void count(void *p)
{
    struct torture_control *c = torture_control();
    if (!c || !p)
        return;
    const size_t bytes = malloc_usable_size(p);
    atomic_fetch_add_explicit(&c->live_blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->live_bytes, (int64_t)bytes, memory_order_relaxed);
    torture_record(c, p, bytes);
}

static void uncount(void *p)
{
    struct torture_control *c = torture_control();
    if (!c || !p)
        return;
    atomic_fetch_sub_explicit(&c->live_blocks, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->live_bytes, (int64_t)malloc_usable_size(p), memory_order_relaxed);
    torture_forget(c, p);
}

EXPORT void *malloc(size_t bytes)
{
    resolve();
    if (!real.malloc || resolving)
        return take_early(bytes);
    if (must_fail())
        return NULL;
    void *p = real.malloc(bytes);
    count(p);
    return p;
}

EXPORT void *calloc(size_t number, size_t bytes)
{
    resolve();
    if (!real.calloc || resolving)
        return take_early(number * bytes); /* static memory is zero */
    if (must_fail())
        return NULL;
    void *p = real.calloc(number, bytes);
    count(p);
    return p;
}

EXPORT void *realloc(void *old, size_t bytes)
{
    resolve();
    if (is_early(old)) {
        void *p = malloc(bytes);
        const size_t room = (size_t)(early + EARLY_BYTES - (char *)old);
        if (p)
            memcpy(p, old, bytes < room ? bytes : room);
        return p;
    }
    if (!real.realloc || resolving)
        return take_early(bytes);
    if (bytes > 0 && must_fail())
        return NULL;
    /* Counted as given back first: afterwards another thread may have the address. */
    const size_t before = old ? malloc_usable_size(old) : 0;
    uncount(old);
    void *p = real.realloc(old, bytes);
    if (p)
        count(p);
    else if (old && bytes > 0)
        torture_recount(before);
    return p;
}

EXPORT void *reallocarray(void *old, size_t number, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(number, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, all);
}

EXPORT void free(void *p)
{
    if (is_early(p))
        return;
    resolve();
    uncount(p);
    if (real.free)
        real.free(p);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
    resolve();
    if (must_fail())
        return ENOMEM;
    const int problem = real.posix_memalign(ret, alignment, bytes);
    if (problem == 0)
        count(*ret);
    return problem;
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    resolve();
    if (must_fail())
        return NULL;
    void *p = real.aligned_alloc(alignment, bytes);
    count(p);
    return p;
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    return aligned_alloc(alignment, bytes);
}

static bool is_memory(int fd, int flags)
{
    return fd == -1 && (flags & MAP_ANONYMOUS) != 0;
}

EXPORT void *mmap(void *at, size_t bytes, int access, int flags, int fd, off_t offset)
{
    resolve();
    if (is_memory(fd, flags) && must_fail())
        return MAP_FAILED;
    void *p = real.mmap(at, bytes, access, flags, fd, offset);
    struct torture_control *c = torture_control();
    if (c && p != MAP_FAILED && is_memory(fd, flags)) {
        atomic_fetch_add_explicit(&c->live_blocks, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->live_bytes, (int64_t)bytes, memory_order_relaxed);
        torture_record(c, p, bytes);
    }
    return p;
}

EXPORT void *mmap64(void *at, size_t bytes, int access, int flags, int fd, off_t offset)
{
    return mmap(at, bytes, access, flags, fd, offset);
}

/* In the programs under test only what was mapped for memory is unmapped. */
EXPORT int munmap(void *at, size_t bytes)
{
    resolve();
    struct torture_control *c = torture_control();
    if (c) {
        atomic_fetch_sub_explicit(&c->live_blocks, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&c->live_bytes, (int64_t)bytes, memory_order_relaxed);
        torture_forget(c, at);
    }
    return real.munmap(at, bytes);
}
