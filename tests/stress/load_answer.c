/* SPDX-License-Identifier: Apache-2.0
 * Answers of HTTP/1.1; see load_answer.h. */
#include "load_answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STATUS_LINE_BYTES = 12 }; /* "HTTP/1.1 200" */

/* The value of a field of the header section, which ends with an empty line; NULL: not there. */
static const char *field(const char *head, size_t len, const char *name)
{
    const size_t name_len = strlen(name);
    const char *const end = head + len;
    for (const char *line = head; line < end;) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (!line_end)
            return NULL;
        if ((size_t)(line_end - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (*value == ' ')
                value++;
            return value;
        }
        line = line_end + 1;
    }
    return NULL;
}

static void find_code(const char *body, size_t len, struct answer *ret)
{
    static const char member[] = "\"code\":\"";
    const char *at = memmem(body, len, member, sizeof(member) - 1);
    if (!at)
        return;
    at += sizeof(member) - 1;
    const char *const end = body + len;
    size_t i = 0;
    while (at + i < end && (islower((unsigned char)at[i]) || at[i] == '_') &&
           i + 1 < sizeof(ret->code)) {
        ret->code[i] = at[i];
        i++;
    }
    ret->code[i] = '\0';
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

enum answer_state answer_read(const char *data, size_t len, bool at_end, struct answer *ret)
{
    const char *const head_end = memmem(data, len, "\r\n\r\n", 4);
    if (!head_end)
        return at_end ? ANSWER_MALFORMED : ANSWER_PARTIAL;
    const size_t head_len = (size_t)(head_end - data) + 4;
    if (head_len < STATUS_LINE_BYTES + 4 || memcmp(data, "HTTP/1.", 7) != 0)
        return ANSWER_MALFORMED;
    *ret = (struct answer){.status = (int)strtol(data + 9, NULL, 10)};
    if (ret->status < 100 || ret->status > 599)
        return ANSWER_MALFORMED;
    if (ret->status < 200) {
        const enum answer_state state = answer_read(data + head_len, len - head_len, at_end, ret);
        ret->bytes += head_len;
        return state;
    }

    const char *connection = field(data, head_len, "Connection");
    const char *length = field(data, head_len, "Content-Length");
    ret->closes = data[7] == '0' || (connection && strncasecmp(connection, "close", 5) == 0);
    if (field(data, head_len, "Transfer-Encoding"))
        return ANSWER_MALFORMED;
    if (!length && !has_no_body(ret->status)) {
        ret->closes = true;
        if (!at_end)
            return ANSWER_PARTIAL;
    }
    const size_t body_len = has_no_body(ret->status) ? 0
                            : length                 ? strtoul(length, NULL, 10)
                                                     : len - head_len;
    ret->bytes = head_len + body_len;
    if (ret->bytes > len)
        return at_end ? ANSWER_MALFORMED : ANSWER_PARTIAL;
    find_code(data + head_len, body_len, ret);
    return ANSWER_WHOLE;
}
