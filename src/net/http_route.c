/* SPDX-License-Identifier: Apache-2.0
 * Route templates and methods. */
#include "net/http_route.h"

#include <string.h>

static const char *const METHOD_NAMES[] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",           [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH",         [HTTP_DELETE] = "DELETE",
    [HTTP_OPTIONS] = "OPTIONS", [HTTP_METHOD_OTHER] = "_OTHER",
};

const char *http_method_name(enum http_method m)
{
    return METHOD_NAMES[m];
}

enum http_method http_method_parse(struct str text)
{
    for (unsigned m = HTTP_GET; m < HTTP_METHOD_OTHER; m++) {
        if (str_is(text, METHOD_NAMES[m]))
            return (enum http_method)m;
    }
    return HTTP_METHOD_OTHER;
}

/* Cuts the next segment off; path and segment exclude the slash between them. */
static struct str next_segment(struct str *path)
{
    const char *slash = path->len ? memchr(path->ptr, '/', path->len) : NULL;
    const size_t len = slash ? (size_t)(slash - path->ptr) : path->len;
    const struct str segment = {path->ptr, len};
    path->ptr += slash ? len + 1 : len;
    path->len -= slash ? len + 1 : len;
    return segment;
}

static bool ends_with_slash(struct str path)
{
    return path.len > 0 && path.ptr[path.len - 1] == '/';
}

/* Bytes up to the first parameter that are the same. */
static size_t common_length(struct str template, struct str path)
{
    size_t n = 0;
    while (n < template.len && n < path.len && template.ptr[n] == path.ptr[n] &&
           template.ptr[n] != '{')
        n++;
    return n;
}

static bool path_matches(struct str template, struct str path, struct str *params)
{
    /* Most templates end here: at the end of both, or at the first byte in which they differ. */
    const size_t common = common_length(template, path);
    if (common == template.len || template.ptr[common] != '{')
        return common == template.len && common == path.len;
    size_t param_count = 0;
    if (ends_with_slash(template) != ends_with_slash(path))
        return false;
    while (template.len > 0 && path.len > 0) {
        const struct str want = next_segment(&template);
        const struct str have = next_segment(&path);
        if (want.len > 0 && want.ptr[0] == '{') {
            if (have.len == 0 || param_count == REQUEST_PARAMS_MAX)
                return false;
            params[param_count++] = have;
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    return template.len == 0 && path.len == 0;
}

struct route_match route_find(const struct route *routes, size_t count, enum http_method method,
                              struct str path)
{
    struct route_match match = {0};
    const enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    for (size_t i = 0; i < count; i++) {
        struct str params[REQUEST_PARAMS_MAX] = {{NULL, 0}};
        if (!path_matches(str_of(routes[i].path), path, params))
            continue;
        match.allowed |= 1U << routes[i].method;
        if (routes[i].method == HTTP_GET)
            match.allowed |= 1U << HTTP_HEAD;
        if (match.route || routes[i].method != wanted)
            continue;
        match.route = &routes[i];
        memcpy(match.params, params, sizeof(params));
    }
    return match;
}

void route_write_allow(struct buf *out, unsigned allowed)
{
    const char *separator = "";
    for (unsigned m = HTTP_GET; m < HTTP_METHOD_OTHER; m++) {
        if (!(allowed & 1U << m))
            continue;
        buf_append_z(out, separator);
        buf_append_z(out, METHOD_NAMES[m]);
        separator = ", ";
    }
}
