/* SPDX-License-Identifier: Apache-2.0
 * Trees of documents that the reader has judged, held by cJSON: struct json is a cJSON item under
 * another name. Strings and names are references into one buffer, which the root owns by the one
 * member that it has no other use for: its name. Recursion here is as deep as JSON_DEPTH_CEILING.
 */
#include "base/json.h"

#include <cJSON.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/json_internal.h"

static const cJSON *item_of(const struct json *value)
{
    return (const cJSON *)(const void *)value;
}

static cJSON *own_item(struct json *value)
{
    return (cJSON *)(void *)value;
}

static const struct json *json_of(const cJSON *item)
{
    return (const struct json *)(const void *)item;
}

static struct json *made(cJSON *item)
{
    return (struct json *)(void *)item;
}

/* ---- for the reader */

struct json *json_make_null(void)
{
    return made(cJSON_CreateNull());
}

struct json *json_make_bool(bool value)
{
    return made(cJSON_CreateBool(value));
}

struct json *json_make_number(double value)
{
    return made(cJSON_CreateNumber(value));
}

struct json *json_make_string(const char *text)
{
    return made(cJSON_CreateStringReference(text));
}

struct json *json_make_container(bool is_object)
{
    return made(is_object ? cJSON_CreateObject() : cJSON_CreateArray());
}

bool json_add(struct json *container, const char *name, struct json *value)
{
    if (!name)
        return cJSON_AddItemToArray(own_item(container), own_item(value));
    return cJSON_AddItemToObjectCS(own_item(container), name, own_item(value));
}

/* cJSON frees a name that is not marked as a constant. */
void json_own_texts(struct json *root, struct json_texts *texts)
{
    own_item(root)->string = (char *)texts;
}

void json_free(struct json *root)
{
    if (!root)
        return;
    struct json_texts *texts = (struct json_texts *)(void *)own_item(root)->string;
    if (texts)
        crypto_cleanse(texts->text, texts->bytes);
    cJSON_Delete(own_item(root));
}

/* ---- reading */

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
    const cJSON *item = item_of(child);
    return str_of(item && (item->type & cJSON_StringIsConst) != 0 ? item->string : NULL);
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
    char number[JSON_NUMBER_TEXT_BYTES];
    switch (json_type(value)) {
    case JSON_NULL:
        jw_null(w);
        break;
    case JSON_BOOL:
        jw_bool(w, json_is_true(value));
        break;
    case JSON_NUMBER:
        jw_raw(w, json_number_text(item_of(value)->valuedouble, number));
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
