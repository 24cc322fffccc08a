/* SPDX-License-Identifier: Apache-2.0
 * Textual addresses to values and back, CIDR matching, the client behind trusted proxies, and
 * listening sockets. Nothing here resolves names but "localhost". */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>

#include "config/memory_fit.h"

enum { IPV4_BITS = 32, IPV6_BITS = 128, MAPPED_BITS = IPV6_BITS - IPV4_BITS };
enum {
    CIDR_ROWS_MAX = 256,
    LISTEN_BACKLOG = 4096,
};

static const uint8_t MAPPED_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* ---- single addresses */

static struct ip ip_of_v4(const void *four_bytes)
{
    struct ip ip = {.known = true};
    memcpy(ip.bytes, MAPPED_PREFIX, sizeof(MAPPED_PREFIX));
    memcpy(ip.bytes + sizeof(MAPPED_PREFIX), four_bytes, 4);
    return ip;
}

static bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->bytes, MAPPED_PREFIX, sizeof(MAPPED_PREFIX)) == 0;
}

struct ip ip_of_sockaddr(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sa, sizeof(v4));
        return ip_of_v4(&v4.sin_addr);
    }
    struct ip ip = {0};
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sa, sizeof(v6));
        memcpy(ip.bytes, &v6.sin6_addr, sizeof(ip.bytes));
        ip.known = true;
    }
    return ip;
}

bool ip_parse(struct str text, struct ip *ret)
{
    char z[IP_TEXT_BYTES];
    if (text.len == 0 || text.len >= sizeof(z) || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';

    uint8_t bytes[16];
    if (inet_pton(AF_INET, z, bytes) == 1) {
        *ret = ip_of_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, z, bytes) != 1)
        return false;
    memcpy(ret->bytes, bytes, sizeof(bytes));
    ret->known = true;
    return true;
}

/* Each request has its client's address in its access line: inet_ntop() would go through printf. */
static void format_v4(const uint8_t bytes[4], char *to)
{
    for (int i = 0; i < 4; i++) {
        const unsigned b = bytes[i];
        if (b >= 100)
            *to++ = (char)('0' + b / 100);
        if (b >= 10)
            *to++ = (char)('0' + b / 10 % 10);
        *to++ = (char)('0' + b % 10);
        *to++ = i < 3 ? '.' : '\0';
    }
}

void ip_format(const struct ip *ip, char out[IP_TEXT_BYTES])
{
    out[0] = '\0';
    if (!ip->known)
        return;
    if (ip_is_v4(ip))
        format_v4(ip->bytes + sizeof(MAPPED_PREFIX), out);
    else
        (void)inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_BYTES);
}

/* ---- text helpers */

static struct str trim(struct str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Plain decimal, no sign, no leading zero. */
static bool parse_decimal(struct str text, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    if (value > max)
        return false;
    *ret = value;
    return true;
}

/* ---- CIDR */

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    const unsigned whole = bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    if (bits % 8 == 0)
        return true;
    const unsigned mask = 0xffU << (8 - bits % 8) & 0xffU;
    return ((a[whole] ^ b[whole]) & mask) == 0;
}

static bool host_bits_are_zero(const struct cidr *row)
{
    uint8_t network[16] = {0};
    memcpy(network, row->bytes, (row->bits + 7) / 8);
    if (row->bits % 8 != 0)
        network[row->bits / 8] &= (uint8_t)(0xffU << (8 - row->bits % 8));
    return memcmp(network, row->bytes, sizeof(network)) == 0;
}

static const char *cidr_parse(struct str text, struct cidr *ret)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    const struct str host = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    struct ip ip;
    if (!ip_parse(host, &ip))
        return "not an IP address";

    /* Whether the prefix counts IPv4 bits depends on how it was written, not on its bytes. */
    const bool as_v4 = !memchr(host.ptr, ':', host.len);
    unsigned bits = as_v4 ? IPV4_BITS : IPV6_BITS;
    if (slash) {
        const struct str tail = {slash + 1, text.len - host.len - 1};
        if (!parse_decimal(tail, bits, &bits))
            return "the prefix length is not a number in range";
    }
    memcpy(ret->bytes, ip.bytes, sizeof(ret->bytes));
    ret->bits = as_v4 ? MAPPED_BITS + bits : bits;
    return host_bits_are_zero(ret) ? NULL : "bits behind the prefix are set";
}

static size_t count_entries(struct str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    return count;
}

enum err cidr_list_parse(struct str text, struct cidr_list *ret, struct err_text *reterr)
{
    if (trim(text).len == 0) {
        *ret = (struct cidr_list){0};
        return ERR_OK;
    }
    const size_t count = count_entries(text);
    if (count > CIDR_ROWS_MAX)
        return err_set(reterr, ERR_INVALID_REQUEST, "more than %d networks", (int)CIDR_ROWS_MAX);
    AUTO_FREE struct cidr *rows = calloc(count, sizeof(*rows));
    if (!rows)
        return ERR_NO_MEMORY;

    for (size_t i = 0; i < count; i++) {
        const char *comma = memchr(text.ptr, ',', text.len);
        const size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        const struct str entry = trim((struct str){text.ptr, len});
        const char *problem = cidr_parse(entry, &rows[i]);
        if (problem)
            return err_set(reterr, ERR_INVALID_REQUEST, "\"%.*s\": %s", (int)entry.len, entry.ptr,
                           problem);
        text.ptr += comma ? len + 1 : len;
        text.len -= comma ? len + 1 : len;
    }
    *ret = (struct cidr_list){.rows = rows, .count = count};
    rows = NULL;
    return ERR_OK;
}

void cidr_list_finish(struct cidr_list *list)
{
    free(list->rows);
    *list = (struct cidr_list){0};
}

bool cidr_list_has(const struct cidr_list *list, const struct ip *ip)
{
    if (!ip->known)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (prefix_equal(list->rows[i].bytes, ip->bytes, list->rows[i].bits))
            return true;
    }
    return false;
}

/* ---- the client behind proxies */

struct ip client_address(const struct cidr_list *trusted, struct ip peer, struct str forwarded)
{
    if (forwarded.len == 0 || !trusted || !cidr_list_has(trusted, &peer))
        return peer;
    struct ip client = peer;
    for (;;) {
        const char *comma = memrchr(forwarded.ptr, ',', forwarded.len);
        const size_t at = comma ? (size_t)(comma - forwarded.ptr) + 1 : 0;
        const struct str entry = trim((struct str){forwarded.ptr + at, forwarded.len - at});
        if (!ip_parse(entry, &client))
            return peer;
        if (!comma || !cidr_list_has(trusted, &client))
            return client;
        forwarded.len = at - 1;
    }
}

/* ---- listening sockets */

enum err listen_address_parse(struct str text, struct listen_address *ret, struct err_text *reterr)
{
    const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
    if (!colon)
        return err_set(reterr, ERR_INVALID_REQUEST, "wanted host:port");
    struct str host = {text.ptr, (size_t)(colon - text.ptr)};
    const struct str port_text = {colon + 1, text.len - host.len - 1};
    unsigned port;
    if (!parse_decimal(port_text, UINT16_MAX, &port))
        return err_set(reterr, ERR_INVALID_REQUEST, "the port is not a number from 0 to 65535");

    const bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = (struct str){host.ptr + 1, host.len - 2};
    if (str_is(host, "localhost"))
        host = STR("127.0.0.1");
    const bool has_colon = memchr(host.ptr, ':', host.len) != NULL;
    struct ip ip;
    if (bracketed != has_colon || !ip_parse(host, &ip))
        return err_set(reterr, ERR_INVALID_REQUEST,
                       "the host is not an IPv4 address, an IPv6 address in [] or localhost");

    *ret = (struct listen_address){0};
    if (bracketed) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        memcpy(&v6.sin6_addr, ip.bytes, sizeof(v6.sin6_addr));
        memcpy(&ret->sa, &v6, sizeof(v6));
        ret->sa_len = sizeof(v6);
    } else {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        memcpy(&v4.sin_addr, ip.bytes + sizeof(MAPPED_PREFIX), sizeof(v4.sin_addr));
        memcpy(&ret->sa, &v4, sizeof(v4));
        ret->sa_len = sizeof(v4);
    }
    return ERR_OK;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return 0;
    if (sa.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &sa, sizeof(v6));
        return ntohs(v6.sin6_port);
    }
    struct sockaddr_in v4;
    memcpy(&v4, &sa, sizeof(v4));
    return ntohs(v4.sin_port);
}

/* Linux hands these on to accepted sockets, which saves calls for each of them. Left to itself it
 * gives buffers of 4 MiB to a client that asks for answers and reads none, and 6 MiB to one that
 * sends while nobody reads: a few hundred such clients would have gigabytes. */
void listen_tune(int fd)
{
    const int on = 1;
    const int buffer_bytes = CLIENT_SOCKET_BUFFER_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
}

/* Bound to an interface that cannot be, it is not found for a SYN; who is known by then is not
 * looked for among the listeners. A filter on the socket would need rights on new kernels. */
bool listen_shut_door(int fd)
{
    const int no_interface = INT_MAX;

    return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &no_interface, sizeof(no_interface)) == 0;
}

enum err listen_open(const struct listen_address *at, int *ret_fd, uint16_t *ret_port,
                     struct err_text *reterr)
{
    const int on = 1;
    const int off = 0;
    AUTO_CLOSE int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(reterr, ERR_INTERNAL, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    listen_tune(fd);
    /* [::] takes IPv4 clients as well, whatever net.ipv6.bindv6only says. */
    if (at->sa.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *)&at->sa, at->sa_len) != 0)
        return err_set(reterr, ERR_INTERNAL, "bind: %s", strerror(errno));
    if (listen(fd, LISTEN_BACKLOG) != 0)
        return err_set(reterr, ERR_INTERNAL, "listen: %s", strerror(errno));
    const uint16_t port = bound_port(fd);
    if (port == 0) /* nobody could be told where it listens */
        return err_set(reterr, ERR_INTERNAL, "getsockname: %s", strerror(errno));
    *ret_port = port;
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}
