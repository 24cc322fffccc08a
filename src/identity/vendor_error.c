/* SPDX-License-Identifier: Apache-2.0
 * Reads the vendor's error bodies, of which nine shapes circulate (contract 4.2). The HTTP status
 * stays authoritative; a body that cannot be read says nothing. Only the machine code is kept: the
 * vendor's message never leaves this file. */
#include "identity/upstream.h"

static const struct json_limits ERROR_LIMITS = {
    .bytes_max = 64 * 1024,
    .depth_max = 8,
    .values_max = 512,
};

/* Documented ts_error_code values (contract 5.2). Codes that tell users apart are left out on
 * purpose: user_not_found and its like would undo the decoys. */
static const char *const SHOWN_CODES[] = {
    "system_invalid_input",      "auth_max_authenticators_count_exceeded",
    "auth_invalid_attestation",  "auth_invalid_key_type",
    "auth_invalid_key_encoding",
};

static bool is_code_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* A word, not the status as a string (shape E6). */
static bool is_code(struct str text, size_t max)
{
    bool has_letter = false;
    if (text.len == 0 || text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_code_char(text.ptr[i]))
            return false;
        has_letter |= text.ptr[i] < '0' || text.ptr[i] > '9';
    }
    return has_letter;
}

static bool take_code(const struct json *value, struct vendor_error *ret)
{
    const struct str text = json_string(value);
    if (!is_code(text, sizeof ret->code - 1))
        return false;
    memcpy(ret->code, text.ptr, text.len);
    ret->code[text.len] = '\0';
    return true;
}

static const char *shown_code(const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(SHOWN_CODES); i++) {
        if (strcmp(SHOWN_CODES[i], code) == 0)
            return SHOWN_CODES[i];
    }
    return NULL;
}

/* message is a string, or an array of strings (shape E2). */
static bool message_says(const struct json *message, struct str wanted)
{
    if (json_type(message) != JSON_ARRAY)
        return str_eq_nocase(json_string(message), wanted);
    for (const struct json *line = json_first(message); line; line = json_next(line)) {
        if (str_eq_nocase(json_string(line), wanted))
            return true;
    }
    return false;
}

enum err vendor_error_read(struct str body, struct vendor_error *ret)
{
    *ret = (struct vendor_error){0};

    AUTO_JSON struct json *root = NULL;
    struct json_error problem;
    const enum err parsed = json_parse(body, &ERROR_LIMITS, &root, &problem);
    if (parsed != ERR_OK || json_type(root) != JSON_OBJECT)
        return parsed == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_OK;

    static const char *const MEMBERS[] = {"ts_error_code", "error_code", "error"};
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS) && ret->code[0] == '\0'; i++)
        (void)take_code(json_member(root, MEMBERS[i]), ret);
    ret->upstream_code = shown_code(ret->code);

    const struct json *message = json_member(root, "message");
    if (!message)
        message = json_member(root, "error_description");
    if (message) {
        ret->session_gone = message_says(message, STR("Session not found"));
        ret->user_gone = message_says(message, STR("User not found"));
    }
    ret->token_is_bad = strcmp(ret->code, "unauthorized_request") == 0 ||
                        strcmp(ret->code, "invalid_token") == 0 ||
                        (message && message_says(message, STR("Invalid token")));
    return ERR_OK;
}
