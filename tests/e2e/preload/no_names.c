/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into the service by a test: a system that knows no names, and says which it was asked.
 */
#include <netdb.h>
#include <stdio.h>

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    (void)service;
    (void)hints;
    (void)ret;
    (void)fprintf(stderr, "getaddrinfo(%s)\n", node ? node : "");
    return EAI_NONAME;
}
