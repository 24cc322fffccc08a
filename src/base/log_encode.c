/* SPDX-License-Identifier: Apache-2.0
 * The two forms of a log line. Both are one line whatever bytes the fields hold. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log_events.h"
#include "base/log_internal.h"

/* Kept free behind the last field, for the mark of a cut line and its end. */
enum { TAIL_BYTES = 64 };

#define EVERY_LINE                                                                                 \
    ",\"ecs.version\":\"8.11.0\",\"service.name\":\"biometrics-bff\",\"service.version\":"         \
    "\"" BFF_VERSION "\""

static const struct level_row {
    const char *name;
    const char *padded;
    const char *colour;
} levels[] = {
    [LOG_DEBUG] = {"debug", "DEBUG", "\x1b[2m"},
    [LOG_INFO] = {"info", "INFO ", "\x1b[32m"},
    [LOG_WARN] = {"warn", "WARN ", "\x1b[33m"},
    [LOG_ERROR] = {"error", "ERROR", "\x1b[31m"},
};

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

bool log_level_parse(struct str text, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_is(text, levels[i].name)) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool is_present(const struct log_field *f)
{
    return f->name && (f->kind != LOG_FIELD_STR || f->text.ptr);
}

static void write_json_field(struct json_writer *w, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_FIELD_STR:
        jw_member(w, f->name, f->text);
        break;
    case LOG_FIELD_INT:
        jw_member_int(w, f->name, f->number);
        break;
    case LOG_FIELD_BOOL:
        jw_member_bool(w, f->name, f->number != 0);
        break;
    }
}

/* Takes back what was appended since the mark, when it did not fit. */
static bool undo_if_full(struct buf *out, size_t mark)
{
    if (buf_ok(out))
        return false;
    out->state = BUF_OK;
    out->len = mark;
    return true;
}

void log_encode_json(struct buf *out, const struct log_line *line)
{
    char time[RFC3339_BYTES];
    clock_rfc3339(line->wall_ms, true, time);
    out->max = LOG_LINE_BYTES - TAIL_BYTES;
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "@timestamp", str_of(time));
    jw_member(&w, "log.level", str_of(levels[line->level].name));
    jw_member(&w, "message", str_of(line->message));
    const char *event = log_event_members(line->action);
    if (event)
        buf_append_z(out, event);
    else
        jw_member(&w, "event.action", str_of(line->action));
    buf_append(out, STR(EVERY_LINE));
    if (!buf_ok(out)) /* for want of memory; a piece of a line would be none that can be read */
        return;
    bool cut = false;
    for (size_t i = 0; i < line->field_count; i++) {
        const size_t mark = out->len;
        if (is_present(&line->fields[i]))
            write_json_field(&w, &line->fields[i]);
        if (undo_if_full(out, mark))
            cut = true;
    }
    out->max = LOG_LINE_BYTES;
    w.need_comma = true;
    if (cut)
        jw_member_bool(&w, "log.truncated", true);
    jw_object_end(&w);
    buf_append_byte(out, '\n');
}

static bool is_bare(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.len > 0;
}

static void write_text_field(struct buf *out, const struct log_field *f)
{
    buf_printf(out, " %s=", f->name);
    struct json_writer w;
    jw_init(&w, out);
    switch (f->kind) {
    case LOG_FIELD_STR:
        if (is_bare(f->text))
            buf_append(out, f->text);
        else
            jw_string(&w, f->text);
        break;
    case LOG_FIELD_INT:
        jw_int(&w, f->number);
        break;
    case LOG_FIELD_BOOL:
        jw_bool(&w, f->number != 0);
        break;
    }
}

void log_encode_text(struct buf *out, const struct log_line *line, bool colour)
{
    const struct level_row *level = &levels[line->level];
    char time[RFC3339_BYTES];
    clock_rfc3339(line->wall_ms, true, time);
    out->max = LOG_LINE_BYTES - TAIL_BYTES;
    buf_printf(out, "%s %s%s%s %s: %s", time, colour ? level->colour : "", level->padded,
               colour ? "\x1b[0m" : "", line->action, line->message);
    if (!buf_ok(out))
        return;
    bool cut = false;
    for (size_t i = 0; i < line->field_count; i++) {
        const size_t mark = out->len;
        if (is_present(&line->fields[i]))
            write_text_field(out, &line->fields[i]);
        if (undo_if_full(out, mark))
            cut = true;
    }
    out->max = LOG_LINE_BYTES;
    if (cut)
        buf_append_z(out, " log.truncated=true");
    buf_append_byte(out, '\n');
}
