/* SPDX-License-Identifier: Apache-2.0
 * What the process is to the system: its environment, limits, signals. Called by main() before any
 * thread exists and before any library is initialised. */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

/* Takes the BFF_ variables out of the environment as a private copy (NULL-terminated array;
 * free with process_free_environment()) and leaves in the environment only an allow-list: nothing
 * that steers TLS, proxies, names or the loader of libraries. The values of all others are
 * overwritten where the system shows them (/proc/PID/environ). NULL: out of memory. */
NODISCARD char **process_take_environment(void);
void process_free_environment(char **copy); /* cleanses; accepts NULL */
/* Overwrites the values of the secrets among the entries, in place. Accepts NULL. */
void process_overwrite_secrets(char **entries);

/* No core dump, no ptrace by others, no new privileges, private files; what libraries free on this
 * thread, which reads the secrets, is overwritten. A broken pipe is an error and not a signal. */
NODISCARD bool process_harden(void);

/* Large blocks of memory, the tables that are made for the worst case above all, cost only the
 * pages that are used. */
void process_tune_memory(void);

/* Raises the limit of open descriptors to its hard value; returns what it is then. */
uint64_t process_raise_descriptors(void);

/* Blocks the signals that process_wait_signal() reads; threads made afterwards inherit that. */
void process_block_signals(void);
/* A signal that ends the process waits to be read: it goes before a SIGHUP. */
bool process_end_is_pending(void);
/* SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 or SIGIO (file_watch.h); 0 when wait_ms passed
 * without one.
 * wait_ms -1: for ever. */
int process_wait_signal(int64_t wait_ms);
