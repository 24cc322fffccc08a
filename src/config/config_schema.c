/* SPDX-License-Identifier: Apache-2.0
 * The option table as a JSON Schema (draft 2020-12), for editors, charts and pipelines. A key's
 * value is the text that an environment or a file has; numbers and switches may be given as such,
 * too, as YAML has them. What a schema cannot say (a file that is readable, an entry that is there
 * twice) `check` says. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/json.h"
#include "config/config_loaded.h"

enum { PROPERTY_BYTES_MAX = 8 * 1024, NAME_BYTES = 64 };

#define PLAIN "[^\\u0000-\\u001f\\u007f-\\u009f]"
#define ENTRY                                                                                      \
    "[ "                                                                                           \
    "\\t]*[^\\u0000-\\u0020\\u007f-\\u009f,]([^\\u0000-\\u001f\\u007f-\\u009f,]*[^\\u0000-"        \
    "\\u0020\\u007f-\\u009f,])?[ "                                                                 \
    "\\t]*"

static const char *pattern_of(enum option_kind kind)
{
    static const char *const PATTERNS[OPTION_KIND_COUNT] = {
        [OPTION_ADDRESS] = "^(" PLAIN "+:[0-9]{1,5})?$",
        [OPTION_TEXT] = "^" PLAIN "*$",
        [OPTION_FILE] = "^" PLAIN "*$",
        [OPTION_SECRET] = "^" PLAIN "*$",
        [OPTION_SECRET_FILE] = "^" PLAIN "*$",
        [OPTION_NUMBER] = "^[0-9]{1,15}$",
        [OPTION_BOOL] =
            "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff][Ff]|[Yy][Ee][Ss]|"
            "[Nn][Oo]|1|0)$",
        [OPTION_LIST] = "^(" ENTRY "(," ENTRY ")*)?$",
        [OPTION_RATE] = "^(0|0*[1-9][0-9]*/(s|min|h))$",
        [OPTION_ORIGIN] = "^([Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+/?)?$",
        [OPTION_URL] = "^([Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+(/[^?#]*)?)?$",
        [OPTION_ISSUERS] = "^([ \\t]*[Hh][Tt][Tt][Pp][Ss]?://[^,]+(,[ \\t]*[Hh][Tt][Tt][Pp][Ss]?://"
                           "[^,]+)*)?$",
        [OPTION_ALGS] = "^([ \\t]*(RS|PS|ES)(256|384|512)[ \\t]*(,[ \\t]*(RS|PS|ES)(256|384|512)"
                        "[ \\t]*)*)?$",
    };
    return PATTERNS[kind];
}

/* "a, b or c" says all that is allowed. */
static bool is_enumeration(enum option_kind kind)
{
    return kind == OPTION_REGION || kind == OPTION_CLIENT_AUTH || kind == OPTION_TENANT_CLAIM ||
           kind == OPTION_ALG || kind == OPTION_LOG_LEVEL || kind == OPTION_LOG_FORMAT;
}

static void write_enumeration(struct json_writer *w, enum option_id id)
{
    char allowed[OPTION_ALLOWED_BYTES];

    option_allowed(id, allowed);
    jw_key(w, "enum");
    jw_array_begin(w);
    if (OPTIONS[id].may_be_empty)
        jw_string(w, STR(""));
    for (const char *at = allowed; *at != '\0';) {
        const size_t len = strcspn(at, ", ");
        const struct str word = {at, len};
        if (len > 0 && !str_is(word, "or"))
            jw_string(w, word);
        at += len + strspn(at + len, ", ");
    }
    jw_array_end(w);
}

static void write_types(struct json_writer *w, const char *also)
{
    jw_key(w, "type");
    if (!also) {
        jw_string(w, STR("string"));
        return;
    }
    jw_array_begin(w);
    jw_string(w, STR("string"));
    jw_string(w, str_of(also));
    jw_array_end(w);
}

static void write_constraints(struct json_writer *w, enum option_id id)
{
    const struct option *o = &OPTIONS[id];

    if (is_enumeration(o->kind)) {
        write_types(w, NULL);
        write_enumeration(w, id);
        return;
    }
    write_types(w, o->kind == OPTION_NUMBER ? "integer"
                   : o->kind == OPTION_BOOL ? "boolean"
                                            : NULL);
    jw_member(w, "pattern", str_of(pattern_of(o->kind)));
    if (o->kind == OPTION_NUMBER) {
        jw_member_int(w, "minimum", o->min);
        jw_member_int(w, "maximum", o->max);
    } else if (o->kind != OPTION_BOOL && o->kind != OPTION_RATE) {
        jw_member_int(w, "minLength", o->may_be_empty ? 0 : 1);
        jw_member_int(w, "maxLength", o->max);
    }
}

static void write_property(enum option_id id, struct buf *out)
{
    const struct option *o = &OPTIONS[id];
    char flag[OPTION_FLAG_BYTES];
    struct json_writer w;

    jw_init(&w, out);
    jw_object_begin(&w);
    write_constraints(&w, id);
    if (o->fallback)
        jw_member(&w, "default", str_of(o->fallback));
    jw_member(&w, "description", str_of(o->help));
    if (option_is_secret(id))
        jw_member_bool(&w, "writeOnly", true);
    option_flag(id, flag);
    if (flag[0] != '\0')
        jw_member(&w, "x-flag", str_of(flag));
    jw_member(&w, "x-reload", o->live ? STR("live") : STR("restart"));
    jw_object_end(&w);
}

/* The rules over several keys that need no value of another kind. */
static const char RULES[] =
    "  \"required\": [\"BFF_CLIENT_ID\"],\n"
    "  \"dependentRequired\": {\n"
    "    \"BFF_ADMIN_CLIENT_SECRET\": [\"BFF_ADMIN_CLIENT_ID\"],\n"
    "    \"BFF_ADMIN_CLIENT_SECRET_FILE\": [\"BFF_ADMIN_CLIENT_ID\"]\n"
    "  },\n"
    "  \"allOf\": [\n"
    "    {\"anyOf\": [{\"required\": [\"BFF_UPSTREAM_URL\"]}, {\"required\": [\"BFF_REGION\"]}]},\n"
    "    {\"not\": {\"required\": [\"BFF_CLIENT_SECRET\", \"BFF_CLIENT_SECRET_FILE\"]}},\n"
    "    {\"not\": {\"required\": [\"BFF_ADMIN_CLIENT_SECRET\", "
    "\"BFF_ADMIN_CLIENT_SECRET_FILE\"]}},\n"
    "    {\"if\": {\"properties\": {\"BFF_CLIENT_AUTH\": {\"enum\": [\"client_secret_post\", "
    "\"client_secret_basic\"]}}},\n"
    "     \"then\": {\"anyOf\": [{\"required\": [\"BFF_CLIENT_SECRET\"]}, {\"required\": "
    "[\"BFF_CLIENT_SECRET_FILE\"]}]}},\n"
    "    {\"if\": {\"properties\": {\"BFF_CLIENT_AUTH\": {\"const\": \"private_key_jwt\"}}, "
    "\"required\": [\"BFF_CLIENT_AUTH\"]},\n"
    "     \"then\": {\"required\": [\"BFF_CLIENT_KEY_FILE\", \"BFF_CLIENT_KEY_ID\"]}},\n"
    "    {\"if\": {\"properties\": {\"BFF_CLIENT_AUTH\": {\"const\": \"tls_client_auth\"}}, "
    "\"required\": [\"BFF_CLIENT_AUTH\"]},\n"
    "     \"then\": {\"required\": [\"BFF_CLIENT_KEY_FILE\", \"BFF_CLIENT_CERT_FILE\"]}},\n"
    "    {\"if\": {\"properties\": {\"BFF_OPERATOR_LISTEN\": {\"minLength\": 1}}, \"required\": "
    "[\"BFF_OPERATOR_LISTEN\"]},\n"
    "     \"then\": {\"required\": [\"BFF_OPERATOR_KEYS_FILE\"]}}\n"
    "  ]\n"
    "}\n";

bool config_print_schema(FILE *out)
{
    (void)fputs("{\n"
                "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                "  \"title\": \"Configuration of biometrics-bff\",\n"
                "  \"description\": \"All keys together, wherever they come from: environment, "
                "file, flags. "
                "Made by `biometrics-bff docs config-schema` from src/config/config_table.h; "
                "`biometrics-bff check` has the last word.\",\n"
                "  \"type\": \"object\",\n"
                "  \"additionalProperties\": false,\n"
                "  \"patternProperties\": {\"^BFF_(SERVICE_(HOST$|PORT)|PORT)\": {\"description\": "
                "\"Injected by Kubernetes for a Service named bff; ignored\"}},\n"
                "  \"properties\": {\n"
                "    \"BFF_CONFIG\": {\"type\": \"string\", \"minLength\": 1, \"description\": "
                "\"The file with "
                "further keys, a line each; in the environment alone\"},\n",
                out);
    for (size_t i = 0; i < OPT_COUNT; i++) {
        AUTO_BUF struct buf property;
        buf_init(&property, PROPERTY_BYTES_MAX);
        write_property((enum option_id)i, &property);
        if (!buf_ok(&property))
            return false;
        (void)fprintf(out, "    \"%s\": %.*s%s\n", OPTIONS[i].key, (int)property.len, property.ptr,
                      i + 1 < OPT_COUNT ? "," : "");
    }
    (void)fputs("  },\n", out);
    (void)fputs(RULES, out);
    return true;
}
