/* SPDX-License-Identifier: Apache-2.0
 * A directory that stands for "/" in a test: files of /proc and /sys as the test wants them. It is
 * made and removed by fixtures around each test. */
#pragma once

extern char fake_root[];

void fake_root_make(void);
void fake_root_remove(void);

/* path begins with '/'; its directories are made. */
void fake_root_put(const char *path, const char *content);
