/* SPDX-License-Identifier: Apache-2.0
 * The option table as data: rows by id, by key and by flag, and the nearest key to a mistyped one.
 */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"
#include "config/config_table.h"

enum option_kind {
    OPTION_ADDRESS, /* host:port; its syntax is net/address.h's business */
    OPTION_TEXT,
    OPTION_FILE,
    OPTION_SECRET,
    OPTION_SECRET_FILE, /* path of a file that holds the secret of the row before */
    OPTION_NUMBER,
    OPTION_BOOL,
    OPTION_LIST,
    OPTION_RATE,
    OPTION_ORIGIN, /* URL without a path */
    OPTION_URL,
    OPTION_ISSUERS,
    OPTION_REGION,
    OPTION_CLIENT_AUTH,
    OPTION_TENANT_CLAIM,
    OPTION_ALG,
    OPTION_ALGS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_KIND_COUNT
};

enum option_group {
#define X(id, title) GROUP_##id,
    CONFIG_GROUPS(X)
#undef X
        GROUP_COUNT
};

enum option_id {
#define X(id, kind, member, fallback, min, max, empty, reload, group, help) OPT_##id,
    CONFIG_TABLE(X)
#undef X
        OPT_COUNT
};

struct option {
    const char *key; /* "BFF_LISTEN" */
    enum option_kind kind;
    size_t offset;        /* of its member in struct config */
    const char *fallback; /* default as text; NULL: none, or derived from other keys */
    int64_t min, max;
    bool may_be_empty;
    bool live; /* SIGHUP takes up a change; else the process must be started anew */
    enum option_group group;
    const char *help;
};

struct region {
    const char *name;
    const char *upstream_url;
    const char *issuer; /* NULL: none is documented */
};

enum { OPTION_FLAG_BYTES = 48, OPTION_ALLOWED_BYTES = 160 };

extern const struct option OPTIONS[OPT_COUNT];
extern const char *const OPTION_GROUP_TITLES[GROUP_COUNT];

bool option_is_secret(enum option_id id);
/* key: exact, "BFF_..." */
NODISCARD bool option_find(struct str key, enum option_id *ret);
/* flag: without the leading "--" */
NODISCARD bool option_find_flag(struct str flag, enum option_id *ret);
/* "--listen"; "" for a secret, which has no flag */
void option_flag(enum option_id id, char out[OPTION_FLAG_BYTES]);
/* The key with the smallest edit distance to a mistyped one; NULL when key is longer than
 * any of them. */
const struct option *option_nearest(struct str key);
/* What a value looks like, e.g. "FILE". */
const char *option_placeholder(enum option_kind kind);
/* What would be right, e.g. "a whole number from 0 to 300". */
void option_allowed(enum option_id id, char out[OPTION_ALLOWED_BYTES]);

/* NULL: no such region. */
const struct region *region_find(struct str name);
