/* SPDX-License-Identifier: Apache-2.0
 * One table names the members of the file. */
#include "phone/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/crypto.h"

enum { STATE_BYTES_MAX = 256 * 1024 };

#define MEMBER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct phone_state, name)                                                  \
    }

static const struct {
    const char *name;
    size_t offset;
} MEMBERS[] = {
    MEMBER(user_id),      MEMBER(key_id),       MEMBER(key_type),      MEMBER(device_id),
    MEMBER(access_token), MEMBER(id_token),     MEMBER(refresh_token), MEMBER(session),
    MEMBER(challenge),    MEMBER(challenge_id),
};

static char **member_at(struct phone_state *s, size_t i)
{
    return (char **)((char *)s + MEMBERS[i].offset);
}

static void forget(char *text)
{
    if (text)
        crypto_cleanse(text, strlen(text));
    free(text);
}

bool phone_state_set(char **member, struct str value)
{
    char *copy = value.ptr ? strndup(value.ptr, value.len) : NULL;
    if (value.ptr && !copy)
        return false;
    forget(*member);
    *member = copy;
    return true;
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT;
    char *room = buf_room(out, STATE_BYTES_MAX);
    if (room)
        buf_added(out, fread(room, 1, STATE_BYTES_MAX, file));
    const bool read = room && !ferror(file);
    (void)fclose(file);
    return read;
}

bool phone_state_load(struct phone_state *s, const char *path)
{
    static const struct json_limits LIMITS = {
        .bytes_max = STATE_BYTES_MAX, .depth_max = 2, .values_max = 64};
    AUTO_BUF struct buf text = {0};
    AUTO_JSON struct json *root = NULL;
    struct json_error error;
    *s = (struct phone_state){0};
    buf_init(&text, STATE_BYTES_MAX);
    if (!read_file(path, &text)) {
        perror(path);
        return false;
    }
    if (text.len == 0)
        return true;
    if (json_parse(buf_str(&text), &LIMITS, &root, &error) != ERR_OK) {
        fprintf(stderr, "%s: damaged\n", path);
        return false;
    }
    bool copied = true;
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++)
        copied =
            phone_state_set(member_at(s, i), json_string(json_member(root, MEMBERS[i].name))) &&
            copied;
    return copied;
}

bool phone_state_save(const struct phone_state *s, const char *path)
{
    AUTO_BUF struct buf text = {0};
    struct json_writer w;
    buf_init(&text, STATE_BYTES_MAX);
    jw_init(&w, &text);
    jw_object_begin(&w);
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++) {
        const char *const *member = (const char *const *)((const char *)s + MEMBERS[i].offset);
        jw_member_opt(&w, MEMBERS[i].name, str_of(*member));
    }
    jw_object_end(&w);

    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file || !buf_ok(&text)) {
        perror(path);
        if (fd >= 0 && !file)
            (void)close(fd);
        if (file)
            (void)fclose(file);
        return false;
    }
    const bool written = fwrite(text.ptr, 1, text.len, file) == text.len;
    return fclose(file) == 0 && written;
}

void phone_state_finish(struct phone_state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++)
        forget(*member_at(s, i));
    *s = (struct phone_state){0};
}
