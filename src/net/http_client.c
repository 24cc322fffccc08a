/* SPDX-License-Identifier: Apache-2.0
 * The life of calls: a bounded queue in front of libcurl, own deadlines, one answer each. A client
 * belongs to one loop. The rest of it: http_client_socket.c (libcurl on the loop),
 * http_client_transfer.c (one call as a transfer), http_client_outcome.c and http_client_answer.c
 * (what came back), http_client_names.c (addresses for libcurl), http_client_metrics.c. */
#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/wipe.h"
#include "net/http_client_internal.h"
#include "observe/metrics.h"

/* ---- lists */

static struct call_list *list_of(struct call *call)
{
    switch (call->place) {
    case PLACE_UNRESOLVED:
        return &call->client->unresolved;
    case PLACE_WAITING:
        return &call->client->waiting;
    case PLACE_ACTIVE:
        return &call->client->active;
    case PLACE_REFUSED:
        return &call->client->refused;
    case PLACE_NONE:
        break;
    }
    return NULL;
}

static void move_to(struct call *call, enum call_place place)
{
    struct call_list *from = list_of(call);

    if (from) {
        *(call->prev ? &call->prev->next : &from->first) = call->next;
        *(call->next ? &call->next->prev : &from->last) = call->prev;
        from->count--;
    }
    call->place = place;
    call->next = call->prev = NULL;
    struct call_list *to = list_of(call);
    if (!to)
        return;
    call->prev = to->last;
    *(to->last ? &to->last->next : &to->first) = call;
    to->last = call;
    to->count++;
}

/* ---- the end of a call */

/* Calls are used again: calloc() of their size costs more than clearing them. */
static struct call *make_call(struct http_client *c)
{
    struct call *call = c->spare_calls;

    if (!call)
        return calloc(1, sizeof(*call));
    c->spare_calls = call->next;
    c->spare_call_count--;
    memset(call, 0, offsetof(struct call, text));
    call->text[0] = '\0';
    return call;
}

static void free_call(struct call *call)
{
    struct http_client *c = call->client;

    call_headers_free(call->headers);
    free(call->certificate);
    buf_finish(&call->answer);
    if (c->spare_call_count == SPARE_CALLS_MAX) {
        free(call);
        return;
    }
    call->next = c->spare_calls;
    c->spare_calls = call;
    c->spare_call_count++;
}

/* Takes the call out of all lists and timers; its memory and answer stay. */
static void detach(struct call *call)
{
    call_transfer_end(call);
    timer_stop(call->client->loop, &call->deadline);
    move_to(call, PLACE_NONE);
}

/* answer may borrow from the call, but not from its handle, which is gone when it is delivered. */
static void answer_call(struct call *call, const struct call_answer *answer)
{
    detach(call);
    client_count_end(call, answer);
    call->done(call->arg, answer);
    free_call(call);
}

static void answer_refused(struct deferred *d)
{
    struct http_client *c = d->arg;
    struct call_answer answer = {
        .result = CALL_NOT_SENT,
        .charset_ok = true,
        .retry_after_s = -1,
    };

    /* Those that are refused meanwhile wait for the next turn. */
    for (unsigned n = c->refused.count; n > 0 && c->refused.first; n--) {
        struct call *call = c->refused.first;
        answer.reason = call->text[0] ? call->text : "local queue full or out of memory";
        answer_call(call, &answer);
    }
    if (c->refused.first)
        loop_defer(c->loop, &c->deliver_refused, answer_refused, c);
}

static void refuse(struct call *call)
{
    struct http_client *c = call->client;

    move_to(call, PLACE_REFUSED);
    loop_defer(c->loop, &c->deliver_refused, answer_refused, c);
}

/* ---- from the queue to libcurl */

static void on_deadline(struct timer *t);

static void begin(struct call *call)
{
    if (call_transfer_begin(call))
        move_to(call, PLACE_ACTIVE);
    else
        refuse(call);
}

void client_admit_waiting(struct http_client *c)
{
    if (!c->waiting.first || !client_names_ready(c) || client_admits_later(c))
        return;
    struct call *next = NULL;
    for (struct call *call = c->waiting.first; call && c->active.count < c->active_max;
         call = next) {
        next = call->next;
        if (client_may_begin(c, call))
            begin(call);
        else if (!call->fresh) /* those behind it may not either */
            break;
    }
}

static void wait_for_turn(struct call *call)
{
    timer_start(call->client->loop, &call->deadline, call->request.deadline_ms, on_deadline, call);
    move_to(call, PLACE_WAITING);
}

static void on_name_overdue(struct timer *t)
{
    const struct call_answer answer = {
        .result = CALL_NOT_SENT,
        .charset_ok = true,
        .retry_after_s = -1,
        .reason = "name not resolved: no answer in time",
    };

    answer_call(t->arg, &answer);
}

/* As long as a connection may take, and within the deadline. */
static void wait_for_name(struct call *call)
{
    struct http_client *c = call->client;
    const int64_t overdue_ms = loop_now_ms(c->loop) + c->connect_timeout_ms;
    const int64_t deadline_ms = call->request.deadline_ms;

    timer_start(c->loop, &call->deadline, overdue_ms < deadline_ms ? overdue_ms : deadline_ms,
                on_name_overdue, call);
    move_to(call, PLACE_UNRESOLVED);
}

static void place_call(struct call *call)
{
    switch (client_name_of(call->client, call)) {
    case CALL_NAME_KNOWN:
        wait_for_turn(call);
        break;
    case CALL_NAME_PENDING:
        wait_for_name(call);
        break;
    case CALL_NAME_FAILED:
        refuse(call);
        break;
    }
}

void client_sort_unresolved(struct http_client *c)
{
    struct call *next = NULL;

    for (struct call *call = c->unresolved.first; call; call = next) {
        next = call->next;
        if (client_name_of(c, call) != CALL_NAME_PENDING)
            place_call(call);
    }
    client_admit_waiting(c);
}

static void on_deadline(struct timer *t)
{
    struct call *call = t->arg;
    struct http_client *c = call->client;
    const struct call_answer answer = {
        .result = CALL_TIMED_OUT,
        .may_have_been_sent = call_transfer_sent(call),
        .charset_ok = true,
        .retry_after_s = -1,
        .reason =
            call->place == PLACE_WAITING ? "deadline passed in the local queue" : "deadline passed",
    };

    client_call_ended(call, answer.result);
    answer_call(call, &answer);
    client_admit_waiting(c);
}

static void on_transfer_done(struct call *call, CURLcode code)
{
    call->completed = code == CURLE_OK;
    if (call->completed && call->client->http2)
        call->client->multiplexes = client_was_http2(call->easy);
    if (call_may_repeat(call, (int)code)) {
        call_transfer_end(call);
        call->fresh = true;
        move_to(call, PLACE_WAITING);
        return;
    }
    const struct call_answer answer = call_outcome(call, (int)code);
    client_call_ended(call, answer.result);
    answer_call(call, &answer);
}

void client_collect(struct http_client *c)
{
    int left = 0;

    for (CURLMsg *m = curl_multi_info_read(c->multi, &left); m;
         m = curl_multi_info_read(c->multi, &left)) {
        struct call *call = NULL;
        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call) != CURLE_OK)
            continue;
        if (call)
            on_transfer_done(call, m->data.result);
        else
            client_list_ended(c, (int)m->data.result);
    }
    client_admit_waiting(c);
}

void client_reset(struct http_client *c)
{
    struct call_answer answer = {
        .result = CALL_BROKEN,
        .may_have_been_sent = true,
        .charset_ok = true,
        .retry_after_s = -1,
        .reason = "libcurl lost its state",
    };
    struct call_list broken = c->active;

    for (struct call *call = broken.first; call; call = call->next) {
        answer.may_have_been_sent = call_transfer_sent(call);
        call_transfer_end(call);
    }
    client_multi_destroy(c);
    client_names_lost(c);
    /* As many as there were: callbacks may start new calls. */
    for (unsigned n = broken.count; n > 0 && c->active.first; n--)
        answer_call(c->active.first, &answer);
}

/* ---- calls */

static bool fill_call(struct call *call, const struct call_request *request)
{
    call->request = *request;
    call->request.authorization = (struct str){0};
    call->request.traceparent = call->request.accept = call->request.content_type = NULL;
    call->headers = call_headers_build(call->client->user_agent, request);
    return call->headers != NULL;
}

struct call *http_client_start(struct http_client *c, const struct call_request *request,
                               call_done_fn *done, void *arg)
{
    struct call *call = make_call(c);

    if (!call)
        return NULL;
    call->client = c;
    call->done = done;
    call->arg = arg;
    call->started_us = clock_mono_us();
    call->fresh = request->fresh_connection;
    if (!fill_call(call, request)) {
        free_call(call);
        return NULL;
    }
    client_count_begin(call);
    if (c->waiting.count + c->unresolved.count >= c->waiting_max) {
        refuse(call);
        return call;
    }
    place_call(call);
    client_admit_waiting(c);
    return call;
}

void call_cancel(struct call *call)
{
    if (!call)
        return;
    struct http_client *c = call->client;
    detach(call);
    client_count_end(call, NULL);
    free_call(call);
    client_admit_waiting(c);
}

bool call_may_have_been_sent(const struct call *call)
{
    return call_transfer_sent(call);
}

unsigned http_client_open_calls(const struct http_client *c)
{
    return c->unresolved.count + c->waiting.count + c->active.count + c->refused.count;
}

/* ---- the client */

static void init_libcurl(void)
{
    (void)curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free, wipe_realloc, strdup,
                               calloc);
}

/* Not curl_version(): it asks libldap for its version, too, which then looks up the name of the
 * machine, wherever that takes it, and for as long. */
const char *http_client_library_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* The certificates to trust are handed to libcurl as OpenSSL has parsed them. */
static bool is_on_openssl(void)
{
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

    return tls && strncmp(tls, "OpenSSL/", strlen("OpenSSL/")) == 0;
}

static bool copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static bool copy_options(struct http_client *c, const struct http_client_options *o)
{
    const char *agent = o->user_agent ? o->user_agent : "biometrics-bff/" BFF_VERSION;

    c->allow_http = o->allow_http;
    c->http2 = o->http2;
    c->keeps_no_request = o->keeps_no_request;
    c->wants_certificate = o->wants_certificate;
    c->connect_timeout_ms = o->connect_timeout_ms;
    c->connections_max = o->connections_max > 0 ? o->connections_max : 1;
    c->active_max = c->connections_max * (c->http2 ? STREAMS_MAX : 1);
    c->waiting_max = o->waiting_max > 0 ? o->waiting_max : WAITING_CALLS_DEFAULT;
    c->connection_life_max_s =
        o->connection_life_max_s > 0 ? o->connection_life_max_s : CONNECTION_LIFE_MAX_S;
    c->trust = o->trust;
    c->identity = o->identity;
    c->resolver = o->resolver;
    return copy_text(agent, &c->user_agent);
}

enum err http_client_create(struct loop *l, const struct http_client_options *options,
                            struct http_client **ret, struct err_text *reterr)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, init_libcurl);
    if (!is_on_openssl())
        return err_set(reterr, ERR_INTERNAL, "libcurl was not built with OpenSSL");
    struct http_client *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NO_MEMORY;
    c->loop = l;
    if (!copy_options(c, options) || !client_multi_create(c) || !client_names_start(c)) {
        http_client_destroy(c);
        return ERR_NO_MEMORY;
    }
    *ret = c;
    return ERR_OK;
}

static void drop_calls(struct call_list *list)
{
    while (list->first) {
        struct call *call = list->first;
        detach(call);
        client_count_end(call, NULL);
        free_call(call);
    }
}

void http_client_destroy(struct http_client *c)
{
    if (!c)
        return;
    client_names_stop(c);
    drop_calls(&c->unresolved);
    drop_calls(&c->waiting);
    drop_calls(&c->refused);
    drop_calls(&c->active);
    while (c->idle_handle_count > 0)
        curl_easy_cleanup(c->idle_handles[--c->idle_handle_count]);
    client_multi_destroy(c);
    while (c->spare_calls) {
        struct call *call = c->spare_calls;
        c->spare_calls = call->next;
        free(call);
    }
    deferred_cancel(c->loop, &c->deliver_refused);
    deferred_cancel(c->loop, &c->admission);
    free(c->by_fd);
    free(c->user_agent);
    free(c);
}
