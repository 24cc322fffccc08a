/* SPDX-License-Identifier: Apache-2.0
 * Reading requests and sending answers on a blocking connection. */
#include "emulator/http.h"

#include <time.h>

#include "base/auto.h"

bool http_request_init(struct http_request *r)
{
    *r = (struct http_request){.head = malloc(HTTP_HEAD_BYTES_MAX)};
    buf_init(&r->body, HTTP_BODY_BYTES_MAX);
    return r->head != NULL;
}

void http_request_finish(struct http_request *r)
{
    free(r->head);
    buf_finish(&r->body);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Length of the head with its empty line, 0 while that has not arrived. */
static size_t head_length(const struct http_request *r)
{
    const char *end = memmem(r->head, r->head_used, "\r\n\r\n", 4);
    return end ? (size_t)(end - r->head) + 4 : 0;
}

static enum http_read read_head(struct http_request *r, struct connection *c)
{
    while ((r->head_len = head_length(r)) == 0) {
        if (r->head_used == HTTP_HEAD_BYTES_MAX)
            return HTTP_READ_BAD;
        const size_t got =
            connection_read(c, r->head + r->head_used, HTTP_HEAD_BYTES_MAX - r->head_used);
        if (got == 0)
            return HTTP_READ_CLOSED;
        r->head_used += got;
    }
    return HTTP_READ_OK;
}

/* Cuts the text before the separator off *rest; the whole rest when there is none. */
static struct str cut_before(struct str *rest, const char *separator)
{
    const size_t separator_len = strlen(separator);
    const char *at = memmem(rest->ptr, rest->len, separator, separator_len);
    if (!at) {
        const struct str all = *rest;
        *rest = (struct str){rest->ptr + rest->len, 0};
        return all;
    }
    const struct str before = {rest->ptr, (size_t)(at - rest->ptr)};
    rest->ptr = at + separator_len;
    rest->len -= before.len + separator_len;
    return before;
}

static struct str trim(struct str s)
{
    while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool parse_request_line(struct http_request *r, struct str line)
{
    r->method = cut_before(&line, " ");
    struct str target = cut_before(&line, " ");
    r->path = cut_before(&target, "?");
    r->query = target;
    r->keep_alive = str_is(line, "HTTP/1.1");
    return r->method.len > 0 && r->path.len > 0 && *r->path.ptr == '/' &&
           str_starts_with(line, STR("HTTP/1."));
}

static bool parse_head(struct http_request *r)
{
    struct str rest = {r->head, r->head_len - 4};
    if (!parse_request_line(r, cut_before(&rest, "\r\n")))
        return false;
    r->header_count = 0;
    while (rest.len > 0) {
        struct str value = cut_before(&rest, "\r\n");
        const struct str name = cut_before(&value, ":");
        if (name.len == 0 || r->header_count == HTTP_HEADERS_MAX)
            return false;
        r->headers[r->header_count++] = (struct http_header){name, trim(value)};
    }
    if (str_eq_nocase(http_request_header(r, "Connection"), STR("close")))
        r->keep_alive = false;
    return true;
}

static bool body_length(const struct http_request *r, size_t *ret)
{
    if (http_request_header(r, "Transfer-Encoding").ptr)
        return false;
    const struct str text = http_request_header(r, "Content-Length");
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        length = length * 10 + (size_t)(text.ptr[i] - '0');
        if (length > HTTP_BODY_BYTES_MAX)
            return false;
    }
    *ret = length;
    return true;
}

static enum http_read read_body(struct http_request *r, struct connection *c)
{
    size_t length = 0;
    if (!body_length(r, &length))
        return HTTP_READ_BAD;
    buf_reset(&r->body);
    const size_t early = r->head_used - r->head_len;
    const size_t mine = early < length ? early : length;
    buf_append(&r->body, (struct str){r->head + r->head_len, mine});
    if (mine < length && str_eq_nocase(http_request_header(r, "Expect"), STR("100-continue")) &&
        !connection_write(c, STR("HTTP/1.1 100 Continue\r\n\r\n")))
        return HTTP_READ_CLOSED;

    while (buf_ok(&r->body) && r->body.len < length) {
        char *room = buf_room(&r->body, length - r->body.len);
        const size_t got = room ? connection_read(c, room, length - r->body.len) : 0;
        if (got == 0)
            return HTTP_READ_CLOSED;
        buf_added(&r->body, got);
    }
    return buf_ok(&r->body) ? HTTP_READ_OK : HTTP_READ_BAD;
}

/* Moves what came after the last request to the front. */
static void keep_early_bytes(struct http_request *r)
{
    const size_t done = r->head_len + r->body.len;
    const size_t kept = r->head_used > done ? r->head_used - done : 0;
    if (kept > 0)
        memmove(r->head, r->head + done, kept);
    r->head_used = kept;
    r->head_len = 0;
    buf_reset(&r->body);
}

enum http_read http_request_read(struct http_request *r, struct connection *c)
{
    keep_early_bytes(r);
    const enum http_read head = read_head(r, c);
    if (head != HTTP_READ_OK)
        return head;
    return parse_head(r) ? read_body(r, c) : HTTP_READ_BAD;
}

struct str http_request_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (str_eq_nocase(r->headers[i].name, str_of(name)))
            return r->headers[i].value;
    }
    return (struct str){0};
}

struct str http_request_query(const struct http_request *r, struct str name)
{
    struct str rest = r->query;
    while (rest.len > 0) {
        struct str value = cut_before(&rest, "&");
        const struct str key = cut_before(&value, "=");
        if (str_eq(key, name))
            return value;
    }
    return (struct str){0};
}

/* ---- answering ----------------------------------------------------------------------------- */

void http_reply_init(struct http_reply *r)
{
    *r = (struct http_reply){.status = 500};
    buf_init(&r->headers, HTTP_HEAD_BYTES_MAX);
    buf_init(&r->body, HTTP_REPLY_BYTES_MAX);
}

void http_reply_finish(struct http_reply *r)
{
    buf_finish(&r->headers);
    buf_finish(&r->body);
}

static void write_date(struct buf *out, int64_t date_s)
{
    const time_t seconds = (time_t)date_s;
    struct tm parts;
    char text[40];

    if (date_s != 0 && gmtime_r(&seconds, &parts) &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0)
        buf_printf(out, "Date: %s\r\n", text);
}

static void write_head(struct buf *out, const struct http_reply *r, bool keep_alive)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, r->status < 400 ? "OK" : "Refused");
    write_date(out, r->date_s);
    if (r->content_type)
        buf_printf(out, "Content-Type: %s\r\n", r->content_type);
    if (r->status != 204)
        buf_printf(out, "Content-Length: %zu\r\n", r->body.len);
    buf_append(out, buf_str(&r->headers));
    buf_append_z(out, keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}

static bool send_dripping(struct str bytes, const struct wire_fault *w, struct connection *c,
                          http_pause_fn pause, void *pause_context)
{
    while (bytes.len > 0) {
        const size_t n = bytes.len < w->drip_bytes ? bytes.len : w->drip_bytes;
        if (!connection_write(c, (struct str){bytes.ptr, n}))
            return false;
        bytes.ptr += n;
        bytes.len -= n;
        if (bytes.len > 0 && !pause(pause_context, w->drip_interval_ms))
            return false;
    }
    return true;
}

/* Bytes of the answer that go out before the connection breaks; all of them without a fault. */
static size_t bytes_before_break(const struct wire_fault *w, size_t head_len, size_t body_len)
{
    const size_t all = head_len + body_len;
    size_t limit = all;
    if (w->cut_head)
        limit = w->cut_bytes < head_len ? w->cut_bytes : head_len;
    else if (w->cut_body)
        limit = w->cut_bytes < body_len ? head_len + w->cut_bytes : all;
    switch (w->at) {
    case WIRE_RESET_AFTER_HEADERS:
        return head_len;
    case WIRE_RESET_MID_BODY:
        return head_len + body_len / 2;
    case WIRE_RESET_BEFORE_ANSWER:
    case WIRE_CLOSE_BEFORE_ANSWER:
        return 0;
    case WIRE_INTACT:
        return limit;
    }
    return limit;
}

static void break_connection(struct connection *c, enum wire_break at)
{
    if (at == WIRE_CLOSE_BEFORE_ANSWER)
        connection_close(c);
    else
        connection_drop(c, at != WIRE_INTACT);
}

bool http_reply_send(const struct http_reply *r, struct connection *c, bool keep_alive,
                     http_pause_fn pause, void *pause_context)
{
    const struct wire_fault *w = &r->wire;
    AUTO_BUF struct buf answer = {0};
    buf_init(&answer, HTTP_HEAD_BYTES_MAX + HTTP_REPLY_BYTES_MAX);
    write_head(&answer, r, keep_alive);
    const size_t head_len = answer.len;
    if (r->status != 204)
        buf_append(&answer, buf_str(&r->body));
    if (!buf_ok(&answer))
        return false;

    const size_t limit = bytes_before_break(w, head_len, answer.len - head_len);
    const struct str sent = {answer.ptr, limit};
    const bool ok = w->drip_bytes > 0 ? send_dripping(sent, w, c, pause, pause_context)
                                      : connection_write(c, sent);
    if (w->at != WIRE_INTACT || w->cut_head || w->cut_body) {
        break_connection(c, w->at);
        return false;
    }
    return ok && keep_alive;
}
