/* SPDX-License-Identifier: Apache-2.0
 * Reads and writes requests; see load_requests.h. */
#include "load_requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MAX = 4 };
static const char mark[] = "{n}";

struct template
{
    const char *bytes; /* in a file's text, which is kept */
    size_t len;
    size_t numbers[NUMBERS_MAX]; /* where marks are */
    size_t number_count;
};

static struct template *templates;
static size_t template_count, template_room;

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t len = 0, room = 0;
    if (!in)
        return NULL;
    do {
        room += 1 << 20;
        text = realloc(text, room);
        if (!text)
            abort();
        len += fread(text + len, 1, room - 1 - len, in);
    } while (len == room - 1);
    text[len] = '\0';
    (void)fclose(in);
    *ret_len = len;
    return text;
}

/* Content-Length counts the number, not the mark; 0: the message is not whole. */
static size_t message_bytes(const char *text, size_t len)
{
    static const char name[] = "\r\nContent-Length:";
    const char *head_end = memmem(text, len, "\r\n\r\n", 4);
    if (!head_end)
        return 0;
    const size_t head = (size_t)(head_end - text) + 4;
    const char *length = memmem(text, head, name, sizeof(name) - 1);
    size_t body = length ? strtoul(length + sizeof(name) - 1, NULL, 10) : 0;
    for (const char *at = text + head; (at = strstr(at, mark)) && at < text + head + body; at++)
        body -= NUMBER_DIGITS - (sizeof(mark) - 1);
    return head + body <= len ? head + body : 0;
}

static bool add_template(const char *bytes, size_t len)
{
    if (template_count == template_room) {
        template_room = template_room ? 2 * template_room : 64;
        templates = realloc(templates, template_room * sizeof(templates[0]));
        if (!templates)
            abort();
    }
    struct template *t = &templates[template_count++];
    *t = (struct template){.bytes = bytes, .len = len};
    for (const char *at = bytes; (at = memmem(at, (size_t)(bytes + len - at), mark, 3)); at++) {
        if (t->number_count == NUMBERS_MAX)
            return false;
        t->numbers[t->number_count++] = (size_t)(at - bytes);
    }
    return true;
}

bool requests_load(const char *path)
{
    size_t len = 0;
    const char *text = read_file(path, &len);
    if (!text) {
        perror(path);
        return false;
    }
    const char *at = text;
    while (at < text + len) {
        const size_t bytes = message_bytes(at, (size_t)(text + len - at));
        if (bytes == 0 || !add_template(at, bytes)) {
            (void)fprintf(stderr, "%s: not a whole request at byte %zu\n", path,
                          (size_t)(at - text));
            return false;
        }
        at += bytes;
    }
    return template_count > 0;
}

size_t requests_write(uint64_t n, char **buf, size_t *room)
{
    const struct template *t = &templates[n % template_count];
    const size_t len = t->len + t->number_count * (NUMBER_DIGITS - (sizeof(mark) - 1));
    char number[NUMBER_DIGITS + 1];
    if (*room < len) {
        *buf = realloc(*buf, len);
        *room = len;
        if (!*buf)
            abort();
    }
    (void)snprintf(number, sizeof(number), "%0*llu", NUMBER_DIGITS,
                   (unsigned long long)(n % 10000000000ULL));
    char *to = *buf;
    size_t from = 0;
    for (size_t i = 0; i < t->number_count; i++) {
        to = mempcpy(to, t->bytes + from, t->numbers[i] - from);
        to = mempcpy(to, number, NUMBER_DIGITS);
        from = t->numbers[i] + sizeof(mark) - 1;
    }
    (void)memcpy(to, t->bytes + from, t->len - from);
    return len;
}
