/* SPDX-License-Identifier: Apache-2.0
 * The ring of one thread. The producer publishes a line with the store to head, the consumer gives
 * the room back with the store to tail. */
#include "base/log_internal.h"

struct log_ring *log_ring_create(void)
{
    struct log_ring *ring = malloc(sizeof(*ring));
    if (!ring)
        return NULL;
    ring->next = NULL;
    buf_init(&ring->line, LOG_LINE_BYTES);
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->retired, false);
    return ring;
}

void log_ring_destroy(struct log_ring *ring)
{
    if (!ring)
        return;
    buf_finish(&ring->line);
    free(ring);
}

bool log_ring_push(struct log_ring *ring, struct str line)
{
    const size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    const size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (line.len > LOG_RING_BYTES - (head - tail))
        return false;
    const size_t at = head % LOG_RING_BYTES;
    const size_t to_end = LOG_RING_BYTES - at;
    const size_t first = line.len < to_end ? line.len : to_end;
    memcpy(ring->bytes + at, line.ptr, first);
    memcpy(ring->bytes, line.ptr + first, line.len - first);
    atomic_store(&ring->head, head + line.len);
    return true;
}

struct str log_ring_peek(const struct log_ring *ring)
{
    const size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    const size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    const size_t at = tail % LOG_RING_BYTES;
    const size_t to_end = LOG_RING_BYTES - at;
    const size_t ready = head - tail;
    return (struct str){ring->bytes + at, ready < to_end ? ready : to_end};
}

void log_ring_consume(struct log_ring *ring, size_t bytes)
{
    const size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + bytes, memory_order_release);
}
