/* SPDX-License-Identifier: Apache-2.0
 * One recursive walk over a table of fields. */
#include "emulator/fields.h"

enum { APPROVAL_MEMBERS_MAX = 10 };

static const char *out_of_memory(const char *text)
{
    return text ? text : "request not acceptable";
}

static bool is_word_of(struct str value, const char *const *words)
{
    if (!words)
        return true;
    while (*words && !str_is(value, *words))
        words++;
    return *words != NULL;
}

static bool is_approval_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        if (!allowed)
            return false;
    }
    return true;
}

static bool is_approval(const struct json *value)
{
    if (json_type(value) != JSON_OBJECT || json_count(value) > APPROVAL_MEMBERS_MAX)
        return false;
    for (const struct json *m = json_first(value); m; m = json_next(m)) {
        if (json_type(m) != JSON_STRING || json_name(m).len == 0 ||
            !is_approval_text(json_name(m)) || !is_approval_text(json_string(m)))
            return false;
    }
    return true;
}

static bool is_text(const struct field *field, const struct json *value)
{
    const struct str text = json_string(value);
    return json_type(value) == JSON_STRING && (text.len > 0 || field->kind == FIELD_ANY_TEXT) &&
           (field->bytes_max == 0 || text.len <= field->bytes_max) &&
           is_word_of(text, field->words);
}

static bool is_number(const struct field *field, const struct json *value)
{
    double number = 0;
    return json_number(value, &number) && number >= field->number_min &&
           number <= field->number_max;
}

static bool obeys(const struct field *field, const struct json *value)
{
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_ANY_TEXT:
        return is_text(field, value);
    case FIELD_NUMBER:
        return is_number(field, value);
    case FIELD_BOOL:
        return json_type(value) == JSON_BOOL;
    case FIELD_OBJECT:
    case FIELD_OPEN_OBJECT:
        return json_type(value) == JSON_OBJECT;
    case FIELD_APPROVAL:
        return is_approval(value);
    case FIELD_ANY:
        return true;
    }
    return false;
}

static const struct field *find_field(const struct field *fields, struct str name)
{
    while (fields->name && !str_is(name, fields->name))
        fields++;
    return fields->name ? fields : NULL;
}

static const char *member_problem(const struct field *fields, const struct json *member,
                                  struct arena *arena)
{
    const struct str name = json_name(member);
    const struct field *field = find_field(fields, name);
    if (!field)
        return out_of_memory(
            arena_printf(arena, "property %.*s should not exist", (int)name.len, name.ptr));
    if (!obeys(field, member))
        return out_of_memory(arena_printf(arena, "property %s is not acceptable", field->name));
    return field->kind == FIELD_OBJECT ? fields_problem(field->fields, member, arena) : NULL;
}

const char *fields_problem(const struct field *fields, const struct json *body, struct arena *arena)
{
    if (!body || json_type(body) != JSON_OBJECT)
        return "the body should be a JSON object";
    for (const struct json *m = json_first(body); m; m = json_next(m)) {
        const char *problem = member_problem(fields, m, arena);
        if (problem)
            return problem;
    }
    for (const struct field *f = fields; f->name; f++) {
        if (f->required && !json_member(body, f->name))
            return out_of_memory(arena_printf(arena, "property %s is missing", f->name));
    }
    return NULL;
}
