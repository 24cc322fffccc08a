/* SPDX-License-Identifier: Apache-2.0
 * From texts to values: collects the texts, fills in what the region or other keys imply, reads
 * each value, then checks the rules over several keys. */
#include "config/config.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/secret.h"
#include "config/config_loaded.h"
#include "config/cpu_count.h"
#include "config/option_value.h"

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78, DERIVED_BYTES = 4096, COMPARED_BYTES_MAX = 1024 * 1024 };

/* A URL that carries a password is refused; it must not be shown either. */
static bool may_show(enum option_id id, const char *text)
{
    const enum option_kind kind = OPTIONS[id].kind;
    const bool is_url = kind == OPTION_URL || kind == OPTION_ORIGIN || kind == OPTION_ISSUERS;

    return !option_is_secret(id) && !(is_url && strchr(text, '@'));
}

void config_refuse(struct config_loaded *c, struct problems *p, enum option_id id,
                   const char *format, ...)
{
    const struct raw_value *raw = &c->raws[id];
    char text[OPTION_PROBLEM_BYTES], quoted[QUOTED_BYTES] = "not shown";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (may_show(id, raw->text))
        config_quote(str_of(raw->text), quoted);
    problem_value(p, "%s: value %s (%s): %s", OPTIONS[id].key, quoted, raw->where, text);
    c->bad[id] = true;
}

void config_demand(struct problems *p, enum option_id id, const char *format, ...)
{
    char text[OPTION_PROBLEM_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problem_value(p, "%s: not set: %s", OPTIONS[id].key, text);
}

/* A text of ours. False: out of memory, which is told. */
static bool set(struct config_loaded *c, struct problems *p, enum option_id id, struct str text,
                enum config_source source, const char *where)
{
    struct raw_value *raw = &c->raws[id];
    if (option_is_secret(id) ? raw_set_secret(raw, text, source, where)
                             : raw_set(raw, text, source, where))
        return true;
    problem_no_memory(p, OPTIONS[id].key);
    return false;
}

static void apply_region(struct config_loaded *c, struct problems *p)
{
    if (!config_has(c, OPT_REGION))
        return;
    const struct region *region = region_find(str_of(c->raws[OPT_REGION].text));
    if (!region)
        return;

    char where[64];
    (void)snprintf(where, sizeof(where), "region %s", region->name);
    if (!config_has(c, OPT_UPSTREAM_URL))
        (void)set(c, p, OPT_UPSTREAM_URL, str_of(region->upstream_url), SOURCE_REGION, where);
    if (!config_has(c, OPT_ISSUERS) && region->issuer)
        (void)set(c, p, OPT_ISSUERS, str_of(region->issuer), SOURCE_REGION, where);
}

static void read_value(struct config_loaded *c, struct problems *p, enum option_id id)
{
    const struct option *o = &OPTIONS[id];
    struct raw_value *raw = &c->raws[id];
    struct option_problem problem;

    if (!raw->text && o->fallback)
        (void)set(c, p, id, str_of(o->fallback), SOURCE_DEFAULT, "default");
    if (!raw->text)
        return;
    if (raw->text[0] == '\0') {
        char allowed[OPTION_ALLOWED_BYTES];
        option_allowed(id, allowed);
        if (!o->may_be_empty)
            config_refuse(c, p, id, "it is empty: give %s, or do not set it", allowed);
        return;
    }
    if (!option_read(id, str_of(raw->text), &c->config, &problem))
        config_refuse(c, p, id, "%s", problem.text);
}

/* A secret comes from its own key or from the file that the next row names, not from both. */
static void refuse_doubled_secrets(struct config_loaded *c, struct problems *p)
{
    for (size_t i = 1; i < OPT_COUNT; i++) {
        if (OPTIONS[i].kind != OPTION_SECRET_FILE || !c->raws[i].text || !c->raws[i - 1].text)
            continue;
        config_refuse(c, p, (enum option_id)i, "%s is set as well (%s): set one of them",
                      OPTIONS[i - 1].key, c->raws[i - 1].where);
        raw_clear(&c->raws[i]);
    }
}

static void derive(struct config_loaded *c, struct problems *p, enum option_id id,
                   const char *format, ...) PRINTF_LIKE(4, 5);
static void derive(struct config_loaded *c, struct problems *p, enum option_id id,
                   const char *format, ...)
{
    char text[DERIVED_BYTES];
    struct option_problem problem;
    va_list args;

    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    option_clear(id, &c->config);
    if (!set(c, p, id, str_of(text), SOURCE_DERIVED, "derived"))
        return;
    if (len >= (int)sizeof(text))
        config_refuse(c, p, id, "it is too long");
    else if (!option_read(id, str_of(text), &c->config, &problem))
        config_refuse(c, p, id, "%s", problem.text);
}

static int workers_for(int cpus)
{
    const int most = (int)OPTIONS[OPT_WORKERS].max;
    return cpus < most ? cpus : most;
}

/* The threads are there; CPUs that came or went since make no more and no fewer of them. */
static int64_t default_workers(const struct config_loaded *before)
{
    if (before && before->raws[OPT_WORKERS].source == SOURCE_DERIVED)
        return before->config.workers;
    return workers_for(cpu_count());
}

static void derive_values(struct config_loaded *c, const struct config_loaded *before,
                          struct problems *p)
{
    struct config *config = &c->config;
    const char *token_path =
        config->client_auth == CLIENT_AUTH_TLS ? "/cis/oidc/token" : "/oidc/token";

    if (config->upstream_url && !config_has(c, OPT_TOKEN_URL))
        derive(c, p, OPT_TOKEN_URL, "%s%s", config->upstream_url, token_path);
    if (config->upstream_url && !config_has(c, OPT_JWKS_URL))
        derive(c, p, OPT_JWKS_URL, "%s/cis/oidc/jwks", config->upstream_url);
    if (config->token_url && !config_has(c, OPT_CLIENT_ASSERTION_AUDIENCE))
        derive(c, p, OPT_CLIENT_ASSERTION_AUDIENCE, "%s", config->token_url);
    if (config->workers == 0 && !c->bad[OPT_WORKERS])
        derive(c, p, OPT_WORKERS, "%lld", (long long)default_workers(before));
    for (size_t i = 0; i < config->issuer_count; i++) {
        struct issuer *issuer = &config->issuers[i];
        if (!issuer->jwks_url && config->jwks_url)
            issuer->jwks_url = config_copy(str_of(config->jwks_url));
        if (!issuer->jwks_url && config->jwks_url)
            problem_no_memory(p, OPTIONS[OPT_ISSUERS].key);
    }
    config->log_format_given = c->raws[OPT_LOG_FORMAT].text != NULL;
}

/* They were overwritten there once they had been read. */
static void keep_secrets_of_environment(struct config_loaded *c, const struct config_loaded *before,
                                        struct problems *p)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct raw_value *raw = &before->raws[i];
        if (option_is_secret((enum option_id)i) && raw->source == SOURCE_ENVIRONMENT)
            (void)set(c, p, (enum option_id)i, str_of(raw->text), raw->source, raw->where);
    }
}

static bool names_file(const struct config_loaded *c, enum option_id id)
{
    const enum option_kind kind = OPTIONS[id].kind;

    return (kind == OPTION_FILE || kind == OPTION_SECRET_FILE) && config_has(c, id);
}

/* Leaves *contents where it cannot be read, which is told where it is used. */
static void note_contents_of(const char *path, uint64_t *contents)
{
    uint8_t digest[SHA256_BYTES];
    struct option_problem ignored;
    struct stat st;

    if (stat(path, &st) != 0 || st.st_size > COMPARED_BYTES_MAX)
        return;
    char *text = config_read_file(path, (size_t)st.st_size, &ignored);
    if (text && crypto_sha256(str_of(text), digest))
        memcpy(contents, digest, sizeof(*contents));
    crypto_cleanse(digest, sizeof(digest));
    config_free_text(text);
}

/* For config_print_changes(), which is for people to read: the files are read once more, and one
 * may change in between. Where its value is used later (keys, certificates), the next reload names
 * it. Where its value was read before, as that of BFF_CLIENT_SECRET_FILE is, the reload that takes
 * up the new one does not. */
static void note_contents(struct config_loaded *c)
{
    c->contents = secret_alloc(OPT_COUNT * sizeof(*c->contents));
    for (size_t i = 0; c->contents && i < OPT_COUNT; i++) {
        if (names_file(c, (enum option_id)i))
            note_contents_of(c->raws[i].text, &c->contents[i]);
    }
}

int config_load(const struct config_inputs *in, FILE *errors, struct config_loaded **ret)
{
    struct config_loaded *c = calloc(1, sizeof(*c));
    struct problems problems = {.out = errors};

    if (!c) {
        problem_no_memory(&problems, "the configuration");
        return EXIT_CONFIG;
    }
    const char *file = config_collect(in, &problems, c->raws);
    c->file = file ? config_copy(str_of(file)) : NULL;
    if (file && !c->file)
        problem_no_memory(&problems, "the configuration");
    if (in->before)
        keep_secrets_of_environment(c, in->before, &problems);
    refuse_doubled_secrets(c, &problems);
    apply_region(c, &problems);
    for (size_t i = 0; i < OPT_COUNT; i++)
        read_value(c, &problems, (enum option_id)i);
    derive_values(c, in->before, &problems);
    if (!problems.no_memory)
        config_check(c, in->purpose, in->before, &problems);

    if (problems.usage == 0 && problems.values == 0) {
        if (in->purpose == CONFIG_FOR_SERVICE)
            note_contents(c);
        *ret = c;
        return 0;
    }
    config_free(c);
    return problems.usage > 0 ? EXIT_USAGE : EXIT_CONFIG;
}

void config_free(struct config_loaded *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        option_clear((enum option_id)i, &c->config);
        raw_clear(&c->raws[i]);
    }
    secret_free(c->contents);
    free(c->file);
    free(c);
}

static const char *text_or_none(const struct raw_value *raw)
{
    return raw->text ? raw->text : "";
}

static uint64_t contents_or_none(const struct config_loaded *c, size_t i)
{
    return c->contents ? c->contents[i] : 0;
}

/* What follows from another key is complained of there. */
static bool is_implied(const struct raw_value *raw)
{
    return raw->source == SOURCE_DERIVED || raw->source == SOURCE_REGION;
}

bool config_may_follow(const struct config_loaded *before, const struct config_loaded *after,
                       FILE *errors)
{
    bool good = true;

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct raw_value *old = &before->raws[i], *new = &after->raws[i];
        if (OPTIONS[i].live || strcmp(text_or_none(old), text_or_none(new)) == 0 ||
            (is_implied(old) && is_implied(new)))
            continue;
        config_complain(after, OPTIONS[i].key, errors, "a change of it needs a restart");
        good = false;
    }
    return good;
}

void config_print_changes(const struct config_loaded *before, const struct config_loaded *after,
                          FILE *out)
{
    const char *separator = "";

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct raw_value *old = &before->raws[i], *new = &after->raws[i];
        if (strcmp(text_or_none(old), text_or_none(new)) == 0 &&
            contents_or_none(before, i) == contents_or_none(after, i))
            continue;
        (void)fprintf(out, "%s%s", separator, OPTIONS[i].key);
        separator = " ";
    }
}

void config_each_file(const struct config_loaded *c, void (*fn)(void *arg, const char *path),
                      void *arg)
{
    if (c->file)
        fn(arg, c->file);
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (names_file(c, (enum option_id)i))
            fn(arg, c->raws[i].text);
    }
}

/* Of the files that keys name, these hold nothing that is secret. */
static bool is_public_file(enum option_id id)
{
    return id == OPT_UPSTREAM_CA_FILE || id == OPT_CLIENT_CERT_FILE || id == OPT_OPERATOR_KEYS_FILE;
}

void config_each_secret_file(const struct config_loaded *c, void (*fn)(void *arg, const char *path),
                             void *arg)
{
    bool in_file = false;

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const enum option_id id = (enum option_id)i;
        if (names_file(c, id) && !is_public_file(id))
            fn(arg, c->raws[i].text);
        in_file = in_file || (option_is_secret(id) && c->raws[i].source == SOURCE_FILE);
    }
    if (in_file)
        fn(arg, c->file);
}

enum config_source config_source_of(const struct config_loaded *c, struct str key)
{
    enum option_id id;

    return option_find(key, &id) ? c->raws[id].source : SOURCE_DEFAULT;
}

const struct config *config_of(const struct config_loaded *c)
{
    return &c->config;
}

void config_complain(const struct config_loaded *c, const char *key, FILE *errors, const char *text)
{
    char quoted[QUOTED_BYTES] = "not shown";
    enum option_id id;

    if (!option_find(str_of(key), &id) || !c->raws[id].text) {
        (void)fprintf(errors, "%s: %s\n", key, text);
        return;
    }
    if (may_show(id, c->raws[id].text))
        config_quote(str_of(c->raws[id].text), quoted);
    (void)fprintf(errors, "%s: value %s (%s): %s\n", key, quoted, c->raws[id].where, text);
}

bool config_key_is_secret(struct str key)
{
    enum option_id id;

    return option_find(key, &id) && option_is_secret(id);
}

static const char *const ALG_NAMES[JWS_ALG_COUNT] = {
    [JWS_RS256] = "RS256", [JWS_RS384] = "RS384", [JWS_RS512] = "RS512",
    [JWS_PS256] = "PS256", [JWS_PS384] = "PS384", [JWS_PS512] = "PS512",
    [JWS_ES256] = "ES256", [JWS_ES384] = "ES384", [JWS_ES512] = "ES512",
};

const char *jws_alg_name(enum jws_alg alg)
{
    return ALG_NAMES[alg];
}

bool jws_alg_parse(struct str text, enum jws_alg *ret)
{
    for (size_t i = 0; i < JWS_ALG_COUNT; i++) {
        if (str_is(text, ALG_NAMES[i])) {
            *ret = (enum jws_alg)i;
            return true;
        }
    }
    return false;
}

const char *client_auth_name(enum client_auth method)
{
    static const char *const NAMES[] = {
        [CLIENT_AUTH_SECRET_POST] = "client_secret_post",
        [CLIENT_AUTH_SECRET_BASIC] = "client_secret_basic",
        [CLIENT_AUTH_PRIVATE_KEY_JWT] = "private_key_jwt",
        [CLIENT_AUTH_TLS] = "tls_client_auth",
    };
    return NAMES[method];
}
