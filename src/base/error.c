/* SPDX-License-Identifier: Apache-2.0
 * Look-up in the error table, and the text of start-up failures. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct error_row rows[] = {
#define X(id, status, code, title, retry, after, when)                                             \
    {id, status, code, title, retry, after, when},
    ERROR_TABLE(X)
#undef X
};

static const enum err first_row = ERR_NO_MEMORY + 1;
static_assert(ARRAY_LEN(rows) == ERR_COUNT - ERR_NO_MEMORY - 1, "rows start after ERR_NO_MEMORY");

const struct error_row *error_row_at(size_t index)
{
    return index < ARRAY_LEN(rows) ? &rows[index] : NULL;
}

const struct error_row *error_row(enum err e)
{
    if (e == ERR_NO_MEMORY)
        e = ERR_OVERLOADED;
    if (e < first_row || e >= ERR_COUNT) {
        (void)fprintf(stderr, "bug: error code %d has no row\n", (int)e);
        abort();
    }
    return &rows[e - first_row];
}

const char *retry_name(enum retry r)
{
    switch (r) {
    case RETRY_SAME:
        return "same";
    case RETRY_NEW_CHALLENGE:
        return "new_challenge";
    case RETRY_REFRESH:
        return "refresh";
    case RETRY_LOGIN:
        return "login";
    case RETRY_NEVER:
        return "never";
    }
    abort();
}

struct failure failure_of(enum err code)
{
    const struct error_row *row = error_row(code);
    return (struct failure){
        .code = row->id,
        .retry = row->retry,
        .retry_after_s = row->retry_after_s,
    };
}

enum err err_set(struct err_text *reterr, enum err code, const char *format, ...)
{
    if (!reterr || reterr->text[0] != '\0')
        return code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
    return code;
}
