/* SPDX-License-Identifier: Apache-2.0
 * The state of the emulated tenant, and one call on its way through it. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "emulator/calls.h"
#include "emulator/ceremonies.h"
#include "emulator/faults.h"
#include "emulator/http.h"
#include "emulator/options.h"
#include "emulator/server.h"
#include "emulator/signing.h"
#include "emulator/users.h"

/* The body shapes of the vendor's errors (contract 4.2). */
enum error_shape {
    SHAPE_DEFAULT, /* each operation's own */
    SHAPE_NUMERIC, /* E1: {message, error_code: 400} */
    SHAPE_CODED,   /* E3: E1 and ts_error_code */
    SHAPE_WORD,    /* E5: {error_code: "word", message} */
};

/* What the control API can change while the emulator runs. Guarded by emulator.lock. */
struct settings {
    int64_t keys_per_user_max;
    int64_t token_ttl_s;
    enum error_shape error_shape;
    bool decoy_for_unknown_user; /* start answers 200 with a challenge of nobody */
    bool approval_data_unasked;  /* in the ID token even when `claims` does not ask for it */
    bool issue_id_token, issue_refresh_token;
};

enum caller_kind { KIND_NONE, KIND_INVALID, KIND_CLIENT, KIND_ADMIN, KIND_USER, KIND_COUNT };

struct emulator {
    const struct options *options;
    struct server *server; /* owned */
    char base_url[320];    /* scheme://host:port */
    struct signing signing;
    struct faults faults;
    struct calls *calls;      /* owned */
    struct json *client_keys; /* owned; JWKS that verifies assertions, or NULL */
    EVP_PKEY *client_key;     /* owned; the one from a PEM file, or NULL */
    atomic_int_least64_t clock_shift_s;
    atomic_uint_least64_t tokens_made;
    atomic_uint_least64_t revoked_up_to[KIND_COUNT]; /* tokens with a number up to this are bad */

    pthread_mutex_t lock; /* guards all below */
    struct settings settings;
    struct users users;
    struct ceremonies ceremonies;
    struct table assertions; /* jti of client assertions; no values of its own */
};

NODISCARD bool emulator_init(struct emulator *e, const struct options *options);
void emulator_finish(struct emulator *e);
/* Unix seconds on the emulator's own, movable clock. */
int64_t emulator_now_s(struct emulator *e);

/* Who the Bearer token says it is. */
struct caller {
    enum caller_kind kind;
    struct str sub; /* arena */
};

struct call {
    struct emulator *emulator;
    struct connection *connection;
    const struct http_request *request;
    struct http_reply *reply;
    struct arena arena;
    struct json *body; /* owned; NULL: none */
    struct caller caller;
    int64_t now_s;
    const struct tamper *tamper; /* how tokens made in this call go wrong, or NULL */
    enum tamper_scope tamper_scope;
    bool executed; /* set by the handler once the effect has taken place */
};

typedef void (*call_handler)(struct call *call);

/* scheme://host:port as the caller reached it (Host), in the arena; NULL: out of memory. */
const char *call_base_url(struct call *call);

/* Text of a member of the body; {NULL, 0} when absent. */
static inline struct str call_text(const struct call *call, const char *name)
{
    return json_string(json_member(call->body, name));
}

/* ---- answers (reply.c) ---------------------------------------------------------------------- */

/* Starts a JSON answer; the handler writes the value. */
struct json_writer reply_json(struct call *call, int status);
void reply_empty(struct call *call, int status);
/* An error in the shape that the operation prefers, unless the settings say otherwise. */
void reply_error(struct call *call, int status, enum error_shape preferred, const char *word,
                 const char *message);
void reply_unauthorized(struct call *call);
void reply_internal(struct call *call);
