/* SPDX-License-Identifier: Apache-2.0
 * Text helpers of the configuration; see config_text.h. */
#include "config/config_text.h"

#include <errno.h>
#include <stdarg.h>

#include "base/crypto.h"
#include "base/file_open.h"

bool option_wrong(struct option_problem *reterr, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
    return false;
}

bool option_no_memory(struct option_problem *reterr)
{
    return option_wrong(reterr, "out of memory");
}

char *config_copy(struct str text)
{
    char *copy = malloc(text.len + 1);

    if (!copy)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

bool config_copy_to(char **ret, struct str text, struct option_problem *reterr)
{
    *ret = config_copy(text);
    return *ret || option_no_memory(reterr);
}

void config_free_text(char *text)
{
    if (text)
        crypto_cleanse(text, strlen(text));
    free(text);
}

/* Reads at most room bytes; -1 with errno. */
static ssize_t read_all(int fd, char *to, size_t room)
{
    size_t len = 0;

    while (len < room) {
        const ssize_t n = read(fd, to + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

char *config_read_file(const char *path, size_t max_bytes, struct option_problem *reterr)
{
    const char *why = NULL;
    AUTO_CLOSE int fd = file_open(path, &why);
    if (fd < 0) {
        (void)option_wrong(reterr, "cannot be read: %s", why);
        return NULL;
    }

    char *text = calloc(max_bytes + 2, 1);
    if (!text) {
        (void)option_wrong(reterr, "cannot be read: out of memory");
        return NULL;
    }
    const ssize_t len = read_all(fd, text, max_bytes + 1);
    if (len < 0)
        (void)option_wrong(reterr, "cannot be read: %s", strerror(errno));
    else if ((size_t)len > max_bytes)
        (void)option_wrong(reterr, "is larger than %zu bytes", max_bytes);
    else if (memchr(text, '\0', (size_t)len))
        (void)option_wrong(reterr, "has a NUL byte inside");
    else
        return text;

    crypto_cleanse(text, max_bytes + 2);
    free(text);
    return NULL;
}

void problem_usage(struct problems *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(p->out, format, args);
    va_end(args);
    (void)fputc('\n', p->out);
    p->usage++;
}

void problem_value(struct problems *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(p->out, format, args);
    va_end(args);
    (void)fputc('\n', p->out);
    p->values++;
}

void problem_no_memory(struct problems *p, const char *what)
{
    problem_value(p, "%s: out of memory", what);
    p->no_memory = true;
}

void config_quote(struct str value, char out[QUOTED_BYTES])
{
    static const char TAIL[] = "...\"";
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.ptr[i];
        const bool plain = c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
        if (at + 4 + sizeof(TAIL) > QUOTED_BYTES) {
            memcpy(out + at, TAIL, sizeof(TAIL));
            return;
        }
        if (plain)
            out[at++] = (char)c;
        else
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
    }
    out[at++] = '"';
    out[at] = '\0';
}
