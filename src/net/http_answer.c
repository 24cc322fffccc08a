/* SPDX-License-Identifier: Apache-2.0
 * Answers to failures: the problem document with the fields that go with it, either stored in a
 * request or written as a whole message for connections where the parser cannot answer. */
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/http_date.h"
#include "net/http_server_int.h"

enum { PROBLEM_MAX_BYTES = 16 * 1024 };

static const char PROBLEM_TYPE[] = "application/problem+json";

/* RFC 9110 §11.6.1: a 401 always says how to authenticate. */
static const char *challenge_of(const struct failure *f)
{
    if (f->www_authenticate)
        return f->www_authenticate;
    return error_row(f->code)->status == 401 ? "Bearer" : NULL;
}

void answer_problem(struct request *req, const struct failure *f)
{
    struct answer *a = &req->answer;
    buf_finish(&a->body);
    buf_init(&a->body, PROBLEM_MAX_BYTES);
    problem_write(&a->body, f, req->id);
    a->status = error_row(f->code)->status;
    a->content_type = PROBLEM_TYPE;
    a->static_body = (struct str){NULL, 0};
    a->code = f->code;
    a->reason = f->reason;
    a->close |= f->close_connection;
    if (f->retry_after_s > 0) {
        char seconds[16];
        (void)snprintf(seconds, sizeof(seconds), "%d", f->retry_after_s);
        request_add_header(req, "Retry-After", seconds);
    }
    if (challenge_of(f))
        request_add_header(req, "WWW-Authenticate", challenge_of(f));
}

static void write_raw(struct buf *out, const struct failure *f, const char *request_id)
{
    AUTO_BUF struct buf body = {0};
    char date[HTTP_DATE_BYTES];
    buf_init(&body, PROBLEM_MAX_BYTES);
    problem_write(&body, f, request_id);
    http_date_format(clock_wall_s(), date);
    buf_printf(out, "HTTP/1.1 %d %s\r\n", error_row(f->code)->status, error_row(f->code)->title);
    buf_printf(out, "Date: %s\r\nConnection: close\r\nContent-Type: %s\r\n", date, PROBLEM_TYPE);
    buf_printf(out, "Content-Length: %zu\r\nX-Request-Id: %s\r\n", body.len, request_id);
    buf_append_z(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    if (f->retry_after_s > 0)
        buf_printf(out, "Retry-After: %d\r\n", f->retry_after_s);
    buf_append_z(out, "\r\n");
    buf_append(out, buf_str(&body));
}

void answer_send_raw(int fd, const struct failure *f, const char *request_id)
{
    AUTO_BUF struct buf message = {0};
    char made[REQUEST_ID_MADE_BYTES];
    buf_init(&message, 2 * PROBLEM_MAX_BYTES);
    if (!request_id) {
        request_id_make(made);
        request_id = made;
    }
    write_raw(&message, f, request_id);
    /* A fresh or waiting socket has room for this; one that has not is not worth more effort. */
    if (buf_ok(&message))
        (void)!send(fd, message.ptr, message.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
