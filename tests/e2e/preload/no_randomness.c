/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into the service by a test: OpenSSL gives no randomness while a file exists, as on a
 * machine whose entropy source is broken. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char file[4096];

/* Before main(), which empties the environment. */
__attribute__((constructor)) static void remember_file(void)
{
    const char *name = getenv("NO_RANDOMNESS_FILE");
    if (name)
        (void)snprintf(file, sizeof(file), "%s", name);
}

int RAND_bytes(unsigned char *out, int bytes);

__attribute__((visibility("default"))) int RAND_bytes(unsigned char *out, int bytes)
{
    if (access(file, F_OK) == 0)
        return 0;
    int (*real)(unsigned char *, int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "RAND_bytes");
    return real ? real(out, bytes) : 0;
}
