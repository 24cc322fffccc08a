/* SPDX-License-Identifier: Apache-2.0
 * A ring of finished JSON objects: reading the list is copying them out. */
#include "emulator/calls.h"

#include "base/buf.h"
#include "base/clock.h"

enum { CALL_JSON_BYTES_MAX = 16 * 1024 };

/* Values that say how a request was mapped and are of no use to a thief. */
static const char *const OPEN_VALUES[] = {
    "user_id",        "key_id",      "publicKeyId", "device_id",         "os",
    "encryptionType", "displayName", "timeout",     "identifier_type",   "resource",
    "org_id",         "claims",      "grant_type",  "client_attributes", "approval_data",
};

static bool is_open_value(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(OPEN_VALUES); i++) {
        if (str_is(name, OPEN_VALUES[i]))
            return true;
    }
    return false;
}

static void write_body(struct json_writer *w, const struct json *body)
{
    jw_key(w, "members");
    jw_array_begin(w);
    for (const struct json *m = json_first(body); m; m = json_next(m))
        jw_string(w, json_name(m));
    jw_array_end(w);

    jw_key(w, "values");
    jw_object_begin(w);
    for (const struct json *m = json_first(body); m; m = json_next(m)) {
        if (!is_open_value(json_name(m)))
            continue;
        AUTO_BUF struct buf value = {0};
        buf_init(&value, CALL_JSON_BYTES_MAX / 2);
        json_print(&value, m);
        jw_key_str(w, json_name(m));
        jw_raw(w, buf_ok(&value) ? buf_str(&value) : STR("null"));
    }
    jw_object_end(w);
}

static void write_record(struct buf *out, uint64_t number, const struct call_record *r)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member_int(&w, "seq", (int64_t)number);
    jw_member_int(&w, "time_ms", clock_wall_ms());
    jw_member(&w, "operation", str_of(r->operation));
    jw_member(&w, "method", r->method);
    jw_member(&w, "path", r->path);
    jw_member_int(&w, "status", r->status);
    jw_member(&w, "token", str_of(r->token_kind));
    jw_member_bool(&w, "executed", r->executed);
    jw_member_bool(&w, "fault", r->fault);
    jw_member_int(&w, "connection", (int64_t)r->connection);
    jw_member_opt(&w, "content_type", r->content_type);
    jw_member_opt(&w, "request_id", r->request_id);
    jw_member_opt(&w, "traceparent", r->traceparent);
    jw_member_opt(&w, "certificate", r->certificate);
    jw_member_opt(&w, "tokens", r->tokens);
    write_body(&w, r->body);
    jw_object_end(&w);
}

struct calls *calls_create(const char *log_file)
{
    struct calls *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    if (log_file) {
        c->log = fopen(log_file, "ae");
        if (!c->log) {
            perror(log_file);
            calls_destroy(c);
            return NULL;
        }
    }
    return c;
}

void calls_destroy(struct calls *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CALLS_MAX; i++)
        free(c->kept[i].json);
    if (c->log)
        (void)fclose(c->log);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void calls_add(struct calls *c, const struct call_record *record)
{
    AUTO_BUF struct buf text = {0};
    buf_init(&text, CALL_JSON_BYTES_MAX);
    pthread_mutex_lock(&c->lock);
    const uint64_t number = ++c->made;
    write_record(&text, number, record);
    struct kept_call *slot = &c->kept[number % CALLS_MAX];
    free(slot->json);
    size_t len = 0;
    slot->json = buf_take(&text, &len);
    slot->number = number;
    slot->executed = record->executed;
    snprintf(slot->operation, sizeof(slot->operation), "%s", record->operation);
    if (c->log && slot->json) {
        fprintf(c->log, "%s\n", slot->json);
        (void)fflush(c->log);
    }
    pthread_mutex_unlock(&c->lock);
}

void calls_clear(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    c->cleared = c->made;
    pthread_mutex_unlock(&c->lock);
}

/* Calls visit for each kept record of the operation, oldest first. */
static void each_call(struct calls *c, struct str operation,
                      void (*visit)(void *context, const struct kept_call *call), void *context)
{
    pthread_mutex_lock(&c->lock);
    uint64_t first = c->made > CALLS_MAX ? c->made - CALLS_MAX + 1 : 1;
    if (first <= c->cleared)
        first = c->cleared + 1;
    for (uint64_t n = first; n <= c->made; n++) {
        const struct kept_call *call = &c->kept[n % CALLS_MAX];
        if (call->json && (!operation.ptr || str_is(operation, call->operation)))
            visit(context, call);
    }
    pthread_mutex_unlock(&c->lock);
}

static void write_kept(void *context, const struct kept_call *call)
{
    jw_raw(context, str_of(call->json));
}

void calls_write(struct calls *c, struct str operation, struct buf *out)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_key(&w, "calls");
    jw_array_begin(&w);
    each_call(c, operation, write_kept, &w);
    jw_array_end(&w);
    jw_object_end(&w);
}

struct call_count {
    int64_t all, executed;
};

static void count_kept(void *context, const struct kept_call *call)
{
    struct call_count *count = context;
    count->all++;
    count->executed += call->executed;
}

void calls_write_count(struct calls *c, struct str operation, struct buf *out)
{
    struct call_count count = {0};
    each_call(c, operation, count_kept, &count);
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member_int(&w, "count", count.all);
    jw_member_int(&w, "executed", count.executed);
    jw_object_end(&w);
}
