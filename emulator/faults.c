/* SPDX-License-Identifier: Apache-2.0
 * Rules are tried in the order in which they were made. */
#include "emulator/faults.h"

#include <stdio.h>

#include "base/base64.h"

enum { FAULT_BODY_BYTES_MAX = 16 * 1024 * 1024, FAULT_DELAY_MS_MAX = 10 * 60 * 1000 };

void faults_init(struct faults *f)
{
    *f = (struct faults){0};
    pthread_mutex_init(&f->lock, NULL);
}

void fault_rule_destroy(struct fault_rule *rule)
{
    if (!rule)
        return;
    free((char *)rule->fault.body.ptr);
    free((char *)rule->fault.headers.ptr);
    free((char *)rule->fault.content_type.ptr);
    free(rule);
}

void faults_clear(struct faults *f)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->count; i++)
        fault_rule_destroy(f->rules[i]);
    f->count = 0;
    pthread_mutex_unlock(&f->lock);
}

void faults_finish(struct faults *f)
{
    faults_clear(f);
    pthread_mutex_destroy(&f->lock);
}

/* ---- reading a rule ------------------------------------------------------------------------ */

static bool read_integer(const struct json *body, const char *name, int64_t max, int64_t *ret)
{
    double number = 0;
    if (!json_member(body, name))
        return true;
    if (!json_number(json_member(body, name), &number) || number < 0 || number > (double)max ||
        number != (double)(int64_t)number)
        return false;
    *ret = (int64_t)number;
    return true;
}

/* Moves the bytes into *ret, an empty allocation included. */
static bool take_text(struct buf *from, struct str *ret)
{
    if (!buf_ok(from))
        return false;
    size_t len = from->len;
    char *text = len > 0 ? buf_take(from, &len) : calloc(1, 1);
    if (!text)
        return false;
    *ret = (struct str){text, len};
    return true;
}

static bool copy_text(struct str s, struct str *ret)
{
    char *copy = strndup(s.ptr, s.len);
    if (!copy)
        return false;
    *ret = (struct str){copy, s.len};
    return true;
}

/* A string is the body as it is; anything else is printed as JSON. */
static bool read_body(const struct json *body, struct fault *fault)
{
    const struct json *value = json_member(body, "body");
    const struct str base64 = json_string(json_member(body, "body_base64"));
    AUTO_BUF struct buf text = {0};
    buf_init(&text, FAULT_BODY_BYTES_MAX);
    fault->has_body = value || base64.ptr;
    if (base64.ptr) {
        size_t len = 0;
        char *room = buf_room(&text, base64_decoded_max(base64.len));
        if (!room || !base64_decode(base64, false, (uint8_t *)room, &len))
            return false;
        buf_added(&text, len);
    } else if (value && json_type(value) == JSON_STRING) {
        buf_append(&text, json_string(value));
    } else if (value) {
        json_print(&text, value);
    }
    return !fault->has_body || take_text(&text, &fault->body);
}

static bool has_line_break(struct str s)
{
    return memchr(s.ptr, '\r', s.len) || memchr(s.ptr, '\n', s.len);
}

static bool read_headers(const struct json *headers, struct fault *fault)
{
    AUTO_BUF struct buf text = {0};
    buf_init(&text, HTTP_HEAD_BYTES_MAX / 2);
    if (!headers)
        return true;
    for (const struct json *h = json_first(headers); h; h = json_next(h)) {
        const struct str value = json_string(h);
        if (!value.ptr || has_line_break(value) || has_line_break(json_name(h)))
            return false;
        buf_append(&text, json_name(h));
        buf_append_z(&text, ": ");
        buf_append(&text, value);
        buf_append_z(&text, "\r\n");
    }
    return take_text(&text, &fault->headers);
}

static bool read_break(const struct json *body, struct wire_fault *wire)
{
    static const struct {
        const char *name;
        enum wire_break at;
    } BREAKS[] = {
        {"before_answer", WIRE_RESET_BEFORE_ANSWER},
        {"after_headers", WIRE_RESET_AFTER_HEADERS},
        {"mid_body", WIRE_RESET_MID_BODY},
    };
    if (json_is_true(json_member(body, "close")))
        wire->at = WIRE_CLOSE_BEFORE_ANSWER;
    if (!json_member(body, "reset"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(BREAKS); i++) {
        if (str_is(json_string(json_member(body, "reset")), BREAKS[i].name)) {
            wire->at = BREAKS[i].at;
            return true;
        }
    }
    return false;
}

static bool read_wire(const struct json *body, struct wire_fault *wire)
{
    const struct json *drip = json_member(body, "drip");
    int64_t cut = 0, drip_bytes = drip ? 1 : 0, interval_ms = 10;
    const bool cut_head = json_member(body, "cut_head_after_bytes") != NULL;
    if (!read_integer(body, "cut_after_bytes", FAULT_BODY_BYTES_MAX, &cut) ||
        !read_integer(body, "cut_head_after_bytes", FAULT_BODY_BYTES_MAX, &cut) ||
        !read_integer(drip, "bytes", FAULT_BODY_BYTES_MAX, &drip_bytes) ||
        !read_integer(drip, "interval_ms", FAULT_DELAY_MS_MAX, &interval_ms))
        return false;
    *wire = (struct wire_fault){
        .cut_head = cut_head,
        .cut_body = !cut_head && json_member(body, "cut_after_bytes"),
        .cut_bytes = (size_t)cut,
        .drip_bytes = (size_t)drip_bytes,
        .drip_interval_ms = interval_ms,
    };
    return read_break(body, wire);
}

/* A refusal, or a connection that goes before the answer, usually means that nothing was done. */
static bool default_execute(const struct fault *fault)
{
    return fault->status < 400 && fault->wire.at != WIRE_RESET_BEFORE_ANSWER &&
           fault->wire.at != WIRE_CLOSE_BEFORE_ANSWER;
}

static bool read_tokens(const struct json *body, struct fault *fault)
{
    const struct json *way = json_member(body, "tokens");
    const struct json *scope = json_member(body, "tokens_scope");
    if (way)
        fault->tamper = tamper_find(json_string(way));
    return (!way || fault->tamper) &&
           (!scope || tamper_scope_parse(json_string(scope), &fault->tamper_scope));
}

/* When the rule applies. */
static bool read_trigger(const struct json *body, struct fault_rule *rule)
{
    const struct json *probability = json_member(body, "probability");
    int64_t seed = 1;
    rule->remaining = probability ? -1 : 1;
    rule->probability = 1;
    if ((probability && !json_number(probability, &rule->probability)) ||
        !read_integer(body, "next", INT32_MAX, &rule->remaining) ||
        !read_integer(body, "skip", INT32_MAX, &rule->skip) ||
        !read_integer(body, "seed", INT32_MAX, &seed))
        return false;
    rule->random_state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
    const struct str operation = json_string(json_member(body, "operation"));
    snprintf(rule->operation, sizeof(rule->operation), "%.*s", (int)operation.len, operation.ptr);
    return true;
}

struct fault_rule *fault_rule_create(const struct json *body, const char **ret_problem)
{
    struct fault_rule *rule = calloc(1, sizeof(*rule));
    *ret_problem = "out of memory";
    if (!rule)
        return NULL;

    struct fault *fault = &rule->fault;
    const struct json *execute = json_member(body, "execute");
    const struct json *content_type = json_member(body, "content_type");
    int64_t status = 0;
    *ret_problem = NULL;
    if (!read_trigger(body, rule))
        *ret_problem = "next, skip, probability or seed is wrong";
    else if (!read_integer(body, "status", 999, &status) ||
             !read_integer(body, "delay_ms", FAULT_DELAY_MS_MAX, &fault->delay_ms))
        *ret_problem = "status or delay_ms is wrong";
    else if (!read_body(body, fault))
        *ret_problem = "body or body_base64 is wrong";
    else if (!read_headers(json_member(body, "headers"), fault))
        *ret_problem = "headers is wrong";
    else if (content_type && !copy_text(json_string(content_type), &fault->content_type))
        *ret_problem = "content_type is wrong";
    else if (!read_wire(body, &fault->wire))
        *ret_problem = "cut_after_bytes, cut_head_after_bytes, reset or drip is wrong";
    else if (!read_tokens(body, fault))
        *ret_problem = "tokens or tokens_scope is unknown";
    if (*ret_problem) {
        fault_rule_destroy(rule);
        return NULL;
    }
    fault->status = (int)status;
    fault->execute = execute ? json_is_true(execute) : default_execute(fault);
    return rule;
}

/* ---- using the rules ----------------------------------------------------------------------- */

uint64_t faults_add(struct faults *f, struct fault_rule *rule)
{
    uint64_t number = 0;
    pthread_mutex_lock(&f->lock);
    if (f->count < FAULT_RULES_MAX) {
        number = ++f->made;
        rule->number = number;
        f->rules[f->count++] = rule;
    }
    pthread_mutex_unlock(&f->lock);
    if (number == 0)
        fault_rule_destroy(rule);
    return number;
}

/* xorshift64: a seed gives the same pattern of faults on every machine. */
static double next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) / (double)(1ull << 53);
}

/* True when the rule strikes; counts the call. */
static bool strikes(struct fault_rule *rule, const char *operation)
{
    if (strcmp(rule->operation, "*") != 0 && strcmp(rule->operation, operation) != 0)
        return false;
    if (rule->remaining == 0)
        return false;
    if (rule->skip > 0) {
        rule->skip--;
        return false;
    }
    if (rule->probability < 1 && next_random(&rule->random_state) >= rule->probability)
        return false;
    if (rule->remaining > 0)
        rule->remaining--;
    return true;
}

static void copy_fault(const struct fault *from, struct arena *arena, struct fault *ret)
{
    *ret = *from;
    if (from->body.ptr)
        ret->body = arena_copy(arena, from->body);
    if (from->headers.ptr)
        ret->headers = arena_copy(arena, from->headers);
    if (from->content_type.ptr)
        ret->content_type = arena_copy(arena, from->content_type);
}

bool faults_take(struct faults *f, const char *operation, struct arena *arena, struct fault *ret)
{
    bool found = false;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->count && !found; i++) {
        found = strikes(f->rules[i], operation);
        if (found)
            copy_fault(&f->rules[i]->fault, arena, ret);
    }
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->rules[i]->remaining == 0)
            fault_rule_destroy(f->rules[i]);
        else
            f->rules[kept++] = f->rules[i];
    }
    f->count = kept;
    pthread_mutex_unlock(&f->lock);
    return found;
}

void faults_write(struct faults *f, struct json_writer *w)
{
    jw_array_begin(w);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->count; i++) {
        const struct fault_rule *rule = f->rules[i];
        jw_object_begin(w);
        jw_member_int(w, "fault", (int64_t)rule->number);
        jw_member(w, "operation", str_of(rule->operation));
        jw_member_int(w, "remaining", rule->remaining);
        jw_object_end(w);
    }
    pthread_mutex_unlock(&f->lock);
    jw_array_end(w);
}
