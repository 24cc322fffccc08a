/* SPDX-License-Identifier: Apache-2.0
 * See findings.h. */
#include "commands/findings.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"

enum { TEXT_BYTES = 4096, LINE_BYTES_MAX = 8 * TEXT_BYTES };

static void say_json(const char *verdict, const char *what, struct str text)
{
    AUTO_BUF struct buf line;
    struct json_writer w;

    buf_init(&line, LINE_BYTES_MAX);
    jw_init(&w, &line);
    jw_object_begin(&w);
    jw_member(&w, "verdict", str_of(verdict));
    jw_member(&w, "what", str_of(what));
    jw_member(&w, "text", text);
    jw_object_end(&w);
    (void)fprintf(stdout, "%.*s\n", (int)line.len, line.ptr ? line.ptr : "");
}

static void say(const struct findings *f, const char *verdict, const char *what, const char *format,
                va_list args) PRINTF_LIKE(4, 0);
static void say(const struct findings *f, const char *verdict, const char *what, const char *format,
                va_list args)
{
    char text[TEXT_BYTES];

    (void)vsnprintf(text, sizeof(text), format, args);
    if (f->as_json)
        say_json(verdict, what, str_of(text));
    else
        (void)fprintf(stdout, "%-5s%-11s%s\n", verdict, what, text);
}

void good(struct findings *f, const char *what, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "ok", what, format, args);
    va_end(args);
}

void note(struct findings *f, const char *what, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "note", what, format, args);
    va_end(args);
}

void bad(struct findings *f, const char *what, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "FAIL", what, format, args);
    va_end(args);
    f->failed = true;
}
