/* SPDX-License-Identifier: Apache-2.0
 * Finds the route of a request: templates against the raw path, segment by segment. Nothing is
 * decoded before the split, so an encoded slash can never move a segment border. */
#pragma once

#include "base/buf.h"
#include "net/http_server.h"

struct route_match {
    const struct route *route; /* NULL: none for this path and method */
    struct str params[REQUEST_PARAMS_MAX];
    unsigned allowed; /* bit 1 << enum http_method of each method of the path; 0: no such path */
};

/* path: raw, without the query. */
struct route_match route_find(const struct route *routes, size_t count, enum http_method method,
                              struct str path);
/* "GET, HEAD, POST": the value of Allow. */
void route_write_allow(struct buf *out, unsigned allowed);
/* HTTP_METHOD_OTHER for anything that is not known in exactly this spelling. */
enum http_method http_method_parse(struct str text);
