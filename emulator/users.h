/* SPDX-License-Identifier: Apache-2.0
 * The users of the emulated tenant and their device keys, in memory. Not thread-safe: the caller
 * holds the emulator's state lock, and everything borrowed from here ends with it. */
#pragma once

#include <openssl/evp.h>

#include "emulator/table.h"

enum { USERS_MAX = 100000, DEVICE_KEYS_MAX = 400000, FINGERPRINT_BYTES = 65 };

enum user_status { USER_ACTIVE, USER_INACTIVE, USER_LOCKED, USER_STATUS_COUNT };

struct device_key {
    struct device_key *next;
    EVP_PKEY *key; /* owned */
    char fingerprint[FINGERPRINT_BYTES];
    char *id, *type, *os, *device_id, *display_name; /* owned; the last two may be NULL */
};

struct user {
    char *id, *email, *phone_number, *username; /* owned; all but id may be NULL */
    enum user_status status;
    bool face;
    struct device_key *keys;
    size_t key_count;
};

struct users {
    struct table by_id;                           /* owns the users */
    struct table by_identifier;                   /* "type:value" -> user, borrowed */
    struct table keys_by_id, keys_by_fingerprint; /* borrowed */
};

enum users_result { USERS_OK, USERS_EXISTS, USERS_FULL };

const char *user_status_name(enum user_status status);
/* False leaves *ret alone. */
bool user_status_parse(struct str name, enum user_status *ret);

NODISCARD bool users_init(struct users *u);
void users_finish(struct users *u);
/* Takes user in every case. */
NODISCARD enum users_result users_add(struct users *u, struct user *user);
struct user *users_find(const struct users *u, struct str user_id);
/* type: email, phone_number, username or user_id. */
struct user *users_find_by(const struct users *u, struct str type, struct str value);
void user_destroy(struct user *user);

/* Takes key in every case. USERS_EXISTS: the key or its id is registered, for whichever user. */
NODISCARD enum users_result users_add_key(struct users *u, struct user *user,
                                          struct device_key *key);
const struct device_key *user_find_key(const struct user *user, struct str key_id);
/* False: the user has no such key. */
NODISCARD bool users_remove_key(struct users *u, struct user *user, struct str key_id);
void device_key_destroy(struct device_key *key);
