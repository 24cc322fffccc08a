/* SPDX-License-Identifier: Apache-2.0
 * The log: a ring for each thread that logs, and one thread that writes them all. A producer never
 * waits: it encodes its line, copies it into its ring, and wakes the log thread only when that is
 * in deep sleep. Under load the log thread looks by itself every few milliseconds, so a busy
 * loop pays no system call for its lines. */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log_internal.h"

enum { NAP_MS = 5, NAPS_BEFORE_SLEEP = 20, WRITE_POLL_MS = 100, HASH_KEY_BYTES = 32 };

static struct logger {
    atomic_bool started;
    atomic_int level;
    atomic_uint_fast64_t dropped; /* lines */
    atomic_bool sleeping;         /* the log thread wants a wake-up */
    _Atomic(int64_t) stop_at_ms;  /* 0: run; else stop when empty, or at this time at the latest */

    int fd;
    int wake_fd;
    enum log_format format;
    bool colour;
    uint8_t hash_key[HASH_KEY_BYTES];
    pthread_t thread;
    pthread_key_t ring_key;

    pthread_mutex_t lock;      /* guards the next two */
    struct log_ring *incoming; /* rings that the log thread has not seen */
    bool running;              /* the log thread exists: it frees retired rings */

    struct log_ring *rings; /* the log thread's alone; log_stop()'s once that has ended */
    uint64_t dropped_told;  /* as above */
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .wake_fd = -1};

/* ---- the producers' side ---- */

static void wake_writer(void)
{
    const uint64_t one = 1;
    (void)!write(logger.wake_fd, &one, sizeof(one));
}

/* Takes ring out of the list; false when it is not in it. */
static bool unlink_ring(struct log_ring **list, struct log_ring *ring)
{
    for (struct log_ring **at = list; *at; at = &(*at)->next) {
        if (*at == ring) {
            *at = ring->next;
            return true;
        }
    }
    return false;
}

/* Runs when a thread ends. Its last lines stay in the ring until the log thread has written them.
 */
static void retire_ring(void *arg)
{
    struct log_ring *ring = arg;
    (void)pthread_mutex_lock(&logger.lock);
    const bool running = logger.running;
    if (running)
        atomic_store(&ring->retired, true);
    else if (!unlink_ring(&logger.incoming, ring))
        (void)unlink_ring(&logger.rings, ring);
    (void)pthread_mutex_unlock(&logger.lock);
    if (!running)
        log_ring_destroy(ring);
}

static struct log_ring *ring_get(void)
{
    struct log_ring *ring = pthread_getspecific(logger.ring_key);
    if (ring)
        return ring;
    ring = log_ring_create();
    if (!ring)
        return NULL;
    if (pthread_setspecific(logger.ring_key, ring) != 0) {
        log_ring_destroy(ring);
        return NULL;
    }
    (void)pthread_mutex_lock(&logger.lock);
    ring->next = logger.incoming;
    logger.incoming = ring;
    (void)pthread_mutex_unlock(&logger.lock);
    return ring;
}

static void encode(struct buf *out, const struct log_line *line)
{
    if (logger.format == LOG_JSON)
        log_encode_json(out, line);
    else
        log_encode_text(out, line, logger.colour);
}

void log_write(enum log_level level, const char *action, const char *message,
               const struct log_field *fields, size_t count)
{
    if (log_enabled(level))
        log_write_anyway(level, action, message, fields, count);
}

void log_write_anyway(enum log_level level, const char *action, const char *message,
                      const struct log_field *fields, size_t count)
{
    if (!atomic_load_explicit(&logger.started, memory_order_relaxed))
        return;
    const struct log_line line = {
        .wall_ms = clock_wall_ms(),
        .level = level,
        .action = action,
        .message = message,
        .fields = fields,
        .field_count = count,
    };
    struct log_ring *ring = ring_get();
    if (ring) {
        buf_reset(&ring->line);
        encode(&ring->line, &line);
    }
    if (!ring || !buf_ok(&ring->line) || !log_ring_push(ring, buf_str(&ring->line)))
        (void)atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);

    /* The ring's head and this flag are sequentially consistent: either this thread sees the flag
     * that sleep_deeply() sets, or that one sees the line. */
    if (atomic_load(&logger.sleeping) && atomic_exchange(&logger.sleeping, false))
        wake_writer();
}

bool log_enabled(enum log_level level)
{
    return atomic_load_explicit(&logger.started, memory_order_relaxed) &&
           (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&logger.level, (int)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load_explicit(&logger.level, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}

void log_user_hash(struct str id, char out[LOG_HASH_BYTES])
{
    uint8_t mac[SHA256_BYTES] = {0};
    /* A failed MAC leaves zeros: a hash that says nothing, never the id. */
    if (!crypto_hmac_sha256(logger.hash_key, sizeof(logger.hash_key), id, mac))
        memset(mac, 0, sizeof(mac));
    hex_encode(mac, (LOG_HASH_BYTES - 1) / 2, out);
}

/* ---- the log thread's side ---- */

static bool time_is_up(void)
{
    const int64_t stop_at_ms = atomic_load(&logger.stop_at_ms);
    return stop_at_ms != 0 && clock_mono_ms() >= stop_at_ms;
}

static void count_lost(struct str bytes)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < bytes.len; i++)
        lines += bytes.ptr[i] == '\n';
    (void)atomic_fetch_add_explicit(&logger.dropped, lines, memory_order_relaxed);
}

/* Writes a piece that a pipe with room takes whole, so that the write never blocks past the poll:
 * the descriptor is shared with other processes and must stay in blocking mode. Returns the bytes
 * taken; 0 when the time is up or nobody will ever read. */
static size_t write_piece(struct str bytes)
{
    const size_t len = bytes.len < PIPE_BUF ? bytes.len : PIPE_BUF;
    while (!time_is_up()) {
        struct pollfd out = {.fd = logger.fd, .events = POLLOUT};
        if (poll(&out, 1, WRITE_POLL_MS) <= 0)
            continue;
        const ssize_t n = write(logger.fd, bytes.ptr, len);
        if (n > 0)
            return (size_t)n;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return 0;
    }
    return 0;
}

static void write_all(struct str bytes)
{
    while (bytes.len > 0) {
        const size_t n = write_piece(bytes);
        if (n == 0) {
            count_lost(bytes);
            return;
        }
        bytes.ptr += n;
        bytes.len -= n;
    }
}

/* Everything up to what was ready at the start: whole lines, so those of two rings never mix. */
static bool drain_ring(struct log_ring *ring)
{
    size_t left =
        atomic_load(&ring->head) - atomic_load_explicit(&ring->tail, memory_order_relaxed);
    const bool any = left > 0;
    while (left > 0) {
        struct str piece = log_ring_peek(ring);
        if (piece.len > left)
            piece.len = left;
        write_all(piece);
        log_ring_consume(ring, piece.len);
        left -= piece.len;
    }
    return any;
}

static void collect_incoming(void)
{
    (void)pthread_mutex_lock(&logger.lock);
    struct log_ring *ring = logger.incoming;
    logger.incoming = NULL;
    (void)pthread_mutex_unlock(&logger.lock);
    while (ring) {
        struct log_ring *next = ring->next;
        ring->next = logger.rings;
        logger.rings = ring;
        ring = next;
    }
}

static bool drain_all(void)
{
    collect_incoming();
    bool any = false;
    struct log_ring **at = &logger.rings;
    while (*at) {
        struct log_ring *ring = *at;
        /* Read before draining: what a thread wrote before it retired is then seen below. */
        const bool retired = atomic_load(&ring->retired);
        any = drain_ring(ring) || any;
        if (!retired) {
            at = &ring->next;
            continue;
        }
        *at = ring->next;
        log_ring_destroy(ring);
    }
    return any;
}

static void tell_dropped(void)
{
    const uint64_t dropped = log_dropped();
    if (dropped == logger.dropped_told)
        return;
    logger.dropped_told = dropped;
    const struct log_field fields[] = {LOG_I("log.dropped.count", (int64_t)dropped)};
    const struct log_line line = {
        .wall_ms = clock_wall_ms(),
        .level = LOG_WARN,
        .action = "log.dropped",
        .message = "Log lines were lost",
        .fields = fields,
        .field_count = ARRAY_LEN(fields),
    };
    AUTO_BUF struct buf text;
    buf_init(&text, LOG_LINE_BYTES);
    encode(&text, &line);
    write_all(buf_str(&text));
}

static void wait_for_wake(int timeout_ms)
{
    struct pollfd wake = {.fd = logger.wake_fd, .events = POLLIN};
    if (poll(&wake, 1, timeout_ms) > 0) {
        uint64_t count = 0;
        (void)!read(logger.wake_fd, &count, sizeof(count));
    }
}

static void sleep_deeply(void)
{
    atomic_store(&logger.sleeping, true);
    if (!drain_all())
        wait_for_wake(-1);
    atomic_store(&logger.sleeping, false);
}

static void *writer_run(void *arg)
{
    (void)arg;
    (void)pthread_setname_np(pthread_self(), "log");
    int idle_naps = 0;
    while (atomic_load(&logger.stop_at_ms) == 0) {
        idle_naps = drain_all() ? 0 : idle_naps + 1;
        tell_dropped();
        if (idle_naps < NAPS_BEFORE_SLEEP) {
            wait_for_wake(NAP_MS);
            continue;
        }
        sleep_deeply();
        idle_naps = 0;
    }
    (void)drain_all();
    tell_dropped();
    return NULL;
}

/* ---- start and stop ---- */

/* Signals are for the main thread; a closed pipe then gives EPIPE here instead of SIGPIPE. */
static bool start_thread(void)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool ok = pthread_create(&logger.thread, NULL, writer_run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

/* Made once and kept: a thread that logs while the log stops may still hold them. */
static bool prepare_once(void)
{
    if (logger.wake_fd >= 0)
        return true;
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return false;
    if (pthread_key_create(&logger.ring_key, retire_ring) != 0) {
        (void)close(fd);
        return false;
    }
    logger.wake_fd = fd;
    return true;
}

bool log_start(int fd, enum log_format format, enum log_level level, const uint8_t hash_key[32])
{
    if (!prepare_once())
        return false;
    logger.fd = fd;
    logger.format = format;
    logger.colour = format == LOG_TEXT && isatty(fd) == 1;
    memcpy(logger.hash_key, hash_key, sizeof(logger.hash_key));
    logger.dropped_told = log_dropped();
    log_set_level(level);
    atomic_store(&logger.stop_at_ms, 0);
    logger.running = true;
    if (!start_thread()) {
        logger.running = false;
        return false;
    }
    atomic_store(&logger.started, true);
    return true;
}

/* Rings of threads that still live stay in the list, for those threads to free. */
static void free_rings_after_stop(void)
{
    struct log_ring *own = pthread_getspecific(logger.ring_key);
    (void)pthread_setspecific(logger.ring_key, NULL);
    (void)pthread_mutex_lock(&logger.lock);
    logger.running = false;
    struct log_ring **at = &logger.rings;
    while (*at) {
        struct log_ring *ring = *at;
        if (ring != own && !atomic_load(&ring->retired)) {
            at = &ring->next;
            continue;
        }
        *at = ring->next;
        log_ring_destroy(ring);
    }
    (void)pthread_mutex_unlock(&logger.lock);
}

void log_stop(int wait_ms)
{
    if (!atomic_exchange(&logger.started, false))
        return;
    atomic_store(&logger.stop_at_ms, clock_mono_ms() + (wait_ms > 0 ? wait_ms : 1));
    wake_writer();
    (void)pthread_join(logger.thread, NULL);
    collect_incoming();
    free_rings_after_stop();
    crypto_cleanse(logger.hash_key, sizeof(logger.hash_key));
}
