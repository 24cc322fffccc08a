/* SPDX-License-Identifier: Apache-2.0
 * What the torture library and the program that drives it share: a file of this layout, mapped by
 * both. tests/torture/control.py reads and writes the same words; keep the two together. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define TORTURE_FILE_VARIABLE "TORTURE_FILE"

enum {
    TORTURE_MAGIC = 0x746f7274,
    TORTURE_NAME_BYTES = 16,
    TORTURE_FRAMES = 24,
    TORTURE_BLOCKS_MAX = 1 << 15, /* a power of two */
    TORTURE_BLOCK_FRAMES = 14,
};

enum torture_mode {
    TORTURE_OFF,
    TORTURE_ONE,   /* only number k from now on fails */
    TORTURE_FROM,  /* number k and all after it fail, until told otherwise */
    TORTURE_COUNT, /* nothing fails */
};

/* One kind of thing that can fail. The driver sets mode last. */
struct torture_arm {
    _Atomic uint64_t mode;
    _Atomic uint64_t k;      /* from 1 */
    _Atomic uint64_t seen;   /* matching ones since it was armed */
    _Atomic uint64_t failed; /* how many of them were made to fail */
    _Atomic uint64_t what;   /* system calls: their number in TORTURE_CALLS */
    _Atomic uint64_t error;  /* errno to fail with */
    _Atomic uint64_t depth;  /* of the first failure's stack */
    _Atomic uint64_t stack[TORTURE_FRAMES];
    char thread[TORTURE_NAME_BYTES]; /* only threads of this name; empty: all */
};

/* A block that was taken while recording was on and is not given back. */
struct torture_block {
    uint64_t address; /* 0: free entry, 1: one that was used */
    uint64_t bytes;
    uint64_t stack[TORTURE_BLOCK_FRAMES];
};

struct torture_control {
    _Atomic uint64_t magic;
    _Atomic int64_t live_blocks; /* against the moment when the library was loaded */
    _Atomic int64_t live_bytes;
    _Atomic int64_t wall_offset_s; /* the wall clock is off by this much; the monotonic one is not */
    _Atomic uint64_t recording;
    _Atomic uint64_t lock; /* guards blocks */
    struct torture_arm allocations;
    struct torture_arm calls;
    _Atomic uint64_t
        call_counts[64]; /* of the thread that calls.thread names, by number in TORTURE_CALLS */
    struct torture_block blocks[TORTURE_BLOCKS_MAX];
};
