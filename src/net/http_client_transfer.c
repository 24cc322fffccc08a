/* SPDX-License-Identifier: Apache-2.0
 * One call as a libcurl transfer: options, header list, and the callbacks that take the answer and
 * give the body. A handle is reset between calls and carries nothing of the last one. */
#include "net/http_client_internal.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"

enum {
    /* Shorter than the idle time of any load balancer in front of the vendor, so that a pooled
     * connection is seldom one that was just closed. */
    CONNECTION_IDLE_MAX_S = 40,
    CONNECTION_LIFE_MAX_S = 300, /* follows a change of the vendor's addresses */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    UPLOAD_BUFFER_BYTES = 32 * 1024,
};

/* ---- header list */

void call_headers_free(void *headers)
{
    for (struct curl_slist *item = headers; item; item = item->next)
        crypto_cleanse(item->data, strlen(item->data));
    curl_slist_free_all(headers);
}

/* Takes the list; NULL when it is NULL already or memory is out. */
static struct curl_slist *append_field(struct curl_slist *list, const char *name, struct str value)
{
    struct buf line;

    if (!list)
        return NULL;
    buf_init(&line, HEADER_BYTES_MAX);
    buf_append_z(&line, name);
    buf_append(&line, value);
    struct curl_slist *longer = buf_ok(&line) ? curl_slist_append(list, line.ptr) : NULL;
    buf_finish(&line);
    if (!longer)
        call_headers_free(list);
    return longer;
}

void *call_headers_build(const struct call_request *request)
{
    const struct str accept = str_of(request->accept ? request->accept : "application/json");
    /* "Expect:" takes libcurl's own field away: no wait for 100-continue. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    list = append_field(list, "Accept: ", accept);
    if (request->content_type)
        list = append_field(list, "Content-Type: ", str_of(request->content_type));
    else
        list = append_field(list, "Content-Type:", STR(""));
    if (request->authorization.ptr)
        list = append_field(list, "Authorization: ", request->authorization);
    if (request->traceparent)
        list = append_field(list, "traceparent: ", str_of(request->traceparent));
    return list;
}

/* ---- libcurl's callbacks; they may not call the multi interface */

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    const struct str line = {bytes, size * count};

    if (answer_head_line(&call->head, line, clock_wall_s()))
        return line.len;
    call->aborted = call->head.refused;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    const struct str part = {bytes, size * count};

    buf_append(&call->answer, part);
    if (buf_ok(&call->answer))
        return part.len;
    call->aborted = call->answer.state == BUF_FULL ? "answer too large" : "out of memory";
    return 0;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    const struct str body = call->request.body;
    const size_t left = body.len - call->body_read;
    const size_t n = left < size * count ? left : size * count;

    if (n > 0)
        memcpy(out, body.ptr + call->body_read, n);
    call->body_read += n;
    return n;
}

/* Runs each time before libcurl sends the request's first byte, its own repetitions included. */
static int on_before_send(void *arg, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct call *call = arg;
    struct http_client *c = call->client;
    long connects = 0;
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;

    /* Whatever libcurl thinks of it: a call that must not run twice is not sent twice from here. */
    if (call->sends > 0 && call->request.run_once) {
        call->aborted = "connection ended before the answer";
        return CURL_PREREQFUNC_ABORT;
    }
    (void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    /* Bytes that wait on an idle HTTP/1.1 connection would be read as our answer. */
    if (connects == 0 && !c->http2 && !client_connection_is_quiet(c, (uint16_t)local_port)) {
        call->connection_stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    call->sends++;
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    return client_open_socket(arg, address->family, address->socktype, address->protocol);
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
    client_close_socket(arg, fd);
    return 0;
}

/* ---- options. Failures of curl_easy_setopt() are memory failures: collected in *ok. */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(easy, (option), (value)) != CURLE_OK)                                 \
            return false;                                                                          \
    } while (0)

static bool set_connection_options(CURL *easy, const struct http_client *c)
{
    SET(CURLOPT_PROTOCOLS_STR, c->allow_http ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_ACCEPT_ENCODING, NULL);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver thread */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_MAX_S);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_MAX_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    SET(CURLOPT_HTTP_VERSION, (long)(c->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_PIPEWAIT, c->http2 ? 1L : 0L);
    SET(CURLOPT_USERAGENT, c->user_agent);
    return true;
}

static bool set_tls_options(CURL *easy, const struct http_client *c)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (c->ca_file) {
        /* With a file and no directory libcurl parses the certificates once and keeps them for all
         * connections (CURLOPT_CA_CACHE_TIMEOUT: a day). */
        SET(CURLOPT_CAINFO, c->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (c->cert_file) {
        SET(CURLOPT_SSLCERT, c->cert_file);
        SET(CURLOPT_SSLKEY, c->key_file);
    }
    return true;
}

static bool set_callbacks(CURL *easy, struct call *call)
{
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->text);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_PREREQFUNCTION, on_before_send);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, call->client);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, call->client);
    return true;
}

static bool set_body(CURL *easy, struct call *call)
{
    const struct str body = call->request.body;

    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    if (!call->request.run_once || body.len == 0) {
        SET(CURLOPT_POSTFIELDS, body.len ? body.ptr : "");
        return true;
    }
    /* No seek callback: libcurl cannot rewind, hence not repeat, what was read from here. */
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, call);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    return true;
}

static bool set_request(CURL *easy, struct call *call)
{
    const struct call_request *request = &call->request;
    const bool has_body = request->body.ptr || request->method == HTTP_POST;

    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_FRESH_CONNECT, call->fresh ? 1L : 0L);
    if (has_body && !set_body(easy, call))
        return false;
    if (request->method == HTTP_HEAD)
        SET(CURLOPT_NOBODY, 1L);
    else if (request->method != (has_body ? HTTP_POST : HTTP_GET))
        SET(CURLOPT_CUSTOMREQUEST, http_method_name(request->method));
    return true;
}

/* ---- life of a transfer */

static CURL *take_handle(struct http_client *c)
{
    if (c->idle_handle_count > 0)
        return c->idle_handles[--c->idle_handle_count];
    return curl_easy_init();
}

/* From 8.7 on curl_easy_reset() leaves what the last transfer read to send: after an answer that
 * came early the next transfer begins with a rewind, which our bodies refuse on purpose. */
static bool handles_are_reusable(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num < 0x080700;
}

static void give_handle_back(struct http_client *c, CURL *easy)
{
    if (c->idle_handle_count == IDLE_HANDLES_MAX || !handles_are_reusable()) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    c->idle_handles[c->idle_handle_count++] = easy;
}

static void start_attempt(struct call *call)
{
    const size_t max = call->request.answer_max_bytes;

    answer_head_init(&call->head);
    buf_finish(&call->answer);
    buf_init(&call->answer, max ? max : ANSWER_BYTES_DEFAULT);
    call->body_read = 0;
    call->sends = 0;
    call->aborted = NULL;
    call->connection_stale = false;
    call->text[0] = '\0';
}

bool call_transfer_begin(struct call *call)
{
    struct http_client *c = call->client;

    if (!c->multi && !client_multi_create(c)) /* after client_reset() */
        return false;
    CURL *easy = take_handle(c);
    if (!easy)
        return false;
    start_attempt(call);
    if (set_connection_options(easy, c) && set_tls_options(easy, c) && set_callbacks(easy, call) &&
        set_request(easy, call) && curl_multi_add_handle(c->multi, easy) == CURLM_OK) {
        call->easy = easy;
        return true;
    }
    curl_easy_cleanup(easy);
    return false;
}

void call_transfer_end(struct call *call)
{
    if (!call->easy)
        return;
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    give_handle_back(call->client, call->easy);
    call->easy = NULL;
}

bool call_transfer_sent(const struct call *call)
{
    if (!call->easy || call->sends == 0)
        return false;
    if (call->head.bytes > 0 || !call->request.run_once || call->request.body.len == 0)
        return true;
    /* What libcurl took counts as sent: its own count of bytes written (CURLINFO_SIZE_UPLOAD_T) is
     * back at 0 after a failure of a reused connection. */
    return call->body_read > 0;
}
