/* SPDX-License-Identifier: Apache-2.0
 * Four indexes over users and keys; users are never deleted, so borrowed entries stay valid. */
#include "emulator/users.h"

#include <stdio.h>

static const char *const STATUS_NAMES[USER_STATUS_COUNT] = {
    [USER_ACTIVE] = "active", [USER_INACTIVE] = "inactive", [USER_LOCKED] = "locked"};

const char *user_status_name(enum user_status status)
{
    return STATUS_NAMES[status];
}

bool user_status_parse(struct str name, enum user_status *ret)
{
    for (size_t i = 0; i < USER_STATUS_COUNT; i++) {
        if (str_is(name, STATUS_NAMES[i])) {
            *ret = (enum user_status)i;
            return true;
        }
    }
    return false;
}

void device_key_destroy(struct device_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    free(key->id);
    free(key->type);
    free(key->os);
    free(key->device_id);
    free(key->display_name);
    free(key);
}

void user_destroy(struct user *user)
{
    if (!user)
        return;
    while (user->keys) {
        struct device_key *next = user->keys->next;
        device_key_destroy(user->keys);
        user->keys = next;
    }
    free(user->id);
    free(user->email);
    free(user->phone_number);
    free(user->username);
    free(user);
}

static void destroy_user(void *user)
{
    user_destroy(user);
}

bool users_init(struct users *u)
{
    *u = (struct users){0};
    return table_init(&u->by_id, USERS_MAX, destroy_user) &&
           table_init(&u->by_identifier, 3 * USERS_MAX, NULL) &&
           table_init(&u->keys_by_id, DEVICE_KEYS_MAX, NULL) &&
           table_init(&u->keys_by_fingerprint, DEVICE_KEYS_MAX, NULL);
}

void users_finish(struct users *u)
{
    table_finish(&u->keys_by_fingerprint);
    table_finish(&u->keys_by_id);
    table_finish(&u->by_identifier);
    table_finish(&u->by_id);
}

/* ---- users --------------------------------------------------------------------------------- */

enum { INDEX_KEY_BYTES_MAX = 600 };

static struct str index_key(char *out, struct str type, struct str value)
{
    const int len = snprintf(out, INDEX_KEY_BYTES_MAX, "%.*s:%.*s", (int)type.len, type.ptr,
                             (int)value.len, value.ptr);
    return (struct str){out, (size_t)len < INDEX_KEY_BYTES_MAX ? (size_t)len : 0};
}

struct user *users_find(const struct users *u, struct str user_id)
{
    return table_find(&u->by_id, user_id);
}

struct user *users_find_by(const struct users *u, struct str type, struct str value)
{
    char text[INDEX_KEY_BYTES_MAX];
    if (str_is(type, "user_id"))
        return users_find(u, value);
    return table_find(&u->by_identifier, index_key(text, type, value));
}

static bool is_taken(const struct users *u, const struct user *user)
{
    return users_find(u, str_of(user->id)) ||
           (user->email && users_find_by(u, STR("email"), str_of(user->email))) ||
           (user->phone_number &&
            users_find_by(u, STR("phone_number"), str_of(user->phone_number))) ||
           (user->username && users_find_by(u, STR("username"), str_of(user->username)));
}

static bool index_identifier(struct users *u, struct user *user, const char *type,
                             const char *value)
{
    char text[INDEX_KEY_BYTES_MAX];
    return !value ||
           table_put(&u->by_identifier, index_key(text, str_of(type), str_of(value)), user);
}

enum users_result users_add(struct users *u, struct user *user)
{
    if (is_taken(u, user)) {
        user_destroy(user);
        return USERS_EXISTS;
    }
    if (u->by_id.count >= USERS_MAX || !table_put(&u->by_id, str_of(user->id), user)) {
        user_destroy(user);
        return USERS_FULL;
    }
    /* From here the table owns it; a missing index entry only makes it unfindable by that name. */
    const bool indexed = index_identifier(u, user, "email", user->email) &&
                         index_identifier(u, user, "phone_number", user->phone_number) &&
                         index_identifier(u, user, "username", user->username);
    return indexed ? USERS_OK : USERS_FULL;
}

/* ---- device keys --------------------------------------------------------------------------- */

enum users_result users_add_key(struct users *u, struct user *user, struct device_key *key)
{
    const struct str id = str_of(key->id), fingerprint = str_of(key->fingerprint);
    const bool taken =
        table_find(&u->keys_by_id, id) || table_find(&u->keys_by_fingerprint, fingerprint);
    if (taken || u->keys_by_id.count >= DEVICE_KEYS_MAX || !table_put(&u->keys_by_id, id, key)) {
        device_key_destroy(key);
        return taken ? USERS_EXISTS : USERS_FULL;
    }
    if (!table_put(&u->keys_by_fingerprint, fingerprint, key)) {
        table_remove(&u->keys_by_id, id);
        device_key_destroy(key);
        return USERS_FULL;
    }
    key->next = user->keys;
    user->keys = key;
    user->key_count++;
    return USERS_OK;
}

const struct device_key *user_find_key(const struct user *user, struct str key_id)
{
    const struct device_key *key = user->keys;
    while (key && !str_is(key_id, key->id))
        key = key->next;
    return key;
}

bool users_remove_key(struct users *u, struct user *user, struct str key_id)
{
    struct device_key **link = &user->keys;
    while (*link && !str_is(key_id, (*link)->id))
        link = &(*link)->next;
    struct device_key *key = *link;
    if (!key)
        return false;
    *link = key->next;
    user->key_count--;
    table_remove(&u->keys_by_id, str_of(key->id));
    table_remove(&u->keys_by_fingerprint, str_of(key->fingerprint));
    device_key_destroy(key);
    return true;
}
