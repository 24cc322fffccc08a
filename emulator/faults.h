/* SPDX-License-Identifier: Apache-2.0
 * Scripted faults: which call of which operation goes wrong, and how. Thread-safe. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "emulator/http.h"
#include "emulator/tamper.h"

enum { FAULT_RULES_MAX = 64, FAULT_TEXT_MAX = 64 };

struct fault {
    int64_t delay_ms; /* before the answer, after the effect */
    int status;       /* 0: as it comes */
    bool has_body;
    struct str body; /* owned by the rule; a copy when handed out */
    struct str headers;
    struct str content_type; /* ptr NULL: as it comes; "": none */
    struct wire_fault wire;
    bool execute;                /* the operation's effect takes place */
    const struct tamper *tamper; /* NULL: none */
    enum tamper_scope tamper_scope;
};

struct fault_rule {
    uint64_t number;
    char operation[FAULT_TEXT_MAX]; /* "*": every operation of the vendor */
    int64_t skip;                   /* calls that pass before the rule counts */
    int64_t remaining;              /* calls left; -1: no limit */
    double probability;
    uint64_t random_state;
    struct fault fault;
};

struct faults {
    pthread_mutex_t lock;
    struct fault_rule *rules[FAULT_RULES_MAX]; /* owned, oldest first */
    size_t count;
    uint64_t made;
};

void faults_init(struct faults *f);
void faults_finish(struct faults *f);
/* Reads a rule as POST /_emulator/faults takes it; the caller has checked the member names.
 * NULL: *ret_problem says what is wrong (literal). The caller destroys it or adds it. */
struct fault_rule *fault_rule_create(const struct json *body, const char **ret_problem);
void fault_rule_destroy(struct fault_rule *rule);
/* Takes the rule. 0: no room; else its number. */
uint64_t faults_add(struct faults *f, struct fault_rule *rule);
void faults_clear(struct faults *f);
/* What happens to the next call of the operation: the first rule that applies, used up by one.
 * Texts are copied into arena. False: nothing. */
NODISCARD bool faults_take(struct faults *f, const char *operation, struct arena *arena,
                           struct fault *ret);
/* Array of the rules still in force. */
void faults_write(struct faults *f, struct json_writer *w);
