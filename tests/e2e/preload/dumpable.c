/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into the service by a test that looks at its memory: it stays a process that a debugger
 * of the same user may read. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>

__attribute__((constructor)) static void allow_any_debugger(void)
{
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

__attribute__((visibility("default"))) int prctl(int option, ...)
{
    int (*real)(int, ...) = NULL;
    unsigned long arguments[4];
    va_list list;

    if (option == PR_SET_DUMPABLE)
        return 0;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        arguments[i] = va_arg(list, unsigned long);
    va_end(list);
    *(void **)&real = dlsym(RTLD_NEXT, "prctl");
    return real ? real(option, arguments[0], arguments[1], arguments[2], arguments[3]) : -1;
}
