/* SPDX-License-Identifier: Apache-2.0
 * IP addresses as values, CIDR lists, and who the client is behind trusted proxies. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"

enum { IP_TEXT_BYTES = INET6_ADDRSTRLEN };

/* IPv4 is kept as IPv4-mapped IPv6, so equal addresses have equal bytes. */
struct ip {
    uint8_t bytes[16];
    bool known;
};

struct cidr {
    uint8_t bytes[16];
    unsigned bits; /* of 128 */
};

struct cidr_list {
    struct cidr *rows; /* owned */
    size_t count;
};

struct ip ip_of_sockaddr(const struct sockaddr *sa);
/* Strict textual IPv4 or IPv6 (no zone, no brackets, no port). */
NODISCARD bool ip_parse(struct str text, struct ip *ret);
void ip_format(const struct ip *ip,
               char out[IP_TEXT_BYTES]); /* mapped IPv4 as IPv4; "" when unknown */
/* Comma list; error names the entry. Host bits set are an error. */
NODISCARD enum err cidr_list_parse(struct str text, struct cidr_list *ret, struct err_text *reterr);
void cidr_list_finish(struct cidr_list *list);
bool cidr_list_has(const struct cidr_list *list, const struct ip *ip);
/* api.md section 4: peer unless trusted; then forwarded (all X-Forwarded-For fields joined by
 * commas) read right to left up to the first untrusted; all trusted: the leftmost; malformed: the
 * peer. */
struct ip client_address(const struct cidr_list *trusted, struct ip peer, struct str forwarded);

/* "host:port", "[v6]:port"; host may be a literal address or "localhost". Port 0 is allowed. */
struct listen_address {
    struct sockaddr_storage sa;
    socklen_t sa_len;
};
NODISCARD enum err listen_address_parse(struct str text, struct listen_address *ret,
                                        struct err_text *reterr);
/* Options of a listening socket that the sockets accepted from it inherit. */
void listen_tune(int fd);
/* No further connection begins on a socket that listen_open() made: whoever tries is refused. Those
 * that are made, or being made, can still be accepted (but for those that have a SYN cookie in the
 * place of a request socket: their last step is refused). False, and errno: the kernel will not,
 * and nothing changes. Needs Linux 5.7, or CAP_NET_RAW. */
NODISCARD bool listen_shut_door(int fd);
/* Bound, listening, non-blocking, close-on-exec; the real port is in *ret_port. */
NODISCARD enum err listen_open(const struct listen_address *at, int *ret_fd, uint16_t *ret_port,
                               struct err_text *reterr);
