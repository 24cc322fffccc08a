/* SPDX-License-Identifier: Apache-2.0
 * Runs a target over files and folders of files, with any compiler: the committed corpus as a
 * regression test, or one input that a fuzzer found. */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 4 * 1024 * 1024 };

/* The input lies in a block of exactly its size, so that a sanitizer sees the first byte read past
 * its end. */
static bool replay_file(const char *path)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");

    if (!file) {
        perror(path);
        return false;
    }
    const size_t len = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        return false;
    for (size_t i = 0; i < len; i++)
        exact[i] = bytes[i];
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return true;
}

static bool replay_folder(const char *path, int *count)
{
    DIR *folder = opendir(path);
    bool good = folder != NULL;

    for (struct dirent *e = good ? readdir(folder) : NULL; e; e = readdir(folder)) {
        char child[PATH_MAX];
        if (e->d_name[0] == '.')
            continue;
        good = snprintf(child, sizeof(child), "%s/%s", path, e->d_name) < (int)sizeof(child) &&
               replay_file(child) && good;
        (*count)++;
    }
    if (folder)
        (void)closedir(folder);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    int count = 0;

    for (int i = 1; i < argc; i++) {
        struct stat status;
        const bool there = stat(argv[i], &status) == 0;
        if (there && S_ISDIR(status.st_mode)) {
            good = replay_folder(argv[i], &count) && good;
        } else {
            good = there && replay_file(argv[i]) && good;
            count++;
        }
    }
    (void)printf("%d inputs replayed\n", count);
    return good && count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
