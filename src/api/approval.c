/* SPDX-License-Identifier: Apache-2.0
 * Approval data: checked, sorted, compared. Pure but for the arena. */
#include "api/approval.h"

#include "api/schema.h"
#include "base/buf.h"

/* Quotes, colon and comma around each member; the alphabet needs no escapes. */
enum { CANONICAL_MAX = APPROVAL_MEMBERS_MAX * (APPROVAL_KEY_MAX + APPROVAL_VALUE_MAX + 6) + 2 };

static int compare_names(const void *a, const void *b)
{
    const struct str left = json_name(*(const struct json *const *)a);
    const struct str right = json_name(*(const struct json *const *)b);
    const size_t shorter = left.len < right.len ? left.len : right.len;
    const int order = memcmp(left.ptr, right.ptr, shorter);
    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

/* NULL, or what is wrong with the member. */
static const char *check_member(const struct json *member)
{
    const struct str key = json_name(member);
    const struct str value = json_string(member);
    if (key.len == 0 || key.len > APPROVAL_KEY_MAX || !schema_alphabet_has(ALPHABET_WORD, key))
        return "the name must be 1 to 64 of letters, digits, '_', '.' and '-'";
    if (json_type(member) != JSON_STRING)
        return "must be a string";
    if (value.len > APPROVAL_VALUE_MAX || !schema_alphabet_has(ALPHABET_WORD, value))
        return "must be at most 256 of letters, digits, '_', '.' and '-'";
    return NULL;
}

static enum err write_sorted(const struct json **members, size_t count, struct arena *arena,
                             struct str *ret)
{
    AUTO_BUF struct buf text;
    buf_init(&text, CANONICAL_MAX);
    struct json_writer w;
    jw_init(&w, &text);
    jw_object_begin(&w);
    for (size_t i = 0; i < count; i++) {
        jw_key_str(&w, json_name(members[i]));
        jw_string(&w, json_string(members[i]));
    }
    jw_object_end(&w);
    if (!buf_ok(&text))
        return ERR_NO_MEMORY;
    *ret = arena_copy(arena, buf_str(&text));
    return ret->ptr ? ERR_OK : ERR_NO_MEMORY;
}

enum err approval_canonical(const struct json *object, struct arena *arena, struct str *ret,
                            struct approval_problem *ret_problem)
{
    const struct json *members[APPROVAL_MEMBERS_MAX];
    const size_t count = json_count(object);
    if (json_type(object) != JSON_OBJECT || count == 0 || count > APPROVAL_MEMBERS_MAX) {
        *ret_problem =
            (struct approval_problem){.what = "must be an object of 1 to 10 string members"};
        return ERR_INVALID_REQUEST;
    }
    size_t filled = 0;
    for (const struct json *member = json_first(object); member; member = json_next(member)) {
        const char *what = check_member(member);
        if (what) {
            *ret_problem = (struct approval_problem){
                .member = arena_strdup(arena, json_name(member)),
                .what = what,
            };
            return ret_problem->member ? ERR_INVALID_REQUEST : ERR_NO_MEMORY;
        }
        members[filled++] = member;
    }
    qsort(members, count, sizeof(const struct json *), compare_names);
    return write_sorted(members, count, arena, ret);
}

bool approval_equal(struct str canonical, const struct json *claim, struct arena *arena)
{
    struct str claimed;
    struct approval_problem problem;
    return claim && approval_canonical(claim, arena, &claimed, &problem) == ERR_OK &&
           str_eq(canonical, claimed);
}
