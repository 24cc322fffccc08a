/* SPDX-License-Identifier: Apache-2.0
 * Answers in the shapes that are in circulation. */
#include "emulator/emulator.h"

struct json_writer reply_json(struct call *call, int status)
{
    struct json_writer w;
    buf_reset(&call->reply->body);
    call->reply->status = status;
    call->reply->content_type = "application/json";
    jw_init(&w, &call->reply->body);
    return w;
}

void reply_empty(struct call *call, int status)
{
    buf_reset(&call->reply->body);
    call->reply->status = status;
    call->reply->content_type = NULL;
}

static enum error_shape shape_in_force(struct emulator *e, enum error_shape preferred)
{
    pthread_mutex_lock(&e->lock);
    const enum error_shape set = e->settings.error_shape;
    pthread_mutex_unlock(&e->lock);
    return set == SHAPE_DEFAULT ? preferred : set;
}

void reply_error(struct call *call, int status, enum error_shape preferred, const char *word,
                 const char *message)
{
    const enum error_shape shape = shape_in_force(call->emulator, preferred);
    struct json_writer w = reply_json(call, status);
    jw_object_begin(&w);
    jw_member(&w, "message", str_of(message));
    if (shape == SHAPE_WORD)
        jw_member(&w, "error_code", str_of(word));
    else
        jw_member_int(&w, "error_code", status);
    if (shape == SHAPE_CODED)
        jw_member(&w, "ts_error_code", str_of(word));
    jw_object_end(&w);
}

void reply_unauthorized(struct call *call)
{
    reply_error(call, 401, SHAPE_NUMERIC, "unauthorized_request", "Invalid token");
}

void reply_internal(struct call *call)
{
    reply_error(call, 500, SHAPE_NUMERIC, "internal", "Internal server error");
}
