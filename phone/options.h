/* SPDX-License-Identifier: Apache-2.0
 * Command line of the virtual phone. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/auto.h"

enum { APPROVAL_ITEMS_MAX = 16 };

enum phone_tamper { PHONE_HONEST, PHONE_SIGNATURE, PHONE_CHALLENGE, PHONE_APPROVAL };

/* All text is borrowed from argv or literal; NULL: not given. */
struct phone_options {
    const char *command;
    const char *bff;      /* URL of the service */
    const char *bff_ca;   /* PEM file */
    const char *emulator; /* URL: where the first user token comes from */
    const char *emulator_ca;
    const char *token_file; /* or from here */
    const char *user;
    const char *dir; /* key.pem and state.json */
    const char *key_type;
    const char *device_id;
    const char *challenge_of; /* directory of another phone, whose open challenge is used */
    const char *approval[APPROVAL_ITEMS_MAX]; /* key=value */
    size_t approval_count;
    enum phone_tamper tamper;
    bool reuse_challenge; /* the challenge of the last ceremony once more */
    bool json;            /* one JSON line for each exchange */
};

enum phone_options_result { PHONE_RUN, PHONE_HELP, PHONE_USAGE };

/* Prints what is wrong to err. *ret is complete only with PHONE_RUN. */
NODISCARD enum phone_options_result phone_options_parse(int argc, char **argv,
                                                        struct phone_options *ret, FILE *err);
void phone_options_help(FILE *out);
