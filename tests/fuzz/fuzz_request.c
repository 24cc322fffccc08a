/* SPDX-License-Identifier: Apache-2.0
 * api/: a body by a field table, approval data, an id in a path, an Authorization field. */
#include "fuzz.h"

#include "api/approval.h"
#include "api/bearer.h"
#include "api/path_segment.h"

enum { ARENA_BYTES = 1024 * 1024 };

struct sample {
    struct str text, visible, lines, word;
    int64_t number;
    const struct json *object;
};
static const struct schema_field FIELDS[] = {
    {"text", SCHEMA_TEXT, true, offsetof(struct sample, text), 1, 255, ALPHABET_TEXT},
    {"visible", SCHEMA_TEXT, false, offsetof(struct sample, visible), 1, 64, ALPHABET_VISIBLE},
    {"lines", SCHEMA_TEXT, false, offsetof(struct sample, lines), 1, 64, ALPHABET_LINES},
    {"word", SCHEMA_TEXT, false, offsetof(struct sample, word), 1, 64, ALPHABET_WORD},
    {"number", SCHEMA_INTEGER, false, offsetof(struct sample, number), 30, 600, ALPHABET_TEXT},
    {"object", SCHEMA_OBJECT, false, offsetof(struct sample, object), 0, 0, ALPHABET_TEXT},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};
static const struct json_limits LIMITS = {.bytes_max = 65536, .depth_max = 8, .values_max = 1024};

static void check_approval(const struct json *object, struct arena *arena)
{
    struct approval_problem problem = {0};
    struct str canonical;
    if (approval_canonical(object, arena, &canonical, &problem) != ERR_OK)
        return;
    FUZZ_CHECK(approval_equal(canonical, object, arena));

    AUTO_JSON struct json *again = NULL;
    struct json_error error;
    struct str same;
    FUZZ_CHECK(json_parse(canonical, &LIMITS, &again, &error) == ERR_OK);
    FUZZ_CHECK(approval_canonical(again, arena, &same, &problem) == ERR_OK);
    FUZZ_CHECK(str_eq(canonical, same));
}

static void check_body(struct str text, struct arena *arena)
{
    AUTO_JSON struct json *root = NULL;
    struct json_error error;
    if (json_parse(text, &LIMITS, &root, &error) != ERR_OK)
        return;
    struct sample sample = {0};
    struct failure failure = {0};
    const enum err e = schema_read(&SCHEMA, root, &sample, arena, &failure);
    if (e == ERR_INVALID_REQUEST) {
        FUZZ_CHECK(failure.pointer_count >= 1 && failure.pointer_count <= FAILURE_POINTERS_MAX);
        return;
    }
    FUZZ_CHECK(e == ERR_OK);
    FUZZ_CHECK(sample.text.len >= 1 && sample.text.len <= 255 && str_is_utf8(sample.text));
    FUZZ_CHECK(sample.number == 0 || (sample.number >= 30 && sample.number <= 600));
    if (sample.object)
        check_approval(sample.object, arena);
}

static void check_segment(struct str raw, struct arena *arena)
{
    const char *what = NULL;
    struct str id = {0};
    if (path_segment_decode(raw, arena, &id, &what) != ERR_OK)
        return;
    FUZZ_CHECK(id.len >= 1 && id.len <= PATH_SEGMENT_BYTES_MAX);
    FUZZ_CHECK(!memchr(id.ptr, '/', id.len) && !memchr(id.ptr, '\0', id.len));
    FUZZ_CHECK(!str_is(id, ".") && !str_is(id, ".."));
    FUZZ_CHECK(str_is_utf8(id) && !str_has_control(id));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct str text = {(const char *)bytes, len};
    AUTO(arena_finish) struct arena arena;
    arena_init(&arena, ARENA_BYTES);

    check_body(text, &arena);
    check_segment(text, &arena);
    struct str token = {0};
    if (bearer_parse(text, &token) == ERR_OK)
        FUZZ_CHECK(token.len > 0 && !memchr(token.ptr, ' ', token.len));
    return 0;
}
