/* SPDX-License-Identifier: Apache-2.0
 * The torture library's switch and memory. The file that controls it is named by the environment
 * when the program starts; the program may empty its environment afterwards. */
#include "torture.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct torture_control *control;

/* A thread that looks up its own stack must not be made to look again. */
static __thread bool busy __attribute__((tls_model("initial-exec")));

/* Past all wrappers, ours included. */
static void *map_file(const char *name)
{
    const long fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    const long at = syscall(SYS_mmap, 0, sizeof(struct torture_control), 0x3 /* read, write */,
                            0x1 /* shared */, fd, 0);
    (void)syscall(SYS_close, fd);
    return at < 0 && at > -4096 ? NULL : (void *)at; /* NOLINT(performance-no-int-to-ptr) */
}

/* Before main(). */
__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv(TORTURE_FILE_VARIABLE);
    void *first[1];
    (void)backtrace(first, 1); /* loads what it needs, which takes memory */
    struct torture_control *c = name ? map_file(name) : NULL;
    if (c && atomic_load(&c->magic) == TORTURE_MAGIC)
        control = c;
}

struct torture_control *torture_control(void)
{
    return busy ? NULL : control;
}

static bool is_named(const char *wanted)
{
    char name[TORTURE_NAME_BYTES] = {0};
    if (wanted[0] == '\0')
        return true;
    return prctl(PR_GET_NAME, name, 0, 0, 0) == 0 && strncmp(name, wanted, TORTURE_NAME_BYTES) == 0;
}

static size_t walk(void **frames, size_t max)
{
    busy = true;
    const int depth = backtrace(frames, (int)max);
    busy = false;
    return depth > 0 ? (size_t)depth : 0;
}

static void keep_stack(struct torture_arm *arm)
{
    void *frames[TORTURE_FRAMES];
    const size_t depth = walk(frames, TORTURE_FRAMES);
    for (size_t i = 0; i < depth; i++)
        atomic_store(&arm->stack[i], (uint64_t)(uintptr_t)frames[i]);
    atomic_store(&arm->depth, depth);
}

bool torture_strikes(struct torture_arm *arm, int *error)
{
    const uint64_t mode = atomic_load_explicit(&arm->mode, memory_order_acquire);
    const int before = errno;
    if (mode == TORTURE_OFF || !is_named(arm->thread)) {
        errno = before;
        return false;
    }
    const uint64_t number = atomic_fetch_add(&arm->seen, 1) + 1;
    const uint64_t k = atomic_load(&arm->k);
    errno = before;
    if (mode == TORTURE_COUNT || number < k || (mode == TORTURE_ONE && number > k))
        return false;
    if (atomic_fetch_add(&arm->failed, 1) == 0)
        keep_stack(arm);
    *error = (int)atomic_load(&arm->error);
    errno = before;
    return true;
}

/* ---- blocks that were taken while recording */

static void acquire(struct torture_control *c)
{
    uint64_t open = 0;
    while (!atomic_compare_exchange_weak(&c->lock, &open, 1))
        open = 0;
}

static void release(struct torture_control *c)
{
    atomic_store(&c->lock, 0);
}

static size_t slot_of(uint64_t address)
{
    return (size_t)((address >> 4) * 0x9e3779b97f4a7c15ULL >> 40) & (TORTURE_BLOCKS_MAX - 1);
}

void torture_record(struct torture_control *c, const void *block, size_t bytes)
{
    if (!atomic_load_explicit(&c->recording, memory_order_relaxed))
        return;
    void *frames[TORTURE_BLOCK_FRAMES];
    const size_t depth = walk(frames, TORTURE_BLOCK_FRAMES);
    const uint64_t address = (uint64_t)(uintptr_t)block;
    acquire(c);
    for (size_t i = 0; i < TORTURE_BLOCKS_MAX; i++) {
        struct torture_block *b = &c->blocks[(slot_of(address) + i) & (TORTURE_BLOCKS_MAX - 1)];
        if (b->address > 1)
            continue;
        *b = (struct torture_block){.address = address, .bytes = bytes};
        for (size_t j = 0; j < depth; j++)
            b->stack[j] = (uint64_t)(uintptr_t)frames[j];
        break;
    }
    release(c);
}

void torture_forget(struct torture_control *c, const void *block)
{
    if (!atomic_load_explicit(&c->recording, memory_order_relaxed))
        return;
    const uint64_t address = (uint64_t)(uintptr_t)block;
    acquire(c);
    for (size_t i = 0; i < TORTURE_BLOCKS_MAX; i++) {
        struct torture_block *b = &c->blocks[(slot_of(address) + i) & (TORTURE_BLOCKS_MAX - 1)];
        if (b->address == address)
            b->address = 1;
        else if (b->address != 0)
            continue;
        break;
    }
    release(c);
}

void torture_recount(size_t bytes)
{
    struct torture_control *c = torture_control();
    if (!c)
        return;
    atomic_fetch_add_explicit(&c->live_blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->live_bytes, (int64_t)bytes, memory_order_relaxed);
}
