/* SPDX-License-Identifier: Apache-2.0
 * One reader a kind of option: text in, member of struct config out. See option_value.h. */
#include "config/option_value.h"

#include "base/secret.h"

enum { SECRET_BYTES_MAX = 4096, LIST_ITEMS_MAX = 64 };

bool option_not_allowed(enum option_id id, struct option_problem *reterr)
{
    char allowed[OPTION_ALLOWED_BYTES];

    option_allowed(id, allowed);
    return option_wrong(reterr, "give %s", allowed);
}

bool option_next_entry(struct str *rest, struct str *ret)
{
    if (!rest->ptr)
        return false;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    const size_t len = comma ? (size_t)(comma - rest->ptr) : rest->len;
    struct str entry = {rest->ptr, len};

    *rest = comma ? (struct str){comma + 1, rest->len - len - 1} : (struct str){NULL, 0};
    while (entry.len > 0 && (*entry.ptr == ' ' || *entry.ptr == '\t'))
        entry = (struct str){entry.ptr + 1, entry.len - 1};
    while (entry.len > 0 && (entry.ptr[entry.len - 1] == ' ' || entry.ptr[entry.len - 1] == '\t'))
        entry.len--;
    *ret = entry;
    return true;
}

static bool is_good_text(enum option_id id, struct str text, struct option_problem *reterr)
{
    if (str_has_control(text) || !str_is_utf8(text))
        return option_wrong(reterr, "it has control characters or is not UTF-8");
    return text.len <= (size_t)OPTIONS[id].max || option_not_allowed(id, reterr);
}

static bool read_text(enum option_id id, struct str text, void *member,
                      struct option_problem *reterr)
{
    return is_good_text(id, text, reterr) && config_copy_to(member, text, reterr);
}

static bool copy_secret(struct str text, void *member, struct option_problem *reterr)
{
    *(char **)member = secret_copy(text);
    return *(char **)member || option_no_memory(reterr);
}

static bool read_secret(enum option_id id, struct str text, void *member,
                        struct option_problem *reterr)
{
    return is_good_text(id, text, reterr) && copy_secret(text, member, reterr);
}

static bool read_number(enum option_id id, struct str text, void *member,
                        struct option_problem *reterr)
{
    int64_t value = 0;

    /* Fifteen digits hold every maximum of the table and cannot overflow. */
    if (text.len > 15)
        return option_not_allowed(id, reterr);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return option_not_allowed(id, reterr);
        value = value * 10 + (text.ptr[i] - '0');
    }
    if (value < OPTIONS[id].min || value > OPTIONS[id].max)
        return option_not_allowed(id, reterr);
    *(int64_t *)member = value;
    return true;
}

static bool read_bool(enum option_id id, struct str text, void *member,
                      struct option_problem *reterr)
{
    static const struct {
        const char *name;
        bool value;
    } NAMES[] = {{"true", true}, {"false", false}, {"on", true}, {"off", false},
                 {"yes", true},  {"no", false},    {"1", true},  {"0", false}};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (str_eq_nocase(text, str_of(NAMES[i].name))) {
            *(bool *)member = NAMES[i].value;
            return true;
        }
    }
    return option_not_allowed(id, reterr);
}

static void list_clear(struct str_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct str_list){0};
}

static bool list_has(const struct str_list *list, struct str item)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_is(item, list->items[i]))
            return true;
    }
    return false;
}

static bool read_list(enum option_id id, struct str text, void *member,
                      struct option_problem *reterr)
{
    struct str_list list = {.items = calloc(LIST_ITEMS_MAX, sizeof(char *))};
    struct str rest = text, item = {0};
    bool good = !str_has_control(text) && str_is_utf8(text) && text.len <= (size_t)OPTIONS[id].max;

    if (!list.items)
        return option_no_memory(reterr);
    if (!good)
        (void)option_not_allowed(id, reterr);
    while (good && option_next_entry(&rest, &item)) {
        good = item.len > 0 && list.count < LIST_ITEMS_MAX && !list_has(&list, item);
        if (!good)
            (void)option_not_allowed(id, reterr);
        else
            good = config_copy_to(&list.items[list.count++], item, reterr);
    }
    if (!good) {
        list_clear(&list);
        return false;
    }
    *(struct str_list *)member = list;
    return true;
}

static bool read_rate(enum option_id id, struct str text, void *member,
                      struct option_problem *reterr)
{
    static const struct {
        const char *unit;
        uint32_t period_s;
    } UNITS[] = {{"s", 1}, {"min", 60}, {"h", 3600}};
    const char *slash = memchr(text.ptr, '/', text.len);
    int64_t count = 0;

    if (str_is(text, "0")) {
        *(struct rate *)member = (struct rate){0};
        return true;
    }
    if (!slash || slash == text.ptr)
        return option_not_allowed(id, reterr);
    if (!read_number(id, (struct str){text.ptr, (size_t)(slash - text.ptr)}, &count, reterr))
        return option_not_allowed(id, reterr);

    const struct str unit = {slash + 1, text.len - (size_t)(slash + 1 - text.ptr)};
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (str_is(unit, UNITS[i].unit)) {
            *(struct rate *)member =
                (struct rate){.count = (uint32_t)count, .period_s = UNITS[i].period_s};
            return true;
        }
    }
    return option_not_allowed(id, reterr);
}

static bool read_region(enum option_id id, struct str text, void *member,
                        struct option_problem *reterr)
{
    if (!region_find(text))
        return option_not_allowed(id, reterr);
    return config_copy_to(member, text, reterr);
}

static bool read_client_auth(enum option_id id, struct str text, void *member,
                             struct option_problem *reterr)
{
    for (int m = CLIENT_AUTH_SECRET_POST; m <= CLIENT_AUTH_TLS; m++) {
        if (str_is(text, client_auth_name((enum client_auth)m))) {
            *(enum client_auth *)member = (enum client_auth)m;
            return true;
        }
    }
    return option_not_allowed(id, reterr);
}

static bool read_tenant_claim(enum option_id id, struct str text, void *member,
                              struct option_problem *reterr)
{
    if (!str_is(text, "required") && !str_is(text, "optional"))
        return option_not_allowed(id, reterr);
    *(bool *)member = str_is(text, "required");
    return true;
}

static bool read_alg(enum option_id id, struct str text, void *member,
                     struct option_problem *reterr)
{
    return jws_alg_parse(text, (enum jws_alg *)member) || option_not_allowed(id, reterr);
}

static bool read_algs(enum option_id id, struct str text, void *member,
                      struct option_problem *reterr)
{
    bool *algorithms = member;
    struct str rest = text, name = {0};
    enum jws_alg alg;

    while (option_next_entry(&rest, &name)) {
        if (!jws_alg_parse(name, &alg)) {
            memset(algorithms, 0, JWS_ALG_COUNT * sizeof(bool));
            return option_not_allowed(id, reterr);
        }
        algorithms[alg] = true;
    }
    return true;
}

static bool read_log_level(enum option_id id, struct str text, void *member,
                           struct option_problem *reterr)
{
    return log_level_parse(text, (enum log_level *)member) || option_not_allowed(id, reterr);
}

static bool read_log_format(enum option_id id, struct str text, void *member,
                            struct option_problem *reterr)
{
    if (!str_is(text, "json") && !str_is(text, "text"))
        return option_not_allowed(id, reterr);
    *(enum log_format *)member = str_is(text, "json") ? LOG_JSON : LOG_TEXT;
    return true;
}

/* An editor or `echo` leaves one newline that is not part of the secret. */
static void strip_newline(char *text)
{
    size_t len = strlen(text);

    if (len == 0 || text[len - 1] != '\n')
        return;
    text[--len] = '\0';
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
}

static bool read_secret_file(enum option_id id, struct str text, void *member,
                             struct option_problem *reterr)
{
    struct option_problem cause = {0};
    AUTO_FREE char *path = NULL;
    if (!config_copy_to(&path, text, reterr))
        return false;
    char *content = config_read_file(path, SECRET_BYTES_MAX, &cause);

    if (!content)
        return option_wrong(reterr, "the file %.200s", cause.text);
    strip_newline(content);
    if (content[0] == '\0')
        (void)option_wrong(reterr, "the file is empty; it must hold the secret");
    else if (str_has_control(str_of(content)) || !str_is_utf8(str_of(content)))
        (void)option_wrong(reterr, "the file has control characters or more than one line");
    else
        (void)copy_secret(str_of(content), member, reterr);
    config_free_text(content);
    return *(char **)member != NULL;
}

typedef bool read_fn(enum option_id id, struct str text, void *member,
                     struct option_problem *reterr);

static read_fn *const READERS[OPTION_KIND_COUNT] = {
    [OPTION_ADDRESS] = read_text,
    [OPTION_TEXT] = read_text,
    [OPTION_FILE] = read_text,
    [OPTION_SECRET] = read_secret,
    [OPTION_SECRET_FILE] = read_secret_file,
    [OPTION_NUMBER] = read_number,
    [OPTION_BOOL] = read_bool,
    [OPTION_LIST] = read_list,
    [OPTION_RATE] = read_rate,
    [OPTION_ORIGIN] = option_read_origin,
    [OPTION_URL] = option_read_url,
    [OPTION_ISSUERS] = NULL, /* fills two members; see option_read() */
    [OPTION_REGION] = read_region,
    [OPTION_CLIENT_AUTH] = read_client_auth,
    [OPTION_TENANT_CLAIM] = read_tenant_claim,
    [OPTION_ALG] = read_alg,
    [OPTION_ALGS] = read_algs,
    [OPTION_LOG_LEVEL] = read_log_level,
    [OPTION_LOG_FORMAT] = read_log_format,
};

bool option_read(enum option_id id, struct str text, struct config *config,
                 struct option_problem *reterr)
{
    const struct option *o = &OPTIONS[id];

    if (o->kind == OPTION_ISSUERS)
        return option_read_issuers(text, config, reterr);
    return READERS[o->kind](id, text, (char *)config + o->offset, reterr);
}

static bool is_text_kind(enum option_kind kind)
{
    read_fn *const reader = READERS[kind];
    return reader == read_text || reader == option_read_url || reader == option_read_origin ||
           reader == read_region;
}

static bool is_secret_kind(enum option_kind kind)
{
    return kind == OPTION_SECRET || kind == OPTION_SECRET_FILE;
}

void option_clear(enum option_id id, struct config *config)
{
    const struct option *o = &OPTIONS[id];
    void *member = (char *)config + o->offset;

    if (o->kind == OPTION_ISSUERS) {
        option_clear_issuers(config);
    } else if (o->kind == OPTION_LIST) {
        list_clear(member);
    } else if (is_secret_kind(o->kind)) {
        secret_free(*(char **)member);
        *(char **)member = NULL;
    } else if (is_text_kind(o->kind)) {
        config_free_text(*(char **)member);
        *(char **)member = NULL;
    }
}
