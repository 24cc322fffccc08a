/* SPDX-License-Identifier: Apache-2.0
 * Blocking: a phone does one thing at a time. Long values are cut when shown, so that a terminal's
 * history holds no token. */
#include "phone/exchange.h"

#include <stdio.h>

#include <curl/curl.h>

enum {
    ANSWER_BYTES_MAX = 1024 * 1024,
    ANSWER_DEPTH_MAX = 16,
    ANSWER_VALUES_MAX = 5000,
    TIMEOUT_MS = 30000,
    SHOWN_CHARS_MAX = 44,
    SHOWN_HEAD_CHARS = 12,
};

static const struct json_limits LIMITS = {
    .bytes_max = ANSWER_BYTES_MAX, .depth_max = ANSWER_DEPTH_MAX, .values_max = ANSWER_VALUES_MAX};

bool exchange_begin_all(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void exchange_end_all(void)
{
    curl_global_cleanup();
}

/* ---- showing ------------------------------------------------------------------------------- */

/* Tokens, handles, keys: long and without spaces. A sentence is shown whole. */
static bool is_long(const struct json *value)
{
    const struct str text = json_string(value);
    return text.len > SHOWN_CHARS_MAX && !memchr(text.ptr, ' ', text.len);
}

static void shorten(struct buf *out, struct str text)
{
    buf_append(out, (struct str){text.ptr, SHOWN_HEAD_CHARS});
    buf_printf(out, "... (%zu characters)", text.len);
}

static void write_shown(struct json_writer *w, const struct json *value)
{
    AUTO_BUF struct buf text = {0};
    buf_init(&text, ANSWER_BYTES_MAX);
    if (is_long(value)) {
        shorten(&text, json_string(value));
        jw_string(w, buf_str(&text));
        return;
    }
    json_print(&text, value);
    jw_raw(w, buf_str(&text));
}

static void write_members(struct json_writer *w, const char *name, const struct json *object)
{
    jw_key(w, name);
    jw_object_begin(w);
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        jw_key_str(w, json_name(m));
        write_shown(w, m);
    }
    jw_object_end(w);
}

static void show_json(const struct exchange *e, const struct json *request)
{
    AUTO_BUF struct buf line = {0};
    struct json_writer w;
    buf_init(&line, 4 * ANSWER_BYTES_MAX);
    jw_init(&w, &line);
    jw_object_begin(&w);
    jw_member(&w, "method", str_of(e->method));
    jw_member(&w, "path", str_of(e->path));
    jw_member_int(&w, "status", e->status);
    write_members(&w, "request", request);
    write_members(&w, "answer", e->answer);
    jw_object_end(&w);
    if (buf_ok(&line))
        puts(line.ptr);
}

static void show_members(const struct json *object)
{
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        AUTO_BUF struct buf text = {0};
        buf_init(&text, ANSWER_BYTES_MAX);
        const struct str name = json_name(m);
        if (is_long(m))
            shorten(&text, json_string(m));
        else if (json_type(m) == JSON_STRING)
            buf_append(&text, json_string(m));
        else
            json_print(&text, m);
        printf("      %-18.*s %s\n", (int)name.len, name.ptr, text.len > 0 ? text.ptr : "");
    }
}

static void show_people(const struct exchange *e, const struct json *request)
{
    printf("  --> %s %s%s\n", e->method, e->path, e->token ? "  (Bearer)" : "");
    show_members(request);
    printf("  <-- %d\n", e->status);
    show_members(e->answer);
}

static void show(const struct exchange *e, enum exchange_view view)
{
    AUTO_JSON struct json *request = NULL;
    struct json_error error;
    if (e->request.ptr && json_parse(e->request, &LIMITS, &request, &error) != ERR_OK)
        request = NULL;
    if (view == VIEW_JSON)
        show_json(e, request);
    else
        show_people(e, request);
    (void)fflush(stdout);
}

void exchange_note(enum exchange_view view, const char *text)
{
    if (view == VIEW_PEOPLE)
        printf("  %s\n", text);
    (void)fflush(stdout);
}

/* ---- sending ------------------------------------------------------------------------------- */

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *out = context;
    buf_append(out, (struct str){bytes, size * count});
    return buf_ok(out) ? size * count : 0;
}

static void free_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool make_headers(const struct exchange *e, struct curl_slist **ret)
{
    AUTO_BUF struct buf line = {0};
    buf_init(&line, 64 * 1024);
    if (e->request.ptr && !add_header(ret, "Content-Type: application/json"))
        return false;
    if (!e->token)
        return true;
    buf_printf(&line, "Authorization: Bearer %s", e->token);
    return buf_ok(&line) && add_header(ret, line.ptr);
}

static CURLcode set_options(CURL *curl, const struct exchange_target *target,
                            const struct exchange *e, struct buf *body)
{
    const struct str request = e->request.ptr ? e->request : STR("");
    CURLcode result = CURLE_OK;
    result |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    result |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    result |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    result |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "virtual-phone/" BFF_VERSION);
    result |= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, e->method);
    if (strcmp(e->method, "POST") == 0) {
        result |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request.len);
        result |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.ptr);
    }
    result |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    result |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (target->ca)
        result |= curl_easy_setopt(curl, CURLOPT_CAINFO, target->ca);
    return result;
}

static CURLcode perform(CURL *curl, const struct exchange_target *target, struct exchange *e,
                        struct buf *body)
{
    AUTO(free_list) struct curl_slist *headers = NULL;
    AUTO_BUF struct buf url = {0};
    buf_init(&url, 8192);
    buf_printf(&url, "%s%s", target->url, e->path);
    if (!make_headers(e, &headers) || !buf_ok(&url))
        return CURLE_OUT_OF_MEMORY;
    CURLcode result = set_options(curl, target, e, body);
    result |= curl_easy_setopt(curl, CURLOPT_URL, url.ptr);
    result |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (result == CURLE_OK)
        result = curl_easy_perform(curl);
    long status = 0;
    if (result == CURLE_OK && curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        e->status = (int)status;
    return result;
}

bool exchange_run(const struct exchange_target *target, struct exchange *e, enum exchange_view view)
{
    AUTO_BUF struct buf body = {0};
    buf_init(&body, ANSWER_BYTES_MAX);
    CURL *curl = curl_easy_init();
    const CURLcode result = curl ? perform(curl, target, e, &body) : CURLE_FAILED_INIT;
    curl_easy_cleanup(curl);
    if (result != CURLE_OK) {
        fprintf(stderr, "%s %s%s: %s\n", e->method, target->url, e->path,
                curl_easy_strerror(result));
        return false;
    }
    struct json_error error;
    if (body.len > 0 && json_parse(buf_str(&body), &LIMITS, &e->answer, &error) != ERR_OK)
        e->answer = NULL;
    show(e, view);
    return true;
}

void exchange_finish(struct exchange *e)
{
    json_free(e->answer);
    e->answer = NULL;
}

struct str exchange_text(const struct exchange *e, const char *name)
{
    return json_string(json_member(e->answer, name));
}
