/* SPDX-License-Identifier: Apache-2.0
 * Notices when a file changes that the configuration consists of or names: secrets and certificates
 * rotate as mounted files. The kernel tells by SIGIO that something happened in their directories
 * (so the exchange of a symbolic link is seen, too); that, or a poll, makes it look. Nothing is
 * reported before the files have been left alone for a while, longer for one that is written to in
 * place: who writes is not caught half-way, unless he never ends. The main thread alone. */
#pragma once

#include <stdint.h>

#include "config/config.h"

struct file_watch;

/* began: when the reading of the configuration began. A file that changed after that moment is
 * reported. NULL: out of memory. */
NODISCARD struct file_watch *file_watch_start(const struct config_loaded *loaded,
                                              struct timespec began);
void file_watch_stop(struct file_watch *w); /* accepts NULL */

/* How the files are now is what will be read now: before a configuration is read again. */
void file_watch_mark(struct file_watch *w);
/* After a configuration was taken up: looks after its files. Without memory some are left out until
 * the next time. */
void file_watch_follow(struct file_watch *w, const struct config_loaded *loaded,
                       struct timespec began);

/* yes: file_watch_changed() is true in a minute, though nothing changes: what was read was refused.
 * Until it is called with false. */
void file_watch_retry(struct file_watch *w, bool yes);

/* For `began`: the clock of the times in files. */
struct timespec file_watch_now(void);

/* SIGIO came. */
void file_watch_woken(struct file_watch *w);
/* When file_watch_changed() wants to be called, in so many ms; -1: only after SIGIO. */
int64_t file_watch_wait_ms(const struct file_watch *w);
/* The files differ from those that were read, and nobody writes to them any more (or all the time);
 * or it is time to try those again that were refused. */
NODISCARD bool file_watch_changed(struct file_watch *w);
