/* SPDX-License-Identifier: Apache-2.0
 * Makes the rows of config_table.h into data and answers questions about them. No values here. */
#include "config/option.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "config/config.h"

#define KEY_PREFIX "BFF_"
enum { KEY_PREFIX_BYTES = sizeof(KEY_PREFIX) - 1, KEY_BYTES_MAX = 64 };
enum { NOT_EMPTY = false, MAY_BE_EMPTY = true };
enum { RESTART = false, LIVE = true };

const struct option OPTIONS[OPT_COUNT] = {
#define X(id, kind_, member, fallback_, min_, max_, empty, reload, group_, help_)                  \
    [OPT_##id] = {                                                                                 \
        .key = KEY_PREFIX #id,                                                                     \
        .kind = OPTION_##kind_,                                                                    \
        .offset = offsetof(struct config, member),                                                 \
        .fallback = (fallback_),                                                                   \
        .min = (min_),                                                                             \
        .max = (max_),                                                                             \
        .may_be_empty = (empty),                                                                   \
        .live = (reload),                                                                          \
        .group = GROUP_##group_,                                                                   \
        .help = (help_),                                                                           \
    },
    CONFIG_TABLE(X)
#undef X
};

const char *const OPTION_GROUP_TITLES[GROUP_COUNT] = {
#define X(id, title) [GROUP_##id] = (title),
    CONFIG_GROUPS(X)
#undef X
};

static const struct region REGIONS[] = {
#define X(name_, url_, issuer_) {.name = (name_), .upstream_url = (url_), .issuer = (issuer_)},
    REGION_TABLE(X)
#undef X
};

bool option_is_secret(enum option_id id)
{
    return OPTIONS[id].kind == OPTION_SECRET;
}

bool option_find(struct str key, enum option_id *ret)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (str_is(key, OPTIONS[i].key)) {
            *ret = (enum option_id)i;
            return true;
        }
    }
    return false;
}

/* BFF_MAX_BODY_BYTES -> max-body-bytes */
static void flag_name(enum option_id id, char out[OPTION_FLAG_BYTES])
{
    const char *name = OPTIONS[id].key + KEY_PREFIX_BYTES;
    size_t n = strlen(name);

    assert(n < OPTION_FLAG_BYTES - 2);
    for (size_t i = 0; i <= n; i++)
        out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
}

bool option_find_flag(struct str flag, enum option_id *ret)
{
    char name[OPTION_FLAG_BYTES];

    for (size_t i = 0; i < OPT_COUNT; i++) {
        flag_name((enum option_id)i, name);
        if (str_is(flag, name)) {
            *ret = (enum option_id)i;
            return true;
        }
    }
    return false;
}

void option_flag(enum option_id id, char out[OPTION_FLAG_BYTES])
{
    char name[OPTION_FLAG_BYTES];

    out[0] = '\0';
    if (option_is_secret(id))
        return;
    flag_name(id, name);
    (void)snprintf(out, OPTION_FLAG_BYTES, "--%.*s", OPTION_FLAG_BYTES - 3, name);
}

/* Edit distance with swaps of neighbours: the slip that fingers make most. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t rows[3][KEY_BYTES_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    assert(b.len <= KEY_BYTES_MAX);
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;

    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            const bool same = a.ptr[i - 1] == b.ptr[j - 1];
            size_t best = last[j - 1] + (same ? 0 : 1);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            const bool swapped =
                i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            if (swapped && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *const oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.len];
}

const struct option *option_nearest(struct str key)
{
    const struct option *best = NULL;
    size_t best_distance = 0;

    if (key.len > KEY_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const size_t d = edit_distance(key, str_of(OPTIONS[i].key));
        if (!best || d < best_distance) {
            best = &OPTIONS[i];
            best_distance = d;
        }
    }
    return best;
}

const char *option_placeholder(enum option_kind kind)
{
    static const char *const PLACEHOLDERS[OPTION_KIND_COUNT] = {
        [OPTION_ADDRESS] = "HOST:PORT", [OPTION_TEXT] = "TEXT",
        [OPTION_FILE] = "FILE",         [OPTION_SECRET] = "SECRET",
        [OPTION_SECRET_FILE] = "FILE",  [OPTION_NUMBER] = "N",
        [OPTION_BOOL] = "true|false",   [OPTION_LIST] = "LIST",
        [OPTION_RATE] = "RATE",         [OPTION_ORIGIN] = "URL",
        [OPTION_URL] = "URL",           [OPTION_ISSUERS] = "LIST",
        [OPTION_REGION] = "REGION",     [OPTION_CLIENT_AUTH] = "METHOD",
        [OPTION_TENANT_CLAIM] = "RULE", [OPTION_ALG] = "ALG",
        [OPTION_ALGS] = "LIST",         [OPTION_LOG_LEVEL] = "LEVEL",
        [OPTION_LOG_FORMAT] = "FORMAT",
    };
    return PLACEHOLDERS[kind];
}

/* Kinds whose allowed values do not depend on the row; NULL: see option_allowed(). */
static const char *fixed_allowed(enum option_kind kind)
{
    static const char CLIENT_AUTHS[] =
        "client_secret_post, client_secret_basic, private_key_jwt or tls_client_auth";
    static const char *const ALLOWED[OPTION_KIND_COUNT] = {
        [OPTION_ADDRESS] = "host:port, e.g. 127.0.0.1:8080 or [::1]:8080",
        [OPTION_BOOL] = "true or false",
        [OPTION_ORIGIN] = "https://host or https://host:port, without a path",
        [OPTION_URL] = "an https:// URL without query or fragment",
        [OPTION_ISSUERS] = "a comma list of issuer or issuer=jwks_url, each an http(s) URL",
        [OPTION_REGION] = "sandbox, us, eu, ca or au",
        [OPTION_CLIENT_AUTH] = CLIENT_AUTHS,
        [OPTION_TENANT_CLAIM] = "required or optional",
        [OPTION_ALG] = "RS256, PS256 or ES256",
        [OPTION_ALGS] = "a comma list of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512",
        [OPTION_RATE] = "0, or count/s, count/min or count/h, e.g. 30/min",
        [OPTION_LOG_LEVEL] = "debug, info, warn or error",
        [OPTION_LOG_FORMAT] = "json or text",
    };
    return ALLOWED[kind];
}

void option_allowed(enum option_id id, char out[OPTION_ALLOWED_BYTES])
{
    const struct option *o = &OPTIONS[id];
    const char *fixed = fixed_allowed(o->kind);

    if (fixed)
        (void)snprintf(out, OPTION_ALLOWED_BYTES, "%s", fixed);
    else if (o->kind == OPTION_NUMBER)
        (void)snprintf(out, OPTION_ALLOWED_BYTES, "a whole number from %" PRId64 " to %" PRId64,
                       o->min, o->max);
    else if (o->kind == OPTION_LIST)
        (void)snprintf(out, OPTION_ALLOWED_BYTES, "a comma list without empty or repeated entries");
    else if (o->kind == OPTION_FILE || o->kind == OPTION_SECRET_FILE)
        (void)snprintf(out, OPTION_ALLOWED_BYTES, "the path of a readable file");
    else
        (void)snprintf(out, OPTION_ALLOWED_BYTES,
                       "%" PRId64 " to %" PRId64 " bytes without control characters", o->min,
                       o->max);
}

const struct region *region_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(REGIONS); i++) {
        if (str_is(name, REGIONS[i].name))
            return &REGIONS[i];
    }
    return NULL;
}
