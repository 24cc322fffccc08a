/* SPDX-License-Identifier: Apache-2.0
 * Stamps of files, compared; see file_watch.h. A stamp is what stat() tells of the file behind all
 * symbolic links: any writing to it, and any other file in its place, changes that. */
#include "file_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    /* Left alone for so long, files that took the place of others are taken for complete. */
    SETTLE_MS = 250,
    /* A file that is written to in place, for its writer may pause, and many a half is valid. */
    SETTLE_IN_PLACE_MS = 3 * 1000,
    /* So long a file that is never left alone holds up the others. */
    UNREST_MAX_MS = 10 * 1000,
    /* What was refused is tried again: a certificate comes in force, a directory appears. */
    RETRY_MS = 60 * 1000,
    /* What the kernel does not tell of: a file system that others write to, a link in the middle of
     * a path. */
    POLL_MS = 60 * 1000,
    /* The kernel tells nothing at all. */
    POLL_ALONE_MS = 5 * 1000,
    EVENT_BYTES = 4096,
};

struct stamp {
    int problem; /* errno of stat() */
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified, changed;
};

struct watched {
    char *path;        /* owned */
    struct stamp read; /* when it was read */
    struct stamp seen; /* at the last look */
    /* When the last change that was seen counts as done; monotonic. */
    int64_t settled_ms;
};

struct file_watch {
    bool on;
    int fd; /* inotify; -1: none */
    struct watched *files;
    size_t count;
    int64_t look_ms;   /* when to look; monotonic, as all times here */
    int64_t unrest_ms; /* since when a change waits for its end; 0: none does */
    int64_t retry_ms;  /* when a refused reload is tried again; 0: none was refused */
    bool warned;       /* of files that are not left alone */
};

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->problem == b->problem && a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && same_time(a->modified, b->modified) &&
           same_time(a->changed, b->changed);
}

static struct stamp stamp_of(const char *path)
{
    struct stat s;

    if (stat(path, &s) != 0)
        return (struct stamp){.problem = errno};
    return (struct stamp){.device = s.st_dev,
                          .inode = s.st_ino,
                          .bytes = s.st_size,
                          .modified = s.st_mtim,
                          .changed = s.st_ctim};
}

static bool same_file(const struct stamp *a, const struct stamp *b)
{
    return a->problem == 0 && b->problem == 0 && a->device == b->device && a->inode == b->inode;
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* ---- the kernel's news */

/* The directory that holds the path's last part. */
static void watch_directory(struct file_watch *w, const char *path)
{
    enum {
        EVENTS = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                 IN_ATTRIB | IN_MOVE_SELF,
    };
    const char *slash = strrchr(path, '/');
    const size_t len = slash ? (size_t)(slash - path) : 0;
    char directory[PATH_MAX];

    if (len >= sizeof(directory))
        return;
    if (!slash)
        memcpy(directory, ".", sizeof("."));
    else if (len == 0)
        memcpy(directory, "/", sizeof("/"));
    else
        memcpy(directory, path, len);
    directory[len > 0 ? len : 1] = '\0';
    /* A directory that is watched already stays one. */
    if (inotify_add_watch(w->fd, directory, EVENTS | IN_ONLYDIR) < 0)
        LOG(LOG_DEBUG, "config.watch", "A directory is polled only",
            LOG_S("error.reason", strerror(errno)));
}

/* Where a link leads to, too: a file there may be written to in place. */
static void watch_file(struct file_watch *w, const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);

    watch_directory(w, path);
    if (real && strcmp(real, path) != 0)
        watch_directory(w, real);
}

static void tell_by_signal(int fd, bool yes)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, yes ? flags | O_ASYNC : flags & ~O_ASYNC);
}

static void open_news(struct file_watch *w)
{
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd >= 0 && fcntl(w->fd, F_SETOWN, getpid()) == 0)
        return;
    LOG(LOG_WARN, "config.watch", "Files of the configuration are polled: the system tells nothing",
        LOG_I("config.poll_ms", POLL_ALONE_MS), LOG_S("error.reason", strerror(errno)));
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
}

static void close_news(struct file_watch *w)
{
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
}

static void drop_events(const struct file_watch *w)
{
    char events[EVENT_BYTES];

    while (w->fd >= 0 && read(w->fd, events, sizeof(events)) > 0)
        ;
}

/* ---- the files */

struct listing {
    const struct file_watch *from; /* what was watched before */
    struct watched *files;
    size_t count, room;
    struct timespec began;
};

static const struct watched *find(const struct file_watch *w, const char *path)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->files[i].path, path) == 0)
            return &w->files[i];
    }
    return NULL;
}

/* One that was not watched while it was read: if it changed since, nobody knows what was read. */
static struct stamp first_stamp(const char *path, struct timespec began)
{
    const struct stamp now = stamp_of(path);
    const bool known = now.problem == 0 && is_before(now.changed, began);

    return known ? now : (struct stamp){.problem = -1};
}

static void list_file(void *arg, const char *path)
{
    struct listing *l = arg;
    const struct watched *before = find(l->from, path);
    char *copy = l->count < l->room ? strdup(path) : NULL;

    if (!copy)
        return;
    struct watched *file = &l->files[l->count++];
    file->path = copy;
    file->read = before ? before->read : first_stamp(path, l->began);
    file->seen = file->read;
}

static void count_file(void *arg, const char *path)
{
    (void)path;
    ++*(size_t *)arg;
}

static void free_files(struct watched *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}

static void look_in(struct file_watch *w, int64_t ms)
{
    w->look_ms = clock_mono_ms() + ms;
}

enum state { AS_READ, UNSETTLED, CHANGED };

/* One that was not known before may be in the middle of being written, too. */
static int64_t settle_ms(const struct stamp *before, const struct stamp *now)
{
    return before->problem < 0 || same_file(before, now) ? SETTLE_IN_PLACE_MS : SETTLE_MS;
}

static enum state look_at(struct watched *file, int64_t now_ms)
{
    const struct stamp now = stamp_of(file->path);

    if (!same(&now, &file->seen)) {
        file->settled_ms = now_ms + settle_ms(&file->seen, &now);
        file->seen = now;
    }
    if (same(&file->read, &file->seen))
        return AS_READ;
    return now_ms < file->settled_ms ? UNSETTLED : CHANGED;
}

/* Of all files: the least settled. */
static enum state look(struct file_watch *w, int64_t now_ms)
{
    enum state all = AS_READ;

    for (size_t i = 0; i < w->count; i++) {
        const enum state one = look_at(&w->files[i], now_ms);
        if (all == AS_READ || one == UNSETTLED)
            all = one == AS_READ ? all : one;
    }
    return all;
}

/* True: others have waited for this long enough. */
static bool is_too_restless(struct file_watch *w, int64_t now_ms)
{
    if (w->unrest_ms == 0)
        w->unrest_ms = now_ms;
    if (now_ms - w->unrest_ms < UNREST_MAX_MS)
        return false;
    if (!w->warned)
        LOG(LOG_WARN, "config.watch", "A file of the configuration is written to again and again",
            LOG_I("config.unrest_ms", UNREST_MAX_MS));
    w->warned = true;
    return true;
}

/* ---- what the main thread calls */

void file_watch_follow(struct file_watch *w, const struct config_loaded *loaded,
                       struct timespec began)
{
    struct listing l = {.from = w, .began = began};

    w->on = config_of(loaded)->config_watch;
    close_news(w);
    if (w->on) {
        config_each_file(loaded, count_file, &l.room);
        l.files = calloc(l.room + 1, sizeof(*l.files));
        if (!l.files)
            l.room = 0;
        open_news(w);
        config_each_file(loaded, list_file, &l);
    }
    free_files(w->files, w->count);
    w->files = l.files;
    w->count = l.count;
    for (size_t i = 0; i < w->count && w->fd >= 0; i++)
        watch_file(w, w->files[i].path);
    if (w->fd >= 0)
        tell_by_signal(w->fd, true);
    /* What happened before the directories were watched is seen by this look. */
    w->unrest_ms = 0;
    look_in(w, SETTLE_MS);
}

struct file_watch *file_watch_start(const struct config_loaded *loaded, struct timespec began)
{
    struct file_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->fd = -1;
    file_watch_follow(w, loaded, began);
    return w;
}

void file_watch_stop(struct file_watch *w)
{
    if (!w)
        return;
    close_news(w);
    free_files(w->files, w->count);
    free(w);
}

void file_watch_mark(struct file_watch *w)
{
    drop_events(w);
    for (size_t i = 0; i < w->count; i++)
        w->files[i].read = w->files[i].seen = stamp_of(w->files[i].path);
    w->unrest_ms = 0;
}

void file_watch_retry(struct file_watch *w, bool yes)
{
    w->retry_ms = yes ? clock_mono_ms() + RETRY_MS : 0;
}

struct timespec file_watch_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now;
}

/* Further news change nothing until then: a busy directory costs a look in SETTLE_MS. */
void file_watch_woken(struct file_watch *w)
{
    if (w->fd < 0)
        return;
    tell_by_signal(w->fd, false);
    const int64_t at_ms = clock_mono_ms() + SETTLE_MS;
    if (at_ms < w->look_ms)
        w->look_ms = at_ms;
}

int64_t file_watch_wait_ms(const struct file_watch *w)
{
    if (!w->on)
        return -1;
    const bool retries_first = w->retry_ms != 0 && w->retry_ms < w->look_ms;
    const int64_t left_ms = (retries_first ? w->retry_ms : w->look_ms) - clock_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}

bool file_watch_changed(struct file_watch *w)
{
    const int64_t now_ms = clock_mono_ms();
    const bool retry = w->retry_ms != 0 && w->retry_ms <= now_ms;

    if (!w->on || (!retry && now_ms < w->look_ms))
        return false;
    drop_events(w);
    if (w->fd >= 0)
        tell_by_signal(w->fd, true);
    const enum state state = look(w, now_ms);
    if (state == CHANGED) {
        w->warned = false;
        return true;
    }
    if (state == UNSETTLED) {
        if (retry)
            w->retry_ms = now_ms + RETRY_MS; /* there is something newer to try, soon */
        look_in(w, SETTLE_MS);
        return is_too_restless(w, now_ms);
    }
    w->unrest_ms = 0;
    look_in(w, w->fd >= 0 ? POLL_MS : POLL_ALONE_MS);
    return retry;
}
