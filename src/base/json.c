/* SPDX-License-Identifier: Apache-2.0
 * The strict reader: one pass over the bytes, an explicit stack. What it has judged it puts into
 * the tree at once (json_tree.c), so that there is no second reader to see another document. */
#include "base/json.h"

#include <assert.h>
#include <endian.h>
#include <math.h>

#include "base/crypto.h"
#include "base/json_internal.h"
#include "base/json_names.h"

/* The one cause of a refusal that is not the document's fault; compared by address. */
static const char out_of_memory[] = "out of memory";

struct parser {
    const uint8_t *text;
    size_t len;
    size_t at;
    const struct json_limits *limits;
    const char *what; /* set by fail() */
    size_t values;
    uint32_t objects; /* opened so far; numbers the frames */
    unsigned depth;
    struct frame {
        uint32_t object; /* 0: array, else the object's number */
        struct json *container;
    } frames[JSON_DEPTH_CEILING];
    struct json_names names;
    struct json_tree *tree;
    struct json *root; /* NULL: nothing yet */
    char *out;         /* where the next text of the tree goes */
    struct str name;   /* of the member whose value comes next; ptr NULL in arrays */
};

static bool fail(struct parser *p, const char *what)
{
    p->what = what;
    return false;
}

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->len ? p->text[p->at] : -1;
}

static bool take(struct parser *p, int byte)
{
    if (peek(p) != byte)
        return false;
    p->at++;
    return true;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* Documents of programs hardly have any. */
static void skip_space(struct parser *p)
{
    if (peek(p) > ' ')
        return;
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r')
        p->at++;
}

static bool check_literal(struct parser *p, struct str word)
{
    if (p->len - p->at < word.len || memcmp(p->text + p->at, word.ptr, word.len) != 0)
        return fail(p, "not a value");
    p->at += word.len;
    return true;
}

/* At least one digit. */
static bool skip_digits(struct parser *p)
{
    const size_t start = p->at;
    while (is_digit(peek(p)))
        p->at++;
    return p->at > start || fail(p, "digit expected");
}

static bool take_number(struct parser *p, double *ret)
{
    const size_t start = p->at;
    (void)take(p, '-');
    if (!take(p, '0') && !skip_digits(p))
        return false;
    if (take(p, '.') && !skip_digits(p))
        return false;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            (void)take(p, '-');
        if (!skip_digits(p))
            return false;
    }
    const struct str number = {(const char *)p->text + start, p->at - start};
    if (!json_number_value(number, ret))
        return fail(p, out_of_memory);
    return isfinite(*ret) || fail(p, "number out of range");
}

/* Four hex digits, or -1. */
static int32_t take_hex4(struct parser *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int c = peek(p);
        int digit = -1;
        if (is_digit(c))
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20) - 'a' + 10;
        if (c < 0 || digit < 0)
            return -1;
        value = value << 4 | digit;
        p->at++;
    }
    return value;
}

/* The code point of \uXXXX, a surrogate pair included; the cursor is behind the 'u'. */
static bool take_unicode_escape(struct parser *p, uint32_t *ret)
{
    const int32_t first = take_hex4(p);
    if (first < 0)
        return fail(p, "four hex digits expected");
    if (first == 0)
        return fail(p, "U+0000 in a string");
    if (first >= 0xDC00 && first <= 0xDFFF)
        return fail(p, "lone surrogate");
    *ret = (uint32_t)first;
    if (first < 0xD800 || first > 0xDBFF)
        return true;

    if (!take(p, '\\') || !take(p, 'u'))
        return fail(p, "lone surrogate");
    const int32_t second = take_hex4(p);
    if (second < 0xDC00 || second > 0xDFFF)
        return fail(p, "lone surrogate");
    *ret = 0x10000 + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return true;
}

static bool take_escape(struct parser *p, uint32_t *ret)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const int c = peek(p);
    if (c <= 0)
        return fail(p, "bad escape");
    if (take(p, 'u'))
        return take_unicode_escape(p, ret);
    const char *found = strchr(escapes, c);
    if (!found)
        return fail(p, "bad escape");
    p->at++;
    *ret = (uint32_t)meanings[found - escapes];
    return true;
}

static size_t utf8_encode(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (uint8_t)(leads[n] | code);
    return n;
}

/* One character of a string that is neither its end nor plain ASCII: gives its unescaped bytes. */
static bool take_character(struct parser *p, uint8_t out[4], size_t *ret_len)
{
    const int c = peek(p);
    if (c < 0)
        return fail(p, "unterminated string");
    if (c < 0x20)
        return fail(p, "control character in a string");
    if (take(p, '\\')) {
        uint32_t code = 0;
        if (!take_escape(p, &code))
            return false;
        *ret_len = utf8_encode(code, out);
        return true;
    }
    const size_t n = str_utf8_length((struct str){(const char *)p->text + p->at, p->len - p->at});
    if (n == 0)
        return fail(p, "not UTF-8");
    memcpy(out, p->text + p->at, n);
    p->at += n;
    *ret_len = n;
    return true;
}

/* Of the next eight bytes: a bit in the first that does not stand for itself. Byte-wise tests in
 * one word; a borrow can only set bits of later bytes, so the lowest is right. */
static uint64_t special_bits(const uint8_t eight[sizeof(uint64_t)])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t word;
    memcpy(&word, eight, sizeof(word));
    word = le64toh(word);
    const uint64_t quote = word ^ (ones * '"');
    const uint64_t backslash = word ^ (ones * '\\');
    return (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
}

/* The bytes of a string that stand for themselves, eight at a time and the last ones of the
 * document one by one. The cursor is a local here: kept in the struct, each byte would wait for the
 * store of the one before. */
static void skip_plain(struct parser *p)
{
    size_t at = p->at;
    for (; p->len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        const uint64_t special = special_bits(p->text + at);
        if (special != 0) {
            p->at = at + (size_t)__builtin_ctzll(special) / 8;
            return;
        }
    }
    while (at < p->len) {
        const uint8_t c = p->text[at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
        at++;
    }
    p->at = at;
}

static void put(struct parser *p, const void *bytes, size_t len)
{
    memcpy(p->out, bytes, len);
    p->out += len;
}

/* Takes a whole string, the cursor on its opening quote; *ret is what it stands for, in the tree
 * and with a NUL behind it: never longer than it was written with its quotes. */
static bool take_string(struct parser *p, struct str *ret)
{
    const char *start = p->out;
    uint8_t bytes[4];
    size_t n = 0;
    p->at++;
    for (;;) {
        const size_t plain = p->at;
        skip_plain(p);
        put(p, p->text + plain, p->at - plain);
        if (take(p, '"'))
            break;
        if (!take_character(p, bytes, &n))
            return false;
        put(p, bytes, n);
    }
    *ret = (struct str){start, (size_t)(p->out - start)};
    put(p, "", 1);
    return true;
}

static bool take_name(struct parser *p)
{
    if (peek(p) != '"')
        return fail(p, "member name expected");
    if (!take_string(p, &p->name))
        return false;
    switch (json_names_insert(&p->names, p->frames[p->depth - 1].object, p->name)) {
    case JSON_NAME_NEW:
        return true;
    case JSON_NAME_SEEN:
        return fail(p, "duplicate member name");
    case JSON_NAME_NO_MEMORY:
        break;
    }
    return fail(p, out_of_memory);
}

static bool take_member_start(struct parser *p)
{
    if (!take_name(p))
        return false;
    skip_space(p);
    if (!take(p, ':'))
        return fail(p, "colon expected");
    skip_space(p);
    return true;
}

/* Puts a value into its place in the tree; value NULL: it could not be made. */
static bool place(struct parser *p, struct json *value)
{
    const char *name = p->name.ptr;
    p->name = (struct str){NULL, 0};
    if (!value)
        return fail(p, out_of_memory);
    if (p->depth == 0) {
        p->root = value;
        return true;
    }
    return json_add(p->frames[p->depth - 1].container, name, value) || fail(p, out_of_memory);
}

static bool open_container(struct parser *p, bool is_object)
{
    if (p->depth >= p->limits->depth_max)
        return fail(p, "nested too deeply");
    p->at++;
    struct json *container = json_make_container(is_object);
    if (!place(p, container))
        return false;
    if (is_object)
        p->objects++;
    p->frames[p->depth] =
        (struct frame){.object = is_object ? p->objects : 0, .container = container};
    p->depth++;
    skip_space(p);
    return true;
}

static bool take_scalar(struct parser *p)
{
    const int c = peek(p);
    struct str text;
    double number = 0;
    switch (c) {
    case '"':
        return take_string(p, &text) && place(p, json_make_string(text.ptr));
    case 't':
        return check_literal(p, STR("true")) && place(p, json_make_bool(true));
    case 'f':
        return check_literal(p, STR("false")) && place(p, json_make_bool(false));
    case 'n':
        return check_literal(p, STR("null")) && place(p, json_make_null());
    case -1:
        return fail(p, "value expected");
    default:
        break;
    }
    if (c != '-' && !is_digit(c))
        return fail(p, "not a value");
    return take_number(p, &number) && place(p, json_make_number(number));
}

/* Takes what may follow a complete value: ends of containers, then a comma or the end of the
 * document. *ret_more: another value follows, and the cursor is on it. */
static bool after_value(struct parser *p, bool *ret_more)
{
    *ret_more = false;
    for (;;) {
        skip_space(p);
        if (p->depth == 0)
            return p->at == p->len || fail(p, "bytes after the document");
        const bool in_object = p->frames[p->depth - 1].object != 0;
        if (take(p, in_object ? '}' : ']')) {
            p->depth--;
            continue;
        }
        if (!take(p, ','))
            return fail(p, "comma or end of the array or object expected");
        skip_space(p);
        *ret_more = true;
        return !in_object || take_member_start(p);
    }
}

/* One value, or as much of it as its first bracket. *ret_complete: the value is behind the cursor;
 * otherwise the cursor is on its first element. */
static bool begin_value(struct parser *p, bool *ret_complete)
{
    *ret_complete = true;
    if (++p->values > p->limits->values_max)
        return fail(p, "too many values");
    const int c = peek(p);
    if (c != '[' && c != '{')
        return take_scalar(p);
    if (!open_container(p, c == '{'))
        return false;
    if (peek(p) == (c == '{' ? '}' : ']'))
        return true;
    *ret_complete = false;
    return c == '[' || take_member_start(p);
}

static bool take_document(struct parser *p)
{
    if (p->len >= 3 && memcmp(p->text, "\xEF\xBB\xBF", 3) == 0)
        return fail(p, "byte-order mark");
    skip_space(p);
    bool more = true;
    while (more) {
        bool complete = false;
        if (!begin_value(p, &complete))
            return false;
        if (complete && !after_value(p, &more))
            return false;
    }
    return true;
}

/* A string needs a byte for its NUL and has two quotes: the texts of a document have room in as
 * many bytes as it has. */
static bool take_with_texts(struct parser *p)
{
    p->tree = json_tree_begin(p->len);
    if (!p->tree)
        return fail(p, out_of_memory);
    p->out = json_tree_texts(p->tree);
    const bool ok = json_names_init(&p->names) ? take_document(p) : fail(p, out_of_memory);
    json_names_finish(&p->names);
    json_tree_end(p->tree, (size_t)(p->out - json_tree_texts(p->tree)));
    return ok;
}

enum err json_parse(struct str text, const struct json_limits *limits, struct json **ret_root,
                    struct json_error *reterr)
{
    assert(limits->depth_max <= JSON_DEPTH_CEILING);
    /* Not initialized as a whole: the frames are large, and written before they are read. */
    struct parser p;
    p.text = (const uint8_t *)text.ptr;
    p.len = text.len;
    p.at = 0;
    p.limits = limits;
    p.what = NULL;
    p.values = 0;
    p.objects = 0;
    p.depth = 0;
    p.tree = NULL;
    p.root = NULL;
    p.name = (struct str){NULL, 0};

    const bool fits = text.len <= limits->bytes_max || fail(&p, "document too large");
    if (fits && take_with_texts(&p)) {
        *ret_root = p.root;
        return ERR_OK;
    }
    json_tree_free(p.tree);
    if (p.what == out_of_memory)
        return ERR_NO_MEMORY;
    if (reterr)
        *reterr = (struct json_error){.offset = p.at, .what = p.what};
    return ERR_INVALID_JSON;
}
