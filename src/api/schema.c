/* SPDX-License-Identifier: Apache-2.0
 * Reads a validated JSON tree into a struct by a field table. Pure but for the arena. */
#include "api/schema.h"

#include "base/buf.h"

/* A longer unknown name is not repeated to its sender; the pointer then names the object. */
enum { NAME_SHOWN_MAX = 128 };

static const char *const ALPHABET_TEXTS[] = {
#define X(id, text) text,
    SCHEMA_ALPHABET_TABLE(X)
#undef X
};

static bool all_between(struct str text, char from, char to)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < from || text.ptr[i] > to)
            return false;
    }
    return true;
}

static bool is_lines(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if ((c < ' ' || c > '~') && c != '\n' && c != '\r')
            return false;
    }
    return true;
}

static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}

bool schema_alphabet_has(enum schema_alphabet alphabet, struct str text)
{
    switch (alphabet) {
    case ALPHABET_TEXT:
        return !str_has_control(text) && str_is_utf8(text);
    case ALPHABET_LINES:
        return is_lines(text);
    case ALPHABET_VISIBLE:
        return all_between(text, '!', '~');
    case ALPHABET_WORD:
        return is_word(text);
    }
    return false;
}

bool schema_problem(struct failure *failure, const char *pointer, const char *detail)
{
    if (failure->pointer_count == FAILURE_POINTERS_MAX)
        return false;
    failure->pointers[failure->pointer_count].pointer = pointer;
    failure->pointers[failure->pointer_count].detail = detail;
    failure->pointer_count++;
    return true;
}

static const struct schema_field *find_field(const struct schema *schema, struct str name)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (str_is(name, schema->fields[i].name))
            return &schema->fields[i];
    }
    return NULL;
}

/* "/name" with '~' and '/' escaped (RFC 6901 section 3); "" when the name is too long to repeat. */
static const char *pointer_to(struct str name, struct arena *arena)
{
    if (name.len > NAME_SHOWN_MAX)
        return "";
    char *pointer = arena_alloc(arena, 2 * name.len + 2);
    if (!pointer)
        return NULL;

    char *at = pointer;
    *at++ = '/';
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (c != '~' && c != '/') {
            *at++ = c;
            continue;
        }
        *at++ = '~';
        *at++ = c == '~' ? '0' : '1';
    }
    return pointer;
}

/* The read_ functions return what is wrong, or NULL. */

/* Never NULL, for that would say that all is well. */
static const char *range_text(const struct schema_field *field, const char *format,
                              struct arena *arena)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 128);
    buf_append_z(&text, format);
    buf_append_i64(&text, field->min);
    buf_append_z(&text, " to ");
    buf_append_i64(&text, field->max);
    const char *copy = buf_ok(&text) ? arena_strdup(arena, buf_str(&text)) : NULL;
    return copy ? copy : "is out of range";
}

static const char *read_text(const struct schema_field *field, const struct json *value, void *at,
                             struct arena *arena)
{
    if (json_type(value) != JSON_STRING)
        return "must be a string";
    const struct str text = json_string(value);
    if ((int64_t)text.len < field->min || (int64_t)text.len > field->max)
        return range_text(field, "must have a length in bytes of ", arena);
    if (!schema_alphabet_has(field->alphabet, text))
        return ALPHABET_TEXTS[field->alphabet];
    *(struct str *)at = text;
    return NULL;
}

static const char *read_integer(const struct schema_field *field, const struct json *value,
                                void *at, struct arena *arena)
{
    double number = 0;
    /* Compared as double before it is cast: a cast of 1e300 would be undefined. */
    if (!json_number(value, &number) || !(number >= (double)field->min) ||
        !(number <= (double)field->max) || number != (double)(int64_t)number)
        return range_text(field, "must be an integer of ", arena);
    *(int64_t *)at = (int64_t)number;
    return NULL;
}

static const char *read_value(const struct schema_field *field, const struct json *value, void *out,
                              struct arena *arena)
{
    void *at = (char *)out + field->offset;
    switch (field->type) {
    case SCHEMA_TEXT:
        return read_text(field, value, at, arena);
    case SCHEMA_INTEGER:
        return read_integer(field, value, at, arena);
    case SCHEMA_OBJECT:
        if (json_type(value) != JSON_OBJECT)
            return "must be an object";
        *(const struct json **)at = value;
        return NULL;
    }
    return "has no known type";
}

static void find_missing(const struct schema *schema, const struct json *root, struct arena *arena,
                         struct failure *failure)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (field->required && !json_member(root, field->name))
            (void)schema_problem(failure, pointer_to(str_of(field->name), arena), "is required");
    }
}

enum err schema_read(const struct schema *schema, const struct json *root, void *out,
                     struct arena *arena, struct failure *ret_failure)
{
    struct failure failure = failure_of(ERR_INVALID_REQUEST);

    if (json_type(root) != JSON_OBJECT) {
        (void)schema_problem(&failure, "", "must be an object");
        *ret_failure = failure;
        return ERR_INVALID_REQUEST;
    }
    for (const struct json *value = json_first(root); value; value = json_next(value)) {
        const struct schema_field *field = find_field(schema, json_name(value));
        const char *what =
            field ? read_value(field, value, out, arena) : "is not a member of this request";
        if (what && !schema_problem(&failure, pointer_to(json_name(value), arena), what))
            break;
    }
    find_missing(schema, root, arena, &failure);
    if (failure.pointer_count == 0)
        return ERR_OK;

    for (size_t i = 0; i < failure.pointer_count; i++) {
        if (!failure.pointers[i].pointer)
            return ERR_NO_MEMORY;
    }
    failure.detail = "the body is not what this operation takes; see errors";
    *ret_failure = failure;
    return ERR_INVALID_REQUEST;
}
