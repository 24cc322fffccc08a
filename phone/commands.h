/* SPDX-License-Identifier: Apache-2.0
 * What can be done with the phone: one row a command. */
#pragma once

#include "phone/phone.h"

struct command {
    const char *name;
    const char *help;
    enum phone_outcome (*run)(struct phone *phone);
};

/* NULL: no such command. */
const struct command *command_find(const char *name);
void command_help(FILE *out);

/* ceremony.c */
enum phone_outcome command_start(struct phone *p);
enum phone_outcome command_login(struct phone *p);
enum phone_outcome command_approve(struct phone *p);
/* Keeps what an answer with a session carries. False: out of memory. */
NODISCARD bool session_keep(struct phone *p, const struct exchange *e);
