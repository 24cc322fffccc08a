/* SPDX-License-Identifier: Apache-2.0
 * What people read of the configuration: print-config, the flags of --help, docs/config.md. */
#include "base/buf.h"
#include "base/crypto.h"
#include "base/json.h"
#include "config/config_loaded.h"

enum { VALUE_BYTES_MAX = 128 * 1024 };

/* What tells two secrets apart, and not what they are; "" without a hash. */
void config_fingerprint(struct str secret, char out[FINGERPRINT_BYTES])
{
    uint8_t hash[SHA256_BYTES];

    out[0] = '\0';
    if (crypto_sha256(secret, hash))
        hex_encode(hash, (FINGERPRINT_BYTES - 1) / 2, out);
    crypto_cleanse(hash, sizeof(hash));
}

/* NULL: not set, neither here nor by its file. */
static const char *secret_of(const struct config_loaded *c, enum option_id id)
{
    const char *secret;

    memcpy(&secret, (const char *)&c->config + OPTIONS[id].offset, sizeof(secret));
    return secret;
}

static const char *where_of(const struct config_loaded *c, enum option_id id)
{
    if (c->raws[id].text)
        return c->raws[id].where;
    return option_is_secret(id) && secret_of(c, id) ? OPTIONS[id + 1].key : "default";
}

static void print_secret(const struct config_loaded *c, enum option_id id, FILE *out)
{
    const char *secret = secret_of(c, id);
    char fingerprint[FINGERPRINT_BYTES];

    if (!secret) {
        (void)fprintf(out, "%s= (default)\n", OPTIONS[id].key);
        return;
    }
    config_fingerprint(str_of(secret), fingerprint);
    (void)fprintf(out, "%s=[redacted %zu bytes, sha256 %s...] (%s)\n", OPTIONS[id].key,
                  strlen(secret), fingerprint, where_of(c, id));
}

void config_print(const struct config_loaded *c, FILE *out)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct raw_value *raw = &c->raws[i];
        if (option_is_secret((enum option_id)i))
            print_secret(c, (enum option_id)i, out);
        else
            (void)fprintf(out, "%s=%s (%s)\n", OPTIONS[i].key, raw->text ? raw->text : "",
                          where_of(c, (enum option_id)i));
    }
}

static void write_value(const struct config_loaded *c, enum option_id id, struct json_writer *w)
{
    static const char *const SOURCES[] = {
        [SOURCE_DEFAULT] = "default",         [SOURCE_REGION] = "region",
        [SOURCE_DERIVED] = "derived",         [SOURCE_FILE] = "file",
        [SOURCE_ENVIRONMENT] = "environment", [SOURCE_FLAG] = "flag",
    };
    const bool is_secret = option_is_secret(id);
    const char *secret = is_secret ? secret_of(c, id) : NULL;
    const bool by_file = secret && !c->raws[id].text;
    char fingerprint[FINGERPRINT_BYTES];

    jw_object_begin(w);
    jw_key(w, "value");
    if (c->raws[id].text && !is_secret)
        jw_string(w, str_of(c->raws[id].text));
    else
        jw_null(w);
    if (secret) {
        config_fingerprint(str_of(secret), fingerprint);
        jw_member_bool(w, "redacted", true);
        jw_member_int(w, "bytes", (int64_t)strlen(secret));
        jw_member(w, "sha256_prefix", str_of(fingerprint));
    }
    jw_member(w, "source", by_file ? STR("file") : str_of(SOURCES[c->raws[id].source]));
    jw_member(w, "where", str_of(where_of(c, id)));
    jw_member(w, "reload", OPTIONS[id].live ? STR("live") : STR("restart"));
    jw_object_end(w);
}

bool config_print_json(const struct config_loaded *c, FILE *out)
{
    (void)fputs("{\n", out);
    for (size_t i = 0; i < OPT_COUNT; i++) {
        AUTO_BUF struct buf text;
        struct json_writer w;

        buf_init(&text, VALUE_BYTES_MAX);
        jw_init(&w, &text);
        write_value(c, (enum option_id)i, &w);
        if (!buf_ok(&text))
            return false;
        (void)fprintf(out, "  \"%s\": %.*s%s\n", OPTIONS[i].key, (int)text.len, text.ptr,
                      i + 1 < OPT_COUNT ? "," : "");
    }
    (void)fputs("}\n", out);
    return true;
}

static const char *on_reload(const struct option *o)
{
    return o->live ? "live" : "restart";
}

static void print_option_help(enum option_id id, FILE *out)
{
    const struct option *o = &OPTIONS[id];
    char flag[OPTION_FLAG_BYTES], allowed[OPTION_ALLOWED_BYTES];

    option_flag(id, flag);
    option_allowed(id, allowed);
    if (flag[0] != '\0')
        (void)fprintf(out, "  %s %s  (%s)\n", flag, option_placeholder(o->kind), o->key);
    else
        (void)fprintf(out, "  %s  (environment or file only)\n", o->key);
    (void)fprintf(out, "      %s.\n      %s", o->help, allowed);
    if (o->fallback)
        (void)fprintf(out, "; default %s", o->fallback);
    (void)fprintf(out, "; on SIGHUP: %s\n", on_reload(o));
}

void config_print_help(FILE *out)
{
    (void)fputs("Configuration: a flag wins over the environment, and that over the file.\n"
                "A SIGHUP takes up what is live; one that changes anything else is refused.\n"
                "  --config FILE  (BFF_CONFIG)\n"
                "      Lines of BFF_KEY=value; # begins a comment line.\n",
                out);
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        (void)fprintf(out, "\n%s:\n", OPTION_GROUP_TITLES[g]);
        for (size_t i = 0; i < OPT_COUNT; i++) {
            if (OPTIONS[i].group == (enum option_group)g)
                print_option_help((enum option_id)i, out);
        }
    }
}

/* A bar inside a cell would end it. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

static void print_option_row(enum option_id id, FILE *out)
{
    const struct option *o = &OPTIONS[id];
    char flag[OPTION_FLAG_BYTES], allowed[OPTION_ALLOWED_BYTES];

    option_flag(id, flag);
    option_allowed(id, allowed);
    (void)fprintf(out, "| `%s` | ", o->key);
    if (flag[0] != '\0')
        (void)fprintf(out, "`%s` ", flag);
    (void)fputs("| ", out);
    if (o->fallback)
        (void)fprintf(out, "`%s` ", o->fallback);
    (void)fprintf(out, "| %s | ", on_reload(o));
    print_cell(allowed, out);
    (void)fputs(" | ", out);
    print_cell(o->help, out);
    (void)fputs(" |\n", out);
}

void config_print_docs(FILE *out)
{
    (void)fputs(
        "# Configuration\n\n"
        "<!-- Made by `biometrics-bff docs config` from src/config/config_table.h. -->\n\n"
        "Every key can be set in the environment (`BFF_LISTEN=...`), as a flag (`--listen ...`), "
        "or\n"
        "as a line `BFF_LISTEN=...` in the file that `--config` or `BFF_CONFIG` names. A flag "
        "wins\n"
        "over the environment, and that over the file. Secrets have no flag; each can come from a\n"
        "file of its own instead, named by the key with `_FILE`. In the configuration file, `#`\n"
        "begins a comment line, and quotes are not removed.\n\n"
        "Unknown keys that begin with `BFF_` are an error, except what Kubernetes injects for a\n"
        "Service named `bff` (`BFF_SERVICE_HOST`, `BFF_SERVICE_PORT*`, `BFF_PORT*`).\n"
        "`biometrics-bff check` says what is wrong; `biometrics-bff print-config` shows every\n"
        "value as it is set and where it came from, without the secrets. Numbers that do not fit\n"
        "into the memory limit are lowered: a warning of both names them, and `config.note` in "
        "the\n"
        "log of the service. `biometrics-bff audit` says what is valid and not fit for production\n"
        "([audit.md](audit.md)). [config.schema.json](config.schema.json) is a JSON Schema of the\n"
        "keys.\n\n"
        "A SIGHUP reads the configuration again: the file, and every file that a key names, also\n"
        "when its name did not change. Environment and flags stay those of the start. What is\n"
        "`live` below is taken up at once, without losing a request. A new configuration that is\n"
        "invalid, or that changes a key marked `restart`, is refused as a whole: the service goes\n"
        "on with the old one, and the log (`config.reload`) says why.\n\n"
        "With `BFF_CONFIG_WATCH` the same happens by itself when one of these files changes: is\n"
        "written to, replaced, or reached by a symbolic link that was exchanged (a volume of\n"
        "Kubernetes). The files are read when all of them have been left alone: for 250 ms where\n"
        "one took the place of another, for 3 s where it was written to in place, and after 10 s "
        "at\n"
        "the latest. One that is then broken or gone is refused like any other invalid\n"
        "configuration; that is tried again every 60 s, and when something changes.\n",
        out);
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        (void)fprintf(out,
                      "\n## %s\n\n| key | flag | default | SIGHUP | allowed | meaning |\n"
                      "|---|---|---|---|---|---|\n",
                      OPTION_GROUP_TITLES[g]);
        for (size_t i = 0; i < OPT_COUNT; i++) {
            if (OPTIONS[i].group == (enum option_group)g)
                print_option_row((enum option_id)i, out);
        }
    }
    (void)fputs("\n## Regions\n\n| `BFF_REGION` | `BFF_UPSTREAM_URL` | `BFF_ISSUERS` |\n"
                "|---|---|---|\n",
                out);
#define X(name, url, issuer) {name, url, issuer},
    static const struct {
        const char *name, *url, *issuer;
    } REGIONS[] = {REGION_TABLE(X)};
#undef X
    for (size_t i = 0; i < ARRAY_LEN(REGIONS); i++)
        (void)fprintf(out, "| `%s` | `%s` | %s |\n", REGIONS[i].name, REGIONS[i].url,
                      REGIONS[i].issuer ? REGIONS[i].issuer : "must be set");
}
