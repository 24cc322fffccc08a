/* SPDX-License-Identifier: Apache-2.0
 * Strict: what a browser would forgive is refused. */
#include "emulator/form.h"

#include <stdint.h>

#include "base/crypto.h"

struct str form_decode(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (!out)
        return (struct str){0};
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if (byte == '+')
            byte = ' ';
        if (byte == '%') {
            if (text.len - i < 3 || !hex_decode((struct str){text.ptr + i + 1, 2}, &byte, 1))
                return (struct str){0};
            i += 2;
        }
        out[len++] = (char)byte;
    }
    return (struct str){out, len};
}

static bool add_field(struct form *form, struct str pair, struct arena *arena)
{
    const char *equals = memchr(pair.ptr, '=', pair.len);
    if (!equals || form->count == FORM_FIELDS_MAX)
        return false;
    const size_t name_len = (size_t)(equals - pair.ptr);
    struct form_field field = {
        .name = form_decode((struct str){pair.ptr, name_len}, arena),
        .value = form_decode((struct str){equals + 1, pair.len - name_len - 1}, arena),
    };
    if (!field.name.ptr || !field.value.ptr)
        return false;
    for (size_t i = 0; i < form->count; i++) {
        if (str_eq(form->fields[i].name, field.name))
            return false;
    }
    form->fields[form->count++] = field;
    return true;
}

bool form_parse(struct str body, struct arena *arena, struct form *ret)
{
    *ret = (struct form){0};
    while (body.len > 0) {
        const char *end = memchr(body.ptr, '&', body.len);
        const size_t len = end ? (size_t)(end - body.ptr) : body.len;
        if (!add_field(ret, (struct str){body.ptr, len}, arena))
            return false;
        const size_t used = end ? len + 1 : len;
        body.ptr += used;
        body.len -= used;
    }
    return true;
}

struct str form_value(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++) {
        if (str_is(form->fields[i].name, name))
            return form->fields[i].value;
    }
    return (struct str){0};
}
