/* SPDX-License-Identifier: Apache-2.0
 * Operator keys: the file, the look-up, the step. */
#include "api/operator_auth.h"

#include <errno.h>

#include "api/bearer.h"
#include "base/crypto.h"
#include "base/file_open.h"
#include "base/secret.h"

enum { FILE_BYTES_MAX = 64 * 1024 };

struct operator_key {
    char name[OPERATOR_NAME_MAX + 1];
    uint8_t hash[SHA256_BYTES];
};

struct operator_keys {
    size_t count;
    struct operator_key rows[OPERATOR_KEYS_MAX];
};

/* NULL, or what is wrong with the line. */
static const char *add_line(struct operator_keys *k, struct str line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return "not of the form name:sha256-hex";
    const struct str name = {line.ptr, (size_t)(colon - line.ptr)};
    const struct str hex = {colon + 1, line.len - name.len - 1};
    if (name.len == 0 || name.len > OPERATOR_NAME_MAX || !schema_alphabet_has(ALPHABET_WORD, name))
        return "the name must be 1 to 64 of letters, digits, '_', '.' and '-'";
    if (k->count == OPERATOR_KEYS_MAX)
        return "more than 64 keys";

    struct operator_key *row = &k->rows[k->count];
    if (hex.len != 2 * SHA256_BYTES || !hex_decode(hex, row->hash, SHA256_BYTES))
        return "the hash must be 64 hex digits (SHA-256 of the key)";
    memcpy(row->name, name.ptr, name.len);
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(k->rows[i].name, row->name) == 0)
            return "the name is there twice";
    }
    k->count++;
    return NULL;
}

static struct str trim_right(struct str line)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\r' ||
                            line.ptr[line.len - 1] == '\t'))
        line.len--;
    return line;
}

static enum err parse_lines(struct operator_keys *k, struct str text, const char *where,
                            struct err_text *reterr)
{
    size_t begin = 0;
    unsigned number = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != '\n')
            continue;
        number++;
        const struct str line = trim_right((struct str){text.ptr + begin, i - begin});
        begin = i + 1;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        const char *what = add_line(k, line);
        if (what)
            return err_set(reterr, ERR_INVALID_REQUEST, "%s:%u: %s", where, number, what);
    }
    if (k->count == 0)
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: no operator key in it", where);
    return ERR_OK;
}

enum err operator_keys_parse(struct str text, const char *where, struct operator_keys **ret,
                             struct err_text *reterr)
{
    struct operator_keys *k = secret_alloc(sizeof *k);
    if (!k)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    const enum err e = parse_lines(k, text, where, reterr);
    if (e == ERR_OK)
        *ret = k;
    else
        operator_keys_free(k);
    return e;
}

enum err operator_keys_load(const char *file, struct operator_keys **ret, struct err_text *reterr)
{
    const char *why = NULL;
    AUTO_CLOSE int fd = file_open(file, &why);
    if (fd < 0)
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: %s", file, why);

    AUTO_BUF struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    for (;;) {
        char chunk[4096];
        const ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0)
            return err_set(reterr, ERR_INVALID_REQUEST, "%s: %s", file, strerror(errno));
        if (got == 0)
            break;
        buf_append(&text, (struct str){chunk, (size_t)got});
    }
    if (!buf_ok(&text))
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: larger than 64 KiB", file);
    return operator_keys_parse(buf_str(&text), file, ret, reterr);
}

void operator_keys_free(struct operator_keys *k)
{
    secret_free(k);
}

const char *operator_keys_find(const struct operator_keys *k, struct str key)
{
    uint8_t hash[SHA256_BYTES];
    if (!crypto_sha256(key, hash))
        return NULL; /* fail closed; crypto_lacked_memory() tells why */

    const char *found = NULL;
    for (size_t i = 0; i < k->count; i++) {
        const struct str known = {(const char *)k->rows[i].hash, SHA256_BYTES};
        if (crypto_equal(known, (struct str){(const char *)hash, SHA256_BYTES}))
            found = k->rows[i].name;
    }
    return found;
}

enum err operator_check(struct flow *f)
{
    const enum err present = bearer_present(f);
    if (present != ERR_OK)
        return present;
    (void)crypto_lacked_memory(); /* of earlier */
    if (f->app->operator_keys)
        f->audit.operator_name = operator_keys_find(f->app->operator_keys, f->bearer.token);
    if (f->audit.operator_name)
        return ERR_OK;
    if (crypto_lacked_memory())
        return ERR_NO_MEMORY;
    return flow_fail_with(f, ERR_INVALID_TOKEN, "no operator key");
}
