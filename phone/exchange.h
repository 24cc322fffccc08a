/* SPDX-License-Identifier: Apache-2.0
 * One HTTP request and its answer: sent with libcurl, shown to whoever watches. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

struct exchange_target {
    const char *url; /* scheme://host:port */
    const char *ca;  /* PEM file or NULL */
};

struct exchange {
    const char *method, *path;
    const char *token;   /* Bearer, or NULL */
    struct str request;  /* JSON body; ptr NULL: none */
    int status;          /* 0: no answer */
    struct json *answer; /* owned; NULL: none, or no JSON */
};

enum exchange_view { VIEW_PEOPLE, VIEW_JSON };

/* Sends e->request and fills e->status and e->answer; shows both. False: no answer; the reason is
 * on stderr. */
NODISCARD bool exchange_run(const struct exchange_target *target, struct exchange *e,
                            enum exchange_view view);
void exchange_finish(struct exchange *e);
/* Text of a member of the answer; {NULL, 0} when absent. */
struct str exchange_text(const struct exchange *e, const char *name);
/* One line of narration. */
void exchange_note(enum exchange_view view, const char *text);
/* Once each, around all other calls. */
bool exchange_begin_all(void);
void exchange_end_all(void);
