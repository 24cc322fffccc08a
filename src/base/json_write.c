/* SPDX-License-Identifier: Apache-2.0
 * The JSON writer. Whatever bytes a string holds, the output is valid JSON in valid UTF-8 without
 * control characters, DEL and C1 included: the same writer makes log lines. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

void jw_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void before_value(struct json_writer *w)
{
    if (w->need_comma)
        buf_append_byte(w->out, ',');
    w->need_comma = true;
}

static void begin(struct json_writer *w, char bracket)
{
    before_value(w);
    buf_append_byte(w->out, bracket);
    w->need_comma = false;
}

static void end(struct json_writer *w, char bracket)
{
    buf_append_byte(w->out, bracket);
    w->need_comma = true;
}

void jw_object_begin(struct json_writer *w)
{
    begin(w, '{');
}

void jw_object_end(struct json_writer *w)
{
    end(w, '}');
}

void jw_array_begin(struct json_writer *w)
{
    begin(w, '[');
}

void jw_array_end(struct json_writer *w)
{
    end(w, ']');
}

static void append_escape(struct buf *out, unsigned code)
{
    static const char short_codes[] = "\b\f\n\r\t\"\\";
    static const char short_letters[] = "bfnrt\"\\";
    static const char hex[] = "0123456789abcdef";
    const char *found = code == 0 ? NULL : strchr(short_codes, (int)code);
    if (found) {
        const char text[] = {'\\', short_letters[found - short_codes]};
        buf_append(out, (struct str){text, sizeof(text)});
        return;
    }
    const char text[] = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
    buf_append(out, (struct str){text, sizeof(text)});
}

/* Does one of the eight bytes not stand for itself: a control character, '"', '\\', DEL or above?
 * Byte-wise tests in one word; a borrow can only make a true answer of a later byte true too. */
static bool has_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    const uint64_t quote = word ^ (ones * '"');
    const uint64_t backslash = word ^ (ones * '\\');
    const uint64_t del = word ^ (ones * 0x7F);
    return ((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones)) &
            tops) != 0;
}

/* Bytes at the start of text that stand for themselves. */
static size_t plain_length(struct str text)
{
    size_t n = 0;
    for (uint64_t word; text.len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, text.ptr + n, sizeof(word));
        if (has_special(word))
            break;
    }
    while (n < text.len) {
        const unsigned char c = (unsigned char)text.ptr[n];
        if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7F)
            break;
        n++;
    }
    return n;
}

/* Line and paragraph separator, which some readers take for the end of a line, and what makes text
 * read in another order than it is written: U+200B to U+200F, U+2028 to U+202E, U+2066 to U+2069.
 */
static bool misleads(const unsigned char c[3])
{
    if (c[0] != 0xE2)
        return false;
    if (c[1] == 0x80)
        return (c[2] >= 0x8B && c[2] <= 0x8F) || (c[2] >= 0xA8 && c[2] <= 0xAE);
    return c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9;
}

static void append_long_escape(struct buf *out, const unsigned char c[3])
{
    const unsigned code = (c[0] & 0x0FU) << 12 | (c[1] & 0x3FU) << 6 | (c[2] & 0x3FU);
    buf_printf(out, "\\u%04x", code);
}

/* Writes the first character of text, which does not stand for itself; returns its length. */
static size_t append_special(struct buf *out, struct str text)
{
    const unsigned char c = (unsigned char)text.ptr[0];
    if (c < 0x80) {
        append_escape(out, c);
        return 1;
    }
    const size_t n = str_utf8_length(text);
    if (n == 0) {
        buf_append(out, STR("\xEF\xBF\xBD"));
        return 1;
    }
    const unsigned char second = (unsigned char)text.ptr[1];
    if (c == 0xC2 && second < 0xA0)
        append_escape(out, second);
    else if (n == 3 && misleads((const unsigned char *)text.ptr))
        append_long_escape(out, (const unsigned char *)text.ptr);
    else
        buf_append(out, (struct str){text.ptr, n});
    return n;
}

static void append_escaped(struct buf *out, struct str text)
{
    buf_append_byte(out, '"');
    while (text.len > 0) {
        size_t n = plain_length(text);
        if (n > 0)
            buf_append(out, (struct str){text.ptr, n});
        else
            n = append_special(out, text);
        text.ptr += n;
        text.len -= n;
    }
    buf_append_byte(out, '"');
}

/* A string without special characters goes into the buffer in one piece: with the comma in front of
 * it, and behind it the colon when it is a name. */
static void append_plain(struct json_writer *w, struct str text, bool is_name)
{
    const size_t bytes = text.len + 2 + w->need_comma + is_name;
    char *to = buf_room(w->out, bytes);
    if (!to)
        return;
    if (w->need_comma)
        *to++ = ',';
    *to++ = '"';
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    to += text.len;
    *to++ = '"';
    if (is_name)
        *to = ':';
    buf_added(w->out, bytes);
}

static void append_string(struct json_writer *w, struct str text, bool is_name)
{
    if (plain_length(text) == text.len) {
        append_plain(w, text, is_name);
        return;
    }
    before_value(w);
    append_escaped(w->out, text);
    if (is_name)
        buf_append_byte(w->out, ':');
}

void jw_key_str(struct json_writer *w, struct str name)
{
    append_string(w, name, true);
    w->need_comma = false;
}

void jw_key_plain(struct json_writer *w, struct str name)
{
    append_plain(w, name, true);
    w->need_comma = false;
}

void jw_string(struct json_writer *w, struct str value)
{
    append_string(w, value, false);
    w->need_comma = true;
}

void jw_int(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_append_i64(w->out, value);
}

void jw_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_append_z(w->out, value ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
    before_value(w);
    buf_append_z(w->out, "null");
}

void jw_raw(struct json_writer *w, struct str value)
{
    before_value(w);
    buf_append(w->out, value);
}
