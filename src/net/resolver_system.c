/* SPDX-License-Identifier: Apache-2.0
 * Asks the system: getaddrinfo() honours nsswitch.conf, /etc/hosts and resolv.conf as everything
 * else on the machine does, and blocks for as long as it likes. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>

#include "net/resolver.h"

static enum lookup_result result_of(int code)
{
    switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return LOOKUP_NOT_FOUND;
    case EAI_AGAIN:
        return LOOKUP_TEMPORARY;
    default:
        return LOOKUP_FAILED;
    }
}

void resolver_ask_system(void *arg, const char *host, struct lookup *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *list = NULL;
    (void)arg;

    errno = 0;
    const int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) {
        ret->result = result_of(code);
        (void)snprintf(ret->problem, sizeof(ret->problem), "%s%s%s", gai_strerror(code),
                       code == EAI_SYSTEM ? ": " : "",
                       code == EAI_SYSTEM ? strerrordesc_np(errno) : "");
        return;
    }
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        const struct ip ip = ip_of_sockaddr(a->ai_addr);
        if (ip.known)
            lookup_add(ret, &ip);
    }
    freeaddrinfo(list);
    if (ret->count > 0)
        return;
    ret->result = LOOKUP_NOT_FOUND;
    (void)snprintf(ret->problem, sizeof(ret->problem), "no address");
}
