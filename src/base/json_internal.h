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

/* A document in the making, and then its tree. */
struct json_tree;

/* Until json_tree_end() the calling thread makes values in this tree, the root first. text_bytes:
 * for all texts and names, which the reader writes and the tree's values borrow, with a NUL behind
 * each. NULL: no memory. */
NODISCARD struct json_tree *json_tree_begin(size_t text_bytes);
char *json_tree_texts(struct json_tree *tree);
/* text_bytes: how many are to be cleansed in the end. */
void json_tree_end(struct json_tree *tree, size_t text_bytes);
/* Accepts NULL. Takes the values, too; json_free() does the same by the root. */
void json_tree_free(struct json_tree *tree);

/* NULL: no memory. */
NODISCARD struct json *json_make_null(void);
NODISCARD struct json *json_make_bool(bool value);
NODISCARD struct json *json_make_number(double value);
NODISCARD struct json *json_make_string(const char *text);
NODISCARD struct json *json_make_container(bool is_object);
/* As the last of the container's children; name NULL: the container is an array. False: no memory.
 */
NODISCARD bool json_add(struct json *container, const char *name, struct json *value);
