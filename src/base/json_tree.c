/* SPDX-License-Identifier: Apache-2.0
 * Trees of validated documents, made and held by cJSON: struct json is a cJSON item under another
 * name. Recursion here is as deep as JSON_DEPTH_CEILING, because only validated text becomes a
 * tree. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>

#include <cJSON.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/json_internal.h"

/* cJSON 1.7 copies a number into 64 bytes and fails on a longer one. */
enum { CJSON_NUMBER_MAX = 62, NUMBER_TEXT_BYTES = 32 };

static const cJSON *item_of(const struct json *value)
{
    return (const cJSON *)(const void *)value;
}

static const struct json *json_of(const cJSON *item)
{
    return (const struct json *)(const void *)item;
}

/* The shortest of three forms that reads back as the same double. */
static struct str number_text(double value, char out[NUMBER_TEXT_BYTES])
{
    static const int precisions[] = {15, 16, 17};
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(precisions); i++) {
        n = snprintf(out, NUMBER_TEXT_BYTES, "%.*g", precisions[i], value);
        const double back = strtod(out, NULL);
        if (!(back < value) && !(back > value))
            break;
    }
    return (struct str){out, (size_t)n};
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* End of the string whose opening quote is at `at`, closing quote included. */
static size_t string_end(struct str text, size_t at)
{
    for (at++; text.ptr[at] != '"'; at++) {
        if (text.ptr[at] == '\\')
            at++;
    }
    return at + 1;
}

static size_t number_end(struct str text, size_t at)
{
    while (at < text.len && is_number_byte(text.ptr[at]))
        at++;
    return at;
}

static bool starts_number(char c)
{
    return c == '-' || (c >= '0' && c <= '9');
}

static size_t token_end(struct str text, size_t at)
{
    if (text.ptr[at] == '"')
        return string_end(text, at);
    return starts_number(text.ptr[at]) ? number_end(text, at) : at + 1;
}

/* Copies validated text with each long number in its short form. */
static void copy_with_short_numbers(struct buf *out, struct str text)
{
    size_t next = 0;
    for (size_t at = 0; at < text.len; at = next) {
        next = token_end(text, at);
        struct str token = {text.ptr + at, next - at};
        char shorter[NUMBER_TEXT_BYTES];
        double value = 0;
        if (token.len > CJSON_NUMBER_MAX && text.ptr[at] != '"') {
            if (!json_number_value(token, &value))
                out->state = BUF_NO_MEMORY;
            token = number_text(value, shorter);
        }
        buf_append(out, token);
    }
}

static cJSON *build(struct str text, size_t longest_number)
{
    if (longest_number <= CJSON_NUMBER_MAX)
        return cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, 0);
    AUTO_BUF struct buf shorter;
    buf_init(&shorter, text.len);
    copy_with_short_numbers(&shorter, text);
    if (!buf_ok(&shorter))
        return NULL;
    return cJSON_ParseWithLengthOpts(shorter.ptr, shorter.len, NULL, 0);
}

enum err json_parse(struct str text, const struct json_limits *limits, struct json **ret_root,
                    struct json_error *reterr)
{
    struct json_error error = {0};
    size_t longest_number = 0;
    if (!json_check(text, limits, &longest_number, &error)) {
        if (error.what == json_out_of_memory)
            return ERR_NO_MEMORY;
        if (reterr)
            *reterr = error;
        return ERR_INVALID_JSON;
    }
    cJSON *root = build(text, longest_number);
    if (!root)
        return ERR_NO_MEMORY;
    *ret_root = (struct json *)(void *)root;
    return ERR_OK;
}

static void cleanse_text(char *text)
{
    if (text)
        crypto_cleanse(text, strlen(text));
}

static void cleanse(cJSON *item)
{
    for (; item; item = item->next) {
        cleanse_text(item->valuestring);
        cleanse_text(item->string);
        cleanse(item->child);
    }
}

void json_free(struct json *root)
{
    cJSON *item = (cJSON *)(void *)root;
    cleanse(item);
    cJSON_Delete(item);
}

enum json_type json_type(const struct json *value)
{
    const cJSON *item = item_of(value);
    if (cJSON_IsString(item))
        return JSON_STRING;
    if (cJSON_IsNumber(item))
        return JSON_NUMBER;
    if (cJSON_IsObject(item))
        return JSON_OBJECT;
    if (cJSON_IsArray(item))
        return JSON_ARRAY;
    return cJSON_IsBool(item) ? JSON_BOOL : JSON_NULL;
}

const struct json *json_member(const struct json *object, const char *name)
{
    return json_of(cJSON_GetObjectItemCaseSensitive(item_of(object), name));
}

struct str json_string(const struct json *value)
{
    return str_of(cJSON_IsString(item_of(value)) ? item_of(value)->valuestring : NULL);
}

bool json_number(const struct json *value, double *ret)
{
    if (!cJSON_IsNumber(item_of(value)))
        return false;
    *ret = item_of(value)->valuedouble;
    return true;
}

bool json_is_true(const struct json *value)
{
    return cJSON_IsTrue(item_of(value));
}

const struct json *json_first(const struct json *container)
{
    return container ? json_of(item_of(container)->child) : NULL;
}

const struct json *json_next(const struct json *child)
{
    return child ? json_of(item_of(child)->next) : NULL;
}

struct str json_name(const struct json *child)
{
    return str_of(child ? item_of(child)->string : NULL);
}

size_t json_count(const struct json *container)
{
    size_t count = 0;
    for (const struct json *child = json_first(container); child; child = json_next(child))
        count++;
    return count;
}

static void print_value(struct json_writer *w, const struct json *value);

static void print_children(struct json_writer *w, const struct json *container, bool with_names)
{
    for (const struct json *child = json_first(container); child; child = json_next(child)) {
        if (with_names)
            jw_key_str(w, json_name(child));
        print_value(w, child);
    }
}

static void print_value(struct json_writer *w, const struct json *value)
{
    char number[NUMBER_TEXT_BYTES];
    switch (json_type(value)) {
    case JSON_NULL:
        jw_null(w);
        break;
    case JSON_BOOL:
        jw_bool(w, json_is_true(value));
        break;
    case JSON_NUMBER:
        jw_raw(w, number_text(item_of(value)->valuedouble, number));
        break;
    case JSON_STRING:
        jw_string(w, json_string(value));
        break;
    case JSON_ARRAY:
        jw_array_begin(w);
        print_children(w, value, false);
        jw_array_end(w);
        break;
    case JSON_OBJECT:
        jw_object_begin(w);
        print_children(w, value, true);
        jw_object_end(w);
        break;
    }
}

void json_print(struct buf *out, const struct json *value)
{
    struct json_writer w;
    jw_init(&w, out);
    print_value(&w, value);
}
