/* SPDX-License-Identifier: Apache-2.0
 * A worker without its surroundings: the functions of net/, of the keeper and of outbound that
 * api/ calls are replaced here, so that a test can say what happens and see what was done. The loop
 * is real, its time stands still. One rig a test. */
#pragma once

#include "api/flow.h"

struct request { /* what the replaced request_ functions read and write */
    struct arena arena;
    const char *body;
    const char *authorization;
    const char *param;
    void (*on_end)(void *arg);
    void *on_end_arg;
    void (*on_gone)(void *arg);
    void *on_gone_arg;
    void (*on_stop)(void *arg);
    void *on_stop_arg;

    int status; /* 0: not answered yet */
    bool abandoned;
    struct failure failure; /* of request_fail() */
    struct buf reply;
};

struct rig {
    struct app app;
    struct config config;
    struct request req;

    bool has_token;
    uint64_t token_generation;
    int64_t token_fetched_ms;
    struct keeper_wait *token_wait; /* NULL: nobody waits */
    unsigned tokens_refused, tokens_refused_in_background;
    unsigned alarms;
    int alarm_status;    /* of the last one */
    struct keyset *keys; /* NULL: none fetched */
    struct keeper_wait *kid_wait;
    bool may_look_again; /* the keeper would fetch the keys for a bad signature */

    enum failure_kind permit; /* FAILURE_NONE: calls may go out */
    bool probe;
    unsigned permits, given_back;
    enum vendor_class permit_class; /* of the last one asked for */
    unsigned reports;
    enum failure_kind reported; /* the last one */
    bool reported_probe;
    bool no_repeats; /* the budget is used up */

    bool call_fails_to_start;
    unsigned calls;
    struct call_request call; /* the last one; its texts are copies */
    struct buf call_authorization, call_body;
    call_done_fn *call_done; /* NULL: no call under way */
    void *call_arg;
    bool call_sent; /* bytes may have left */
};

extern struct rig rig;

void rig_set_up(void);
void rig_tear_down(void);
/* The request ends, as after its answer was sent. */
void rig_end_request(void);
/* The call under way is answered. */
void rig_answer(int status, const char *body);
void rig_break(enum call_result result, bool may_have_been_sent);
/* The keeper answers who waits. */
void rig_token_arrives(enum err outcome);
void rig_kid_arrives(enum err outcome);
