/* SPDX-License-Identifier: Apache-2.0
 * Request ids and trace context. */
#include "net/http_trace.h"

#include <string.h>

#include "base/crypto.h"

enum { REQUEST_ID_MAX = 128, TRACE_ID_AT = 3, SPAN_ID_AT = 36, FLAGS_AT = 53, FLAGS_CHARS = 2 };

bool request_id_is_valid(struct str id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        const char c = id.ptr[i];
        const bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

/* Ids must differ, not be secret: without system randomness the jitter generator will do. */
static void random_bytes(uint8_t *out, size_t bytes)
{
    if (crypto_random(out, bytes))
        return;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)random_below(256);
}

void request_id_make(char out[REQUEST_ID_MADE_BYTES])
{
    uint8_t bytes[(REQUEST_ID_MADE_BYTES - 1) / 2];
    random_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), out);
}

static bool is_lower_hex(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
    }
    return true;
}

static bool is_id(const char *p, size_t len)
{
    return is_lower_hex(p, len) && strspn(p, "0") < len;
}

bool traceparent_is_valid(struct str text)
{
    if (text.len != TRACEPARENT_BYTES - 1)
        return false;
    const char *p = text.ptr;
    return memcmp(p, "00-", 3) == 0 && is_id(p + TRACE_ID_AT, TRACE_ID_CHARS) &&
           p[SPAN_ID_AT - 1] == '-' && is_id(p + SPAN_ID_AT, SPAN_ID_CHARS) &&
           p[FLAGS_AT - 1] == '-' && is_lower_hex(p + FLAGS_AT, FLAGS_CHARS);
}

void traceparent_make(struct str incoming, char out[TRACEPARENT_BYTES])
{
    uint8_t bytes[(TRACE_ID_CHARS + SPAN_ID_CHARS) / 2];
    char hex[TRACE_ID_CHARS + SPAN_ID_CHARS + 1];
    const bool is_child = traceparent_is_valid(incoming);

    random_bytes(bytes, sizeof(bytes));
    bytes[0] |= 1; /* an id of zeros only is not valid */
    bytes[TRACE_ID_CHARS / 2] |= 1;
    hex_encode(bytes, sizeof(bytes), hex);

    memcpy(out, "00-", 3);
    memcpy(out + TRACE_ID_AT, is_child ? incoming.ptr + TRACE_ID_AT : hex, TRACE_ID_CHARS);
    out[SPAN_ID_AT - 1] = '-';
    memcpy(out + SPAN_ID_AT, hex + TRACE_ID_CHARS, SPAN_ID_CHARS);
    out[FLAGS_AT - 1] = '-';
    memcpy(out + FLAGS_AT, is_child ? incoming.ptr + FLAGS_AT : "00", FLAGS_CHARS);
    out[TRACEPARENT_BYTES - 1] = '\0';
}
