/* SPDX-License-Identifier: Apache-2.0
 * What the emulator was asked, so that a test can say what must have happened. Names of members are
 * kept, values only of those that are no secret. Thread-safe; bounded. */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "base/json.h"

enum { CALLS_MAX = 20000, CALL_OPERATION_BYTES = 32 };

struct call_record {
    const char *operation; /* literal */
    struct str method, path;
    int status;
    const char *token_kind; /* literal: none, client, admin, user, invalid */
    bool executed;          /* the effect took place */
    bool fault;             /* a scripted fault was applied */
    uint64_t connection;
    struct str content_type, request_id, traceparent;
    struct str certificate;  /* thumbprint of the client's; ptr NULL: it showed none */
    struct str tokens;       /* in what way the tokens of the answer are wrong; ptr NULL: right */
    const struct json *body; /* borrowed during calls_add(); NULL: none */
};

struct kept_call {
    uint64_t number;
    char operation[CALL_OPERATION_BYTES];
    bool executed;
    char *json; /* owned: the record as an object */
};

struct calls {
    pthread_mutex_t lock;
    FILE *log;                        /* owned; NULL: none */
    struct kept_call kept[CALLS_MAX]; /* a ring */
    uint64_t made;                    /* number of the newest */
    uint64_t cleared;                 /* calls up to this number are gone */
};

/* log_file NULL: none. NULL when the file cannot be opened. */
struct calls *calls_create(const char *log_file);
void calls_destroy(struct calls *c);
void calls_add(struct calls *c, const struct call_record *record);
void calls_clear(struct calls *c);
/* {"calls": [...]} of one operation, or of all when operation.ptr is NULL. */
void calls_write(struct calls *c, struct str operation, struct buf *out);
/* {"count": n, "executed": n} */
void calls_write_count(struct calls *c, struct str operation, struct buf *out);
