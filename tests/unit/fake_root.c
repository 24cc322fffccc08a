/* SPDX-License-Identifier: Apache-2.0
 * fake_root: a temporary directory. */
#include "fake_root.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#define PATTERN "/tmp/bff-root-XXXXXX"

char fake_root[] = PATTERN;

void fake_root_make(void)
{
    (void)memcpy(fake_root, PATTERN, sizeof(PATTERN));
    ck_assert_ptr_nonnull(mkdtemp(fake_root));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    return remove(path);
}

void fake_root_remove(void)
{
    ck_assert_int_eq(nftw(fake_root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void fake_root_put(const char *path, const char *content)
{
    char whole[256];
    (void)snprintf(whole, sizeof(whole), "%s%s", fake_root, path);
    for (char *slash = strchr(whole + sizeof(PATTERN), '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *f = fopen(whole, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs(content, f);
    ck_assert_int_eq(fclose(f), 0);
}
