/* SPDX-License-Identifier: Apache-2.0
 * The checks of the request gate. Each is small and says in its reason what was wrong; the order is
 * that of RFC 9112: message framing first, because nothing behind a doubtful frame means anything.
 */
#include "net/http_gate.h"

#include <string.h>

static const struct gate_verdict PASSED = {ERR_OK, NULL, false};

static struct gate_verdict refuse(enum err code, const char *reason)
{
    return (struct gate_verdict){code, reason, false};
}

static struct gate_verdict refuse_and_close(enum err code, const char *reason)
{
    return (struct gate_verdict){code, reason, true};
}

/* ---- characters */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* RFC 9110 §5.6.2 */
static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (!is_alnum(c) && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

/* RFC 9110 §5.5: visible, obs-text, space, tab. */
static bool is_field_value(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static struct str trim(struct str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* ---- collecting */

void gate_field(struct gate_facts *facts, struct str name, struct str value)
{
    const struct {
        struct str name;
        size_t *count;
        struct str *value; /* NULL: only counted */
    } single[] = {
        {STR("content-length"), &facts->content_lengths, &facts->content_length},
        {STR("transfer-encoding"), &facts->transfer_encodings, &facts->transfer_encoding},
        {STR("host"), &facts->hosts, &facts->host},
        {STR("authorization"), &facts->authorizations, NULL},
        {STR("content-type"), &facts->content_types, &facts->content_type},
        {STR("content-encoding"), &facts->content_encodings, &facts->content_encoding},
        {STR("expect"), &facts->expects, &facts->expect},
    };
    facts->bad_name |= !is_token(name);
    facts->bad_value |= !is_field_value(value);
    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        if (!str_eq_nocase(name, single[i].name))
            continue;
        if (single[i].value)
            *single[i].value = trim(value);
        ++*single[i].count;
        return;
    }
}

/* ---- framing (RFC 9112 §6) */

/* Digits only, and no more than fit: "+3", "3,3", "0x3" and 10^20 are all refused. */
static bool parse_length(struct str text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = value;
    return true;
}

static struct gate_verdict check_framing(const struct gate_facts *facts)
{
    uint64_t length;

    if (!is_token(facts->method))
        return refuse_and_close(ERR_INVALID_REQUEST, "the method is no token");
    if (facts->bad_name)
        return refuse_and_close(ERR_INVALID_REQUEST, "a field name is no token");
    if (facts->bad_value)
        return refuse_and_close(ERR_INVALID_REQUEST, "a field value has a control character");
    if (facts->content_lengths > 0 && facts->transfer_encodings > 0)
        return refuse_and_close(ERR_INVALID_REQUEST, "Content-Length and Transfer-Encoding");
    if (facts->content_lengths > 1)
        return refuse_and_close(ERR_INVALID_REQUEST, "more than one Content-Length");
    if (facts->content_lengths == 1 && !parse_length(facts->content_length, &length))
        return refuse_and_close(ERR_INVALID_REQUEST, "Content-Length is no number");
    if (facts->transfer_encodings > 1)
        return refuse_and_close(ERR_INVALID_REQUEST, "more than one Transfer-Encoding");
    if (facts->transfer_encodings == 1 && facts->http_1_0)
        return refuse_and_close(ERR_INVALID_REQUEST, "Transfer-Encoding in HTTP/1.0");
    if (facts->transfer_encodings == 1 && !str_eq_nocase(facts->transfer_encoding, STR("chunked")))
        return refuse_and_close(ERR_INVALID_REQUEST, "Transfer-Encoding other than chunked");
    return PASSED;
}

/* ---- Host (RFC 9112 §3.2): any well-formed name will do, for nothing here depends on it */

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        const char c = host.ptr[i];
        if (!is_alnum(c) && (c == '\0' || !strchr("-._~:[]%!$&'()*+;=", c)))
            return false;
    }
    return host.len > 0;
}

static struct gate_verdict check_host(const struct gate_facts *facts)
{
    if (facts->hosts > 1)
        return refuse_and_close(ERR_INVALID_REQUEST, "more than one Host");
    if (facts->hosts == 0 && !facts->http_1_0)
        return refuse_and_close(ERR_INVALID_REQUEST, "no Host");
    if (facts->hosts == 1 && !is_host(facts->host))
        return refuse_and_close(ERR_INVALID_REQUEST, "Host is malformed");
    return PASSED;
}

/* ---- target (RFC 9112 §3.2.1: origin form only) */

/* The byte at text[at], percent-decoded; -1 when a % is not followed by two hex digits. *ret_len is
 * how many raw bytes it took. */
static int decoded_at(struct str text, size_t at, size_t *ret_len)
{
    *ret_len = 1;
    if (text.ptr[at] != '%')
        return (unsigned char)text.ptr[at];
    if (text.len - at < 3)
        return -1;
    const int high = hex_value(text.ptr[at + 1]);
    const int low = hex_value(text.ptr[at + 2]);
    *ret_len = 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* RFC 3986 §3.3: pchar, and the slash between segments. */
static bool is_path_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c));
}

/* NULL when good. A slash, backslash or control character in disguise would mean one thing to a
 * proxy in front and another to us, and so would dot segments. */
static const char *path_problem(struct str path)
{
    size_t segment_len = 0; /* decoded bytes of the current segment */
    size_t dots = 0;        /* how many of them are dots */

    for (size_t i = 0, raw_len; i < path.len; i += raw_len) {
        const int c = decoded_at(path, i, &raw_len);
        if (c < 0)
            return "bad percent-encoding";
        if (raw_len == 1 && !is_path_char(path.ptr[i]))
            return "a character that must be percent-encoded";
        if (raw_len == 3 && (c == '/' || c == '\\' || c < 0x20 || c == 0x7f))
            return "an encoded slash, backslash or control character";
        if (c == '/') {
            if (segment_len > 0 && segment_len == dots && dots <= 2)
                return "a dot segment";
            segment_len = dots = 0;
            continue;
        }
        segment_len++;
        dots += c == '.';
    }
    return segment_len > 0 && segment_len == dots && dots <= 2 ? "a dot segment" : NULL;
}

static const char *query_problem(struct str query)
{
    for (size_t i = 0, raw_len; i < query.len; i += raw_len) {
        const int c = decoded_at(query, i, &raw_len);
        if (c < 0)
            return "bad percent-encoding";
        if (raw_len == 1 && !is_path_char(query.ptr[i]) && query.ptr[i] != '?')
            return "a character that must be percent-encoded";
        if (c < 0x20 || c == 0x7f)
            return "an encoded control character";
    }
    return NULL;
}

void gate_split_target(struct str target, struct str *ret_path, struct str *ret_query)
{
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    *ret_path = target;
    *ret_query = (struct str){NULL, 0};
    if (!mark)
        return;
    ret_path->len = (size_t)(mark - target.ptr);
    *ret_query = (struct str){mark + 1, target.len - ret_path->len - 1};
}

static struct gate_verdict check_target(const struct gate_facts *facts)
{
    struct str path;
    struct str query;

    if (facts->target.len == 0 || facts->target.ptr[0] != '/')
        return refuse_and_close(ERR_INVALID_REQUEST, "target is not in origin form");
    gate_split_target(facts->target, &path, &query);
    const char *problem = path_problem(path);
    if (!problem)
        problem = query_problem(query);
    return problem ? refuse_and_close(ERR_INVALID_REQUEST, problem) : PASSED;
}

struct gate_verdict gate_check_message(const struct gate_facts *facts,
                                       const struct gate_limits *limits)
{
    struct gate_verdict verdict = check_framing(facts);
    if (verdict.code != ERR_OK)
        return verdict;
    if (facts->target_bytes > limits->uri_max_bytes)
        return refuse_and_close(ERR_URI_TOO_LONG, "target over its limit");
    if (facts->header_bytes > limits->header_max_bytes)
        return refuse_and_close(ERR_HEADERS_TOO_LARGE, "header section over its limit");
    verdict = check_host(facts);
    return verdict.code != ERR_OK ? verdict : check_target(facts);
}

/* ---- what a route may ask */

struct gate_verdict gate_check_fields(const struct gate_facts *facts, bool takes_query)
{
    struct str path;
    struct str query;

    if (facts->expects > 1 ||
        (facts->expects == 1 && !str_eq_nocase(facts->expect, STR("100-continue"))))
        return refuse_and_close(ERR_EXPECTATION_FAILED, "Expect other than 100-continue");
    if (facts->authorizations > 1)
        return refuse(ERR_INVALID_REQUEST, "more than one Authorization");
    gate_split_target(facts->target, &path, &query);
    if (query.ptr && !takes_query)
        return refuse(ERR_INVALID_REQUEST, "this path takes no query");
    return PASSED;
}

enum gate_body gate_body(const struct gate_facts *facts, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    *ret_bytes = 0;
    if (facts->transfer_encodings > 0)
        return GATE_BODY_CHUNKED;
    if (facts->content_lengths == 0 || !parse_length(facts->content_length, &bytes) || bytes == 0)
        return GATE_BODY_ABSENT;
    *ret_bytes = bytes;
    return GATE_BODY_SIZED;
}

struct gate_verdict gate_check_body_size(const struct gate_facts *facts,
                                         const struct gate_limits *limits)
{
    uint64_t bytes;
    if (gate_body(facts, &bytes) == GATE_BODY_SIZED && bytes > limits->body_max_bytes)
        return refuse_and_close(ERR_PAYLOAD_TOO_LARGE, "Content-Length over the limit");
    return PASSED;
}

struct gate_verdict gate_check_no_body(const struct gate_facts *facts)
{
    uint64_t bytes;
    if (gate_body(facts, &bytes) != GATE_BODY_ABSENT)
        return refuse(ERR_INVALID_REQUEST, "a body where none is taken");
    return PASSED;
}

struct gate_verdict gate_check_json_body(const struct gate_facts *facts)
{
    uint64_t bytes;
    if (facts->content_types > 1)
        return refuse(ERR_UNSUPPORTED_MEDIA_TYPE, "more than one Content-Type");
    if (facts->content_types == 0)
        return refuse(ERR_UNSUPPORTED_MEDIA_TYPE, "no Content-Type");
    if (!gate_is_json(facts->content_type))
        return refuse(ERR_UNSUPPORTED_MEDIA_TYPE, "Content-Type is not JSON in UTF-8");
    /* Nothing is decoded: what calls itself compressed is not read as if it were not. */
    if (facts->content_encodings > 1 ||
        (facts->content_encodings == 1 && !str_eq_nocase(facts->content_encoding, STR("identity"))))
        return refuse(ERR_UNSUPPORTED_MEDIA_TYPE, "a Content-Encoding");
    if (gate_body(facts, &bytes) == GATE_BODY_ABSENT)
        return refuse(ERR_INVALID_JSON, "no body");
    return PASSED;
}

/* ---- Content-Type (RFC 9110 §8.3) */

static struct str cut(struct str *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    const size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
    const struct str head = {rest->ptr, len};
    rest->ptr += at ? len + 1 : len;
    rest->len -= at ? len + 1 : len;
    return head;
}

static struct str unquote(struct str text)
{
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        return (struct str){text.ptr + 1, text.len - 2};
    return text;
}

bool gate_is_json(struct str content_type)
{
    struct str rest = content_type;
    if (!str_eq_nocase(trim(cut(&rest, ';')), STR("application/json")))
        return false;
    while (rest.len > 0) {
        struct str value = cut(&rest, ';');
        const struct str name = trim(cut(&value, '='));
        if (str_eq_nocase(name, STR("charset")) &&
            !str_eq_nocase(unquote(trim(value)), STR("utf-8")))
            return false;
    }
    return true;
}
