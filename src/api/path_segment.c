/* SPDX-License-Identifier: Apache-2.0
 * Decodes and checks an id in a path. */
#include "api/path_segment.h"

#include "base/crypto.h"

/* Never longer than raw. False: a '%' without two hex digits. */
static bool percent_decode(struct str raw, char *out, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t byte = (uint8_t)raw.ptr[i];
        if (byte == '%') {
            if (raw.len - i < 3 || !hex_decode((struct str){raw.ptr + i + 1, 2}, &byte, 1))
                return false;
            i += 2;
        }
        out[len++] = (char)byte;
    }
    *ret_len = len;
    return true;
}

static const char *check(struct str text)
{
    if (text.len == 0 || text.len > PATH_SEGMENT_BYTES_MAX)
        return "the id in the path must be 1 to 255 bytes long";
    if (!str_is_utf8(text))
        return "the id in the path is not UTF-8";
    if (str_has_control(text))
        return "the id in the path contains a control character";
    if (memchr(text.ptr, '/', text.len))
        return "the id in the path contains a '/'";
    if (str_is(text, ".") || str_is(text, ".."))
        return "the id in the path is a dot segment";
    return NULL;
}

enum err path_segment_decode(struct str raw, struct arena *arena, struct str *ret,
                             const char **ret_what)
{
    char *decoded = arena_alloc(arena, raw.len + 1);
    if (!decoded)
        return ERR_NO_MEMORY;

    struct str text = {decoded, 0};
    const char *what = percent_decode(raw, decoded, &text.len)
                           ? check(text)
                           : "the id in the path is not percent-encoded";
    if (what) {
        *ret_what = what;
        return ERR_INVALID_REQUEST;
    }
    *ret = text;
    return ERR_OK;
}
