/* SPDX-License-Identifier: Apache-2.0
 * Trees of documents that the reader has judged, held by cJSON: struct json is a cJSON item under
 * another name. Items come from blocks of their document, the first of which has the strings and
 * names behind it: most documents are one allocation, and nothing of them is freed by itself.
 * Recursion here is as deep as JSON_DEPTH_CEILING. */
#include "base/json.h"

#include <cJSON.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/json_internal.h"

enum { FIRST_ITEMS = 16, BLOCK_ITEMS = 64 };

struct block {
    struct block *next; /* owned */
    cJSON items[BLOCK_ITEMS];
};

struct json_tree {
    cJSON items[FIRST_ITEMS]; /* items[0] is the root, by which json_free() finds this */
    cJSON *free;              /* the next item's place */
    size_t free_count;
    struct block *blocks; /* owned */
    size_t text_bytes;    /* in use */
    char text[];
};

/* The tree that this thread's reader fills. */
static _Thread_local struct json_tree *filling;

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

/* ---- cJSON's memory */

static bool add_block(struct json_tree *tree)
{
    struct block *block = malloc(sizeof(*block));
    if (!block)
        return false;
    block->next = tree->blocks;
    tree->blocks = block;
    tree->free = block->items;
    tree->free_count = BLOCK_ITEMS;
    return true;
}

/* Nothing but items is asked for: all texts are references. */
static void *take_item(size_t bytes)
{
    struct json_tree *tree = filling;
    if (!tree || bytes != sizeof(cJSON) || (tree->free_count == 0 && !add_block(tree)))
        return NULL;
    tree->free_count--;
    return tree->free++;
}

/* It ends with its tree. */
static void leave_item(void *item)
{
    (void)item;
}

static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = take_item, .free_fn = leave_item};
    cJSON_InitHooks(&hooks);
}

/* ---- for the reader */

struct json_tree *json_tree_begin(size_t text_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_hooks);
    struct json_tree *tree = malloc(sizeof(*tree) + text_bytes);
    if (!tree)
        return NULL;
    tree->free = tree->items;
    tree->free_count = FIRST_ITEMS;
    tree->blocks = NULL;
    tree->text_bytes = 0;
    filling = tree;
    return tree;
}

char *json_tree_texts(struct json_tree *tree)
{
    return tree->text;
}

void json_tree_end(struct json_tree *tree, size_t text_bytes)
{
    tree->text_bytes = text_bytes;
    filling = NULL;
}

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

void json_tree_free(struct json_tree *tree)
{
    if (!tree)
        return;
    for (struct block *block = tree->blocks; block;) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    crypto_cleanse(tree->text, tree->text_bytes);
    free(tree);
}

void json_free(struct json *root)
{
    json_tree_free((struct json_tree *)(void *)root);
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
    const cJSON *child = cJSON_IsObject(item_of(object)) ? item_of(object)->child : NULL;
    /* Most names of a token have three letters: their first tells most of them apart. */
    while (child && (child->string[0] != name[0] || strcmp(child->string, name) != 0))
        child = child->next;
    return json_of(child);
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
