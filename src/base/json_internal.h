/* SPDX-License-Identifier: Apache-2.0
 * What the reader and the tree share; nobody else includes it. */
#pragma once

#include "base/json.h"

enum { JSON_NUMBER_TEXT_BYTES = 32 };

/* The double (infinite when it is too large) that the text of a valid number stands for. False: no
 * memory. */
NODISCARD bool json_number_value(struct str number, double *ret);
/* The shortest of three forms that reads back as the same double. */
struct str json_number_text(double value, char out[JSON_NUMBER_TEXT_BYTES]);

/* All texts of a tree, in one buffer. */
struct json_texts {
    size_t bytes; /* in use; cleansed in the end */
    char text[];
};

/* Values for a tree; texts and names are borrowed from its json_texts, with a NUL behind them.
 * NULL: no memory. */
NODISCARD struct json *json_make_null(void);
NODISCARD struct json *json_make_bool(bool value);
NODISCARD struct json *json_make_number(double value);
NODISCARD struct json *json_make_string(const char *text);
NODISCARD struct json *json_make_container(bool is_object);
/* As the last of the container's children; name NULL: the container is an array. False: no memory;
 * the value then is the caller's. */
NODISCARD bool json_add(struct json *container, const char *name, struct json *value);
/* The root owns the texts; json_free() takes both. */
void json_own_texts(struct json *root, struct json_texts *texts);
