/* SPDX-License-Identifier: Apache-2.0
 * Splits the http(s) URLs of the configuration. Stricter than RFC 3986 on purpose: visible ASCII,
 * a host of letters, digits, dots and hyphens or a bracketed IPv6 address. */
#pragma once

#include "base/auto.h"
#include "base/str.h"

struct url {
    bool https;
    struct str host; /* without brackets */
    int port;        /* the scheme's when the URL names none */
    struct str path; /* from the first '/', query and fragment excluded; may be empty */
    bool has_userinfo, has_query, has_fragment;
};

/* All of *ret is borrowed from text. False: *ret_problem is a literal that says what is wrong. */
NODISCARD bool url_split(struct str text, struct url *ret, const char **ret_problem);
