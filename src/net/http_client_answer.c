/* SPDX-License-Identifier: Apache-2.0
 * Reads the fields of an answer that matter to us: Content-Type, Content-Encoding,
 * Transfer-Encoding, Retry-After. Everything else is only counted. */
#include "net/http_client_answer.h"

#include <ctype.h>
#include <stdlib.h>

static void forget_fields(struct answer_head *h)
{
    h->media_type[0] = '\0';
    h->type_fields = 0;
    h->charset_ok = true;
    h->retry_after_s = -1;
    h->date[0] = '\0';
}

void answer_head_init(struct answer_head *h)
{
    *h = (struct answer_head){0};
    forget_fields(h);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

static struct str trim(struct str text)
{
    while (text.len > 0 &&
           (is_blank(text.ptr[text.len - 1]) || is_line_end(text.ptr[text.len - 1])))
        text.len--;
    while (text.len > 0 && is_blank(*text.ptr)) {
        text.ptr++;
        text.len--;
    }
    return text;
}

/* Text up to the first `stop` outside quotes; *text becomes what follows it. */
static struct str take_until(struct str *text, char stop)
{
    bool quoted = false;
    size_t n = 0;

    while (n < text->len && (quoted || text->ptr[n] != stop)) {
        if (text->ptr[n] == '"')
            quoted = !quoted;
        n++;
    }
    const struct str taken = {text->ptr, n};
    const size_t skip = n < text->len ? n + 1 : n;
    text->ptr += skip;
    text->len -= skip;
    return taken;
}

static bool parameter_is_good(struct str parameter)
{
    struct str value = parameter;
    const struct str name = trim(take_until(&value, '='));

    if (!str_eq_nocase(name, STR("charset")))
        return true;
    value = trim(value);
    return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("\"utf-8\""));
}

static void read_content_type(struct answer_head *h, struct str value)
{
    struct str rest = value;
    const struct str type = trim(take_until(&rest, ';'));

    /* Two types, or one that is absurdly long: no type that a caller could accept. */
    h->media_type[0] = '\0';
    h->type_fields++;
    if (h->type_fields > 1 || type.len >= sizeof(h->media_type))
        return;
    for (size_t i = 0; i < type.len; i++)
        h->media_type[i] = (char)tolower((unsigned char)type.ptr[i]);
    h->media_type[type.len] = '\0';
    while (rest.len > 0) {
        if (!parameter_is_good(take_until(&rest, ';')))
            h->charset_ok = false;
    }
}

static int clamp_seconds(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)seconds;
}

enum { FIELD_VALUE_BYTES = 40 };

static bool value_copy(struct str value, char text[FIELD_VALUE_BYTES])
{
    if (value.len == 0 || value.len >= FIELD_VALUE_BYTES)
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    return true;
}

/* RFC 9110 §10.2.3: seconds or a date; anything else counts as absent. */
static int read_retry_after(struct str value, int64_t wall_s)
{
    char text[FIELD_VALUE_BYTES];

    if (!value_copy(value, text))
        return -1;
    const size_t digits = strspn(text, "0123456789");
    if (digits == value.len)
        return digits > 9 ? RETRY_AFTER_MAX_S : clamp_seconds(strtoll(text, NULL, 10));
    const int64_t date_s = http_date_parse(value);
    return date_s != 0 ? clamp_seconds(date_s - wall_s) : -1;
}

/* Kept as text: nobody but `doctor` wants to know it. */
static void read_date(struct answer_head *h, struct str value)
{
    h->date[0] = '\0';
    if (value.len != sizeof(h->date) - 1)
        return;
    memcpy(h->date, value.ptr, value.len);
    h->date[value.len] = '\0';
}

static bool is_interim(struct str status_line)
{
    struct str rest = status_line;
    (void)take_until(&rest, ' ');
    return rest.len >= 3 && rest.ptr[0] == '1' && !str_starts_with(rest, STR("101"));
}

static void read_field(struct answer_head *h, struct str name, struct str value, int64_t wall_s)
{
    if (str_eq_nocase(name, STR("content-type")))
        read_content_type(h, value);
    else if (str_eq_nocase(name, STR("retry-after")))
        h->retry_after_s = read_retry_after(value, wall_s);
    else if (str_eq_nocase(name, STR("date")))
        read_date(h, value);
    else if (str_eq_nocase(name, STR("content-encoding")) && value.len > 0 &&
             !str_eq_nocase(value, STR("identity")))
        h->refused = "Content-Encoding that was not asked for";
    else if (str_eq_nocase(name, STR("transfer-encoding")) && !str_eq_nocase(value, STR("chunked")))
        /* libcurl would decode a compressing transfer coding even unasked. */
        h->refused = "Transfer-Encoding other than chunked";
}

bool answer_head_line(struct answer_head *h, struct str line, int64_t wall_s)
{
    h->bytes += line.len;
    if (h->bytes > HEADER_BYTES_MAX) {
        h->refused = "header section too large";
        return false;
    }
    if (str_starts_with(line, STR("HTTP/"))) {
        /* Interim answers count as a field each, so a storm of them ends. */
        h->fields++;
        h->interim = is_interim(line);
        h->complete = false;
        forget_fields(h);
    } else {
        struct str value = line;
        const struct str name = take_until(&value, ':');
        if (trim(line).len == 0) {
            h->complete = !h->interim;
            return true;
        }
        h->fields++;
        read_field(h, name, trim(value), wall_s);
    }
    if (h->fields > HEADER_FIELDS_MAX)
        h->refused = "too many header fields";
    return h->refused == NULL;
}
