/* SPDX-License-Identifier: Apache-2.0
 * The loop that runs an endpoint. An endpoint is a table of steps in reading order; a step does its
 * part and says ERR_OK (next step), ERR_PENDING (an operation was started; its callback goes on
 * with flow_continue() or flow_again() from the loop, never from inside) or how it failed. What all
 * endpoints share is here once: the body, the bearer, the call to the vendor, the answer, the
 * clean-up, the audit line. */
#pragma once

#include "api/app.h"
#include "api/schema.h"
#include "api/vendor_send.h"
#include "base/log.h"

struct flow;
typedef enum err step_fn(struct flow *f);

struct step {
    const char *name; /* literal; names the step in the log when it failed */
    step_fn *run;
};

/* X(enum, "metric label", "audit action" or NULL for none, "audit message") */
#define CEREMONY_TABLE(X)                                                                          \
    X(CEREMONY_START, "start", "ceremony.start", "A challenge was asked for")                      \
    X(CEREMONY_AUTHENTICATE, "authenticate", "ceremony.authenticate",                              \
      "A signed challenge was presented")                                                          \
    X(CEREMONY_REGISTER, "register", "ceremony.register", "A device key was presented")            \
    X(CEREMONY_DELETE_KEY, "delete_key", "ceremony.delete_key",                                    \
      "The deletion of a device key was asked for")                                                \
    X(CEREMONY_FACE_REVOKE, "face_revoke", "ceremony.face_revoke",                                 \
      "The revocation of the own face was asked for")                                              \
    X(CEREMONY_OPERATOR_FACE_REVOKE, "operator_face_revoke", "ceremony.operator_face_revoke",      \
      "An operator asked for the revocation of a face")                                            \
    X(CEREMONY_SESSION, "session", NULL, NULL)                                                     \
    X(CEREMONY_REFRESH, "refresh", "ceremony.refresh", "A refresh token was presented")            \
    X(CEREMONY_LOGOUT, "logout", "ceremony.logout", "The end of a session was asked for")          \
    X(CEREMONY_OTHER, "_OTHER", "ceremony.other", "Something else was asked for")
enum ceremony {
#define X(id, label, action, message) id,
    CEREMONY_TABLE(X)
#undef X
        CEREMONY_COUNT
};

/* One endpoint. */
struct story {
    enum ceremony ceremony;
    const struct step *steps;
    size_t step_count;
    size_t state_bytes; /* of the endpoint's own struct; 0: none */
    void (*finish)(
        struct flow *f); /* releases what the state holds beyond the arena; may be NULL */
};

/* What the audit line says; all borrowed until the request ends. */
struct audit {
    struct str user_id; /* set by flow_user() alone; only its hash is written */
    char user_hash[LOG_HASH_BYTES];
    struct str key_id;         /* hashed before it is written */
    struct str approval;       /* canonical approval data; likewise */
    const char *note;          /* literal or NULL: what the app must not see, "decoy" */
    const char *operator_name; /* name of the operator's key or NULL */
};

struct bearer {
    struct str token; /* ptr NULL: none presented yet */
    struct jwt_claims claims;
};

struct flow {
    struct request *req;
    struct app *app;
    struct arena *arena; /* the request's */
    const struct story *story;
    void *state; /* the endpoint's own struct, zeroed at the start */
    struct audit audit;

    struct json *body;    /* owned; NULL before flow_read_body() */
    struct bearer bearer; /* filled by the steps of bearer.h */

    struct buf call_body; /* what goes to the vendor */
    struct vendor_send send;
    const struct call_answer *answer; /* valid in the steps that directly follow a send */

    struct keeper_wait keys_wait; /* token_check() */
    bool keys_asked;
    enum err keys_outcome;

    int reply_status;
    struct buf reply;

    bool refreshing; /* a refresh is under way that `send` does not know of */

    size_t at; /* index of the step that runs or waits */
    struct failure failure;
    bool has_failed;
    bool has_retry;
    enum retry retry;
};

/* Begins; called by an endpoint's start function. */
void flow_start(struct request *req, const struct story *story);

/* ---- for steps */
/* Records the failure and returns its code, for `return flow_fail(...)`. */
NODISCARD enum err flow_fail(struct flow *f, struct failure failure);
/* The same with the table's text. reason: exact cause for our log; literal, arena or NULL. */
NODISCARD enum err flow_fail_with(struct flow *f, enum err code, const char *reason);
/* From here on every failure tells the app this, whatever the table says. */
void flow_retry_from_now(struct flow *f, enum retry retry);
/* Strict JSON, then the schema; fills *out, whose texts live as long as the request. */
NODISCARD enum err flow_read_body(struct flow *f, const struct schema *schema, void *out);
/* The first id in the path, decoded and checked (path_segment.h). */
NODISCARD enum err flow_read_path(struct flow *f, struct str *ret);
/* ERR_INVALID_REQUEST with one pointer: what a schema cannot say. */
NODISCARD enum err flow_refuse_member(struct flow *f, const char *pointer, const char *detail);
/* Status and an empty JSON buffer that the step fills (at most bytes_max). Without it: 204. */
struct buf *flow_reply_json(struct flow *f, int status, size_t bytes_max);
/* Whose request it is: for the audit line and the access line. */
void flow_user(struct flow *f, struct str user_id);

/* ---- for callbacks of what a step started; f may be gone when they return */
/* ERR_OK: next step. Else the failure recorded by flow_fail(), or the table's of that code. */
void flow_continue(struct flow *f, enum err outcome);
/* The waiting step once more. */
void flow_again(struct flow *f);

/* ---- shared steps */
/* Waits until a client token is there, so that the steps up to the send do not have to. */
NODISCARD enum err want_client_token(struct flow *f);
/* Asks ahead of flow_send() whether the call may go out, so that a refusal uses nothing up. */
NODISCARD enum err flow_permit(struct flow *f, enum vendor_call call);
/* The vendor answered 401 or 403 (f->send.failure), and not for the user: as the table says. */
NODISCARD enum err flow_fail_refused(struct flow *f);
/* The empty buffer for the body of the call that is sent next. */
struct buf *flow_call_body(struct flow *f);
/* Sends call_body (none when empty) and waits. Next step: the answer is a 2xx, or a 4xx other than
 * 429 that the caller maps (answer.h); everything else has ended the flow. */
NODISCARD enum err flow_send(struct flow *f, enum vendor_call call, enum vendor_token token);
/* "Bearer " and the verified bearer's token. */
NODISCARD enum err flow_send_as_user(struct flow *f, enum vendor_call call);

void flow_register_metrics(void);
/* Wall clock, Unix seconds: what token claims are compared with. */
int64_t flow_now_s(void);
