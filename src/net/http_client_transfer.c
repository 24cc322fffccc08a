/* SPDX-License-Identifier: Apache-2.0
 * One call as a libcurl transfer: options, header list, and the callbacks that take the answer. A
 * handle is set up once and used for many calls; what differs between two calls is set each time.
 */
#include "net/http_client_internal.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"

enum {
    /* Shorter than the idle time of any load balancer in front of the vendor, so that a pooled
     * connection is seldom one that was just closed. */
    CONNECTION_IDLE_MAX_S = 40,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    /* What one address family is ahead of the other: libcurl's default. */
    FAMILY_AHEAD_MS = 200,
    CALL_FIELDS_MAX = 5,
    /* A transfer holds both for as long as it waits (the first up to libcurl 8.7). */
    READ_BUFFER_BYTES = 8 * 1024,
    UPLOAD_BUFFER_BYTES = 16 * 1024, /* the least that libcurl takes */
};

/* ---- header list */

/* The fields of one call in one block: nodes in front, their lines behind. */
struct call_headers {
    struct curl_slist nodes[CALL_FIELDS_MAX];
    size_t node_count;
    size_t text_bytes;
    char text[];
};

struct field_line {
    const char *name; /* with ": ", or ":" to keep libcurl from sending a field of its own */
    struct str value;
};

static size_t line_bytes(const struct field_line *f)
{
    return strlen(f->name) + f->value.len + 1;
}

static char *put_text(char *to, struct str text)
{
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static void put_lines(struct call_headers *h, const struct field_line *lines, size_t count)
{
    char *to = h->text;
    for (size_t i = 0; i < count; i++) {
        struct curl_slist *node = &h->nodes[i];
        node->data = to;
        node->next = i + 1 < count ? node + 1 : NULL;
        to = put_text(put_text(to, str_of(lines[i].name)), lines[i].value);
        *to++ = '\0';
    }
    h->node_count = count;
}

void call_headers_free(struct call_headers *h)
{
    if (h)
        crypto_cleanse(h->text, h->text_bytes);
    free(h);
}

struct call_headers *call_headers_build(const char *user_agent, const struct call_request *r)
{
    struct field_line lines[CALL_FIELDS_MAX];
    size_t count = 0;

    lines[count++] =
        (struct field_line){"Accept: ", str_of(r->accept ? r->accept : "application/json")};
    lines[count++] = r->content_type
                         ? (struct field_line){"Content-Type: ", str_of(r->content_type)}
                         : (struct field_line){"Content-Type:", STR("")};
    /* As a field of ours: libcurl would copy its own option twice, a character at a time. */
    lines[count++] = (struct field_line){"User-Agent: ", str_of(user_agent)};
    if (r->authorization.ptr)
        lines[count++] = (struct field_line){"Authorization: ", r->authorization};
    if (r->traceparent)
        lines[count++] = (struct field_line){"traceparent: ", str_of(r->traceparent)};

    /* No "Expect:" to keep libcurl from waiting: it does so from 1 MiB on, and bodies here are
     * smaller by far. */
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += line_bytes(&lines[i]);
    struct call_headers *h = bytes <= HEADER_BYTES_MAX ? malloc(sizeof(*h) + bytes) : NULL;
    if (!h)
        return NULL;
    h->text_bytes = bytes;
    put_lines(h, lines, count);
    return h;
}

/* ---- libcurl's callbacks; they may not call the multi interface */

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    const struct str line = {bytes, size * count};

    if (call->head.bytes == 0)
        call->head_wall_s = clock_wall_s();
    if (answer_head_line(&call->head, line, call->head_wall_s))
        return line.len;
    call->aborted = call->head.refused;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    const struct str part = {bytes, size * count};

    client_count_answer(call->client, part.len);
    buf_append(&call->answer, part);
    if (buf_ok(&call->answer))
        return part.len;
    call->aborted = call->answer.state == BUF_FULL ? "answer too large" : "out of memory";
    return 0;
}

/* Runs each time before libcurl sends the request's first byte, its own repetitions included: every
 * way into libcurl's sending state passes here (multi.c, MSTATE_DO), on a new connection, a reused
 * one or a fresh HTTP/2 stream. */
static int on_before_send(void *arg, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct call *call = arg;
    struct http_client *c = call->client;
    long connects = 0;
    (void)remote_ip; /* found where it matters: client_call_ended() */
    (void)local_ip;
    (void)remote_port;

    client_decided(call);
    /* Whatever libcurl thinks of it: a call that must not run twice is not sent twice from here. */
    if (call->sends > 0 && call->request.run_once) {
        call->aborted = "connection ended before the answer";
        return CURL_PREREQFUNC_ABORT;
    }
    (void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    /* Bytes that wait on an idle HTTP/1.1 connection would be read as our answer. */
    if (connects == 0 && !client_connection_is_quiet(c, (uint16_t)local_port)) {
        call->connection_stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (connects > 0)
        client_connection_is_used(c, (uint16_t)local_port);
    call->sends++;
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = arg;
    const struct ip ip = ip_of_sockaddr(&address->addr);
    (void)purpose;

    if (!client_may_connect(call, &ip)) {
        call->aborted = "its address is one that no name may have";
        return CURL_SOCKET_BAD;
    }
    client_decided(call);
    client_step(call->client);
    return client_open_socket(call->client, &address->addr, address->socktype, address->protocol);
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
    SET(CURLOPT_BUFFERSIZE, (long)READ_BUFFER_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_ACCEPT_ENCODING, NULL);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_MAX_S);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)c->connection_life_max_s);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    SET(CURLOPT_HTTP_VERSION, (long)(c->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_PIPEWAIT, c->http2 ? 1L : 0L);
    return true;
}

/* Without trust the context keeps the store that libcurl gave it, which is empty without a file. */
static CURLcode on_tls_context(CURL *easy, void *ssl_ctx, void *arg)
{
    const struct http_client *c = arg;
    (void)easy;

    const bool trusting = !c->trust || trust_give(c->trust, ssl_ctx);
    return trusting && (!c->identity || client_identity_give(c->identity, ssl_ctx))
               ? CURLE_OK
               : CURLE_OUT_OF_MEMORY;
}

static bool set_tls_options(CURL *easy, const struct http_client *c)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* libcurl would parse a file for each client; the parsed one serves all of them. */
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    SET(CURLOPT_SSL_CTX_DATA, (void *)c);
    SET(CURLOPT_CERTINFO, c->wants_certificate ? 1L : 0L);
    return true;
}

static bool set_callbacks(CURL *easy, struct http_client *c)
{
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_PREREQFUNCTION, on_before_send);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, c);
    return true;
}

/* libcurl starts this timer with one family, too. When it is due, the connection goes on, whatever
 * client_event_waits() says, and with it all others whose timer is due: in one turn. */
static int64_t family_ahead_ms(const struct http_client *c)
{
    return c->families_race ? FAMILY_AHEAD_MS : c->connect_timeout_ms;
}

/* All that differs between two calls is set for each of them, for handles are used again. */

static bool set_call(CURL *easy, struct call *call)
{
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->text);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_OPENSOCKETDATA, call);
    SET(CURLOPT_FRESH_CONNECT, call->fresh ? 1L : 0L);
    SET(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)family_ahead_ms(call->client));
    SET(CURLOPT_URL, call->request.url);
    SET(CURLOPT_HTTPHEADER, call->headers->nodes);
    return true;
}

static bool set_method(CURL *easy, const struct call_request *request)
{
    const bool has_body = request->body.ptr || request->method == HTTP_POST;
    const bool is_usual = request->method == (has_body ? HTTP_POST : HTTP_GET);

    if (has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, is_usual ? NULL : http_method_name(request->method));
    return true;
}

/* ---- life of a transfer */

static CURL *make_handle(struct http_client *c)
{
    CURL *easy = curl_easy_init();

    if (easy && set_connection_options(easy, c) && set_tls_options(easy, c) &&
        set_callbacks(easy, c))
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static CURL *take_handle(struct http_client *c)
{
    if (c->idle_handle_count > 0)
        return c->idle_handles[--c->idle_handle_count];
    return make_handle(c);
}

/* An idle handle keeps its connection options and points at nothing of its last call. */
static bool forget_call(CURL *easy)
{
    SET(CURLOPT_ERRORBUFFER, NULL);
    SET(CURLOPT_HTTPHEADER, NULL);
    SET(CURLOPT_POSTFIELDS, NULL);
    return true;
}

/* libcurl counts its retries over a handle's life, so one that has retried is not used again; nor
 * is one whose transfer was cut off. */
static void give_handle_back(struct http_client *c, CURL *easy, bool went_well)
{
    if (!went_well || c->keeps_no_request || c->idle_handle_count == IDLE_HANDLES_MAX ||
        !forget_call(easy)) {
        curl_easy_cleanup(easy);
        return;
    }
    c->idle_handles[c->idle_handle_count++] = easy;
}

static void start_attempt(struct call *call)
{
    const size_t max = call->request.answer_max_bytes;

    answer_head_init(&call->head);
    buf_finish(&call->answer);
    buf_init(&call->answer, max ? max : ANSWER_BYTES_DEFAULT);
    call->sends = 0;
    call->completed = false;
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
    if (set_call(easy, call) && set_method(easy, &call->request) &&
        curl_multi_add_handle(c->multi, easy) == CURLM_OK) {
        call->easy = easy;
        client_begun(call);
        return true;
    }
    curl_easy_cleanup(easy);
    return false;
}

void call_transfer_end(struct call *call)
{
    if (!call->easy)
        return;
    call->client->ending_call = true;
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    call->client->ending_call = false;
    client_decided(call);
    give_handle_back(call->client, call->easy, call->completed && call->sends == 1);
    call->easy = NULL;
}

bool call_transfer_sent(const struct call *call)
{
    return call->easy && call->sends > 0;
}
