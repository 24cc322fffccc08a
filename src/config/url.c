/* SPDX-License-Identifier: Apache-2.0
 * URL splitting for the configuration; see url.h. */
#include "config/url.h"

#include <ctype.h>

enum { HOST_BYTES_MAX = 253, PORT_MAX = 65535 };

static bool has_only_visible_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

static struct str skip(struct str s, size_t n)
{
    return (struct str){s.ptr + n, s.len - n};
}

static size_t find_any(struct str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(set, s.ptr[i]))
            return i;
    }
    return s.len;
}

static bool is_host(struct str host, bool v6)
{
    if (host.len == 0 || host.len > HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        const unsigned char c = (unsigned char)host.ptr[i];
        const bool ok =
            v6 ? isxdigit(c) || c == ':' || c == '.' : isalnum(c) || c == '-' || c == '.';
        if (!ok)
            return false;
    }
    return true;
}

static bool read_port(struct str text, int *ret)
{
    int port = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (text.ptr[i] - '0');
    }
    if (port < 1 || port > PORT_MAX)
        return false;
    *ret = port;
    return true;
}

/* authority: host, host:port, [v6], [v6]:port */
static bool read_authority(struct str authority, struct url *u, const char **ret_problem)
{
    const bool v6 = authority.len > 0 && authority.ptr[0] == '[';
    struct str rest;

    if (v6) {
        const size_t end = find_any(authority, "]");
        if (end == authority.len) {
            *ret_problem = "the bracket of the address is not closed";
            return false;
        }
        u->host = (struct str){authority.ptr + 1, end - 1};
        rest = skip(authority, end + 1);
    } else {
        const size_t end = find_any(authority, ":");
        u->host = (struct str){authority.ptr, end};
        rest = skip(authority, end);
    }

    if (u->host.len == 0) {
        *ret_problem = "it has no host";
        return false;
    }
    if (!is_host(u->host, v6)) {
        *ret_problem = "its host is not a host name or address";
        return false;
    }
    u->port = u->https ? 443 : 80;
    if (rest.len > 0 && (rest.ptr[0] != ':' || !read_port(skip(rest, 1), &u->port))) {
        *ret_problem = "its port is not a number from 1 to 65535";
        return false;
    }
    return true;
}

bool url_split(struct str text, struct url *ret, const char **ret_problem)
{
    struct url u = {0};

    if (!has_only_visible_ascii(text)) {
        *ret_problem = "it has characters that a URL cannot carry";
        return false;
    }
    if (str_starts_with(text, STR("https://"))) {
        u.https = true;
    } else if (!str_starts_with(text, STR("http://"))) {
        *ret_problem = "it does not begin with https://";
        return false;
    }

    struct str rest = skip(text, u.https ? 8 : 7);
    const size_t authority_len = find_any(rest, "/?#");
    struct str authority = {rest.ptr, authority_len};
    const size_t at = find_any(authority, "@");
    if (at < authority.len) {
        u.has_userinfo = true;
        authority = skip(authority, at + 1);
    }
    if (!read_authority(authority, &u, ret_problem))
        return false;

    rest = skip(rest, authority_len);
    const size_t path_len = find_any(rest, "?#");
    u.path = (struct str){rest.ptr, path_len};
    u.has_query = path_len < rest.len && rest.ptr[path_len] == '?';
    u.has_fragment = find_any(rest, "#") < rest.len;
    *ret = u;
    return true;
}
