/* SPDX-License-Identifier: Apache-2.0
 * What a route reads of a request, and how it ends one. Ending is a matter of phases: an answer
 * given inside start() is picked up when start() returns; a later one resumes the connection. */
#include <assert.h>

#include "base/clock.h"
#include "net/http_server_int.h"

/* ---- reading */

void *request_user(const struct request *req)
{
    return req->server->options.user;
}

struct loop *request_loop(const struct request *req)
{
    return req->server->loop;
}

struct arena *request_arena(struct request *req)
{
    return &req->arena;
}

struct str request_body(const struct request *req)
{
    return buf_str(&req->body);
}

struct str request_param(const struct request *req, size_t n)
{
    assert(n < REQUEST_PARAMS_MAX);
    return req->match.params[n];
}

struct str request_query(const struct request *req)
{
    return req->query;
}

struct str request_header(const struct request *req, const char *name)
{
    for (size_t i = 0; i < req->field_count; i++) {
        if (str_eq_nocase(req->fields[i].name, str_of(name)))
            return req->fields[i].value;
    }
    return (struct str){NULL, 0};
}

size_t request_header_count(const struct request *req, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < req->field_count; i++)
        count += str_eq_nocase(req->fields[i].name, str_of(name));
    return count;
}

const char *request_id(const struct request *req)
{
    return req->id;
}

const char *request_traceparent(const struct request *req)
{
    return req->traceparent;
}

struct ip request_client_ip(const struct request *req)
{
    return req->client;
}

int64_t request_deadline_ms(const struct request *req)
{
    return req->deadline_ms;
}

int64_t request_duration_ns(const struct request *req)
{
    return (clock_mono_us() - req->started_us) * 1000;
}

int64_t request_started_wall_ms(const struct request *req)
{
    return req->started_wall_ms;
}

/* ---- ending */

void request_add_header(struct request *req, const char *name, const char *value)
{
    struct answer *a = &req->answer;
    assert(a->header_count < ANSWER_HEADERS_MAX);
    const char *copy = arena_strdup(&req->arena, str_of(value));
    if (!copy)
        return; /* a full arena costs the field, not the answer */
    a->headers[a->header_count].name = name;
    a->headers[a->header_count].value = copy;
    a->header_count++;
}

static bool route_owns(const struct request *req)
{
    return req->phase == REQUEST_STARTING || req->phase == REQUEST_SUSPENDED;
}

static void end_with(struct request *req, enum request_phase phase)
{
    const bool suspended = req->phase == REQUEST_SUSPENDED;
    req->phase = phase;
    if (suspended)
        server_resume(req);
}

void request_reply(struct request *req, int status, const char *content_type, struct buf *body)
{
    assert(route_owns(req));
    if (body && !buf_ok(body)) {
        const struct failure f =
            failure_of(body->state == BUF_NO_MEMORY ? ERR_NO_MEMORY : ERR_INTERNAL);
        request_fail(req, &f);
        return;
    }
    req->answer.status = status;
    req->answer.content_type = content_type;
    if (body) {
        buf_finish(&req->answer.body);
        req->answer.body = *body;
        buf_init(body, body->max);
    }
    end_with(req, REQUEST_ANSWERED);
}

void request_reply_static(struct request *req, int status, const char *content_type,
                          struct str body)
{
    assert(route_owns(req));
    req->answer.status = status;
    req->answer.content_type = content_type;
    req->answer.static_body = body;
    end_with(req, REQUEST_ANSWERED);
}

void request_fail(struct request *req, const struct failure *f)
{
    assert(route_owns(req));
    answer_problem(req, f);
    end_with(req, REQUEST_ANSWERED);
}

void request_abandon(struct request *req)
{
    assert(route_owns(req));
    end_with(req, REQUEST_ABANDONED);
}

/* ---- the client that leaves */

static void on_gone_later(struct deferred *d)
{
    request_look_after_client(d->arg);
}

void request_on_gone(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_gone = fn;
    req->on_gone_arg = arg;
    if (fn && (req->conn->client_left || req->conn->input_ended))
        loop_defer(req->server->loop, &req->gone_later, on_gone_later, req);
}

void request_on_stop(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_stop = fn;
    req->on_stop_arg = arg;
}

void request_stop(struct request *req)
{
    if (req->on_stop) {
        req->on_stop(req->on_stop_arg);
        return;
    }
    const struct failure f = failure_of(ERR_DRAINING);
    request_fail(req, &f);
}

void request_on_end(struct request *req, void (*fn)(void *arg), void *arg)
{
    req->on_end = fn;
    req->on_end_arg = arg;
}

void request_note(struct request *req, const char *name, struct str text)
{
    size_t at = 0;
    while (at < req->note_count && strcmp(req->notes[at].name, name) != 0)
        at++;
    if (at == NOTES_MAX)
        return;
    const struct str copy = arena_copy(&req->arena, text);
    if (!copy.ptr)
        return;
    req->notes[at] = (struct request_note){name, copy};
    if (at == req->note_count)
        req->note_count++;
}
