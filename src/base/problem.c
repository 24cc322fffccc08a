/* SPDX-License-Identifier: Apache-2.0
 * The one form in which a failure leaves the service (RFC 9457). */
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

static void write_pointers(struct json_writer *w, const struct failure *f)
{
    jw_key(w, "errors");
    jw_array_begin(w);
    for (size_t i = 0; i < f->pointer_count; i++) {
        jw_object_begin(w);
        jw_member(w, "pointer", str_of(f->pointers[i].pointer));
        jw_member(w, "detail", str_of(f->pointers[i].detail));
        jw_object_end(w);
    }
    jw_array_end(w);
}

void problem_write(struct buf *out, const struct failure *f, const char *request_id)
{
    const struct error_row *row = error_row(f->code);
    char type[64];
    (void)snprintf(type, sizeof(type), "/problems/%s", row->code);
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "type", str_of(type));
    jw_member(&w, "title", str_of(row->title));
    jw_member_int(&w, "status", row->status);
    jw_member(&w, "detail", str_of(f->detail ? f->detail : row->when));
    jw_member(&w, "code", str_of(row->code));
    jw_member(&w, "request_id", str_of(request_id));
    jw_member(&w, "retry", str_of(retry_name(f->retry)));
    if (f->pointer_count > 0)
        write_pointers(&w, f);
    jw_member_opt(&w, "upstream_code", str_of(f->upstream_code));
    jw_object_end(&w);
}
