/* SPDX-License-Identifier: Apache-2.0
 * One table for the options; the commands are in commands.c. */
#include "phone/options.h"

#include <stddef.h>
#include <string.h>

#include "phone/commands.h"

enum phone_option_kind { KIND_TEXT, KIND_FLAG, KIND_KEY_TYPE, KIND_TAMPER, KIND_APPROVAL };

struct phone_option_row {
    const char *name;
    enum phone_option_kind kind;
    size_t offset; /* in struct phone_options */
    const char *help;
};

#define AT(member) offsetof(struct phone_options, member)

static const struct phone_option_row OPTIONS[] = {
    {"--bff", KIND_TEXT, AT(bff), "URL of the service (http://127.0.0.1:8080)"},
    {"--bff-ca", KIND_TEXT, AT(bff_ca), "PEM file that the service's certificate is checked with"},
    {"--emulator", KIND_TEXT, AT(emulator), "URL of the emulator, for the first user token"},
    {"--emulator-ca", KIND_TEXT, AT(emulator_ca), "PEM file for the emulator's certificate"},
    {"--token-file", KIND_TEXT, AT(token_file), "file with the first user token"},
    {"--user", KIND_TEXT, AT(user), "user id (that of the stored state, else a new user)"},
    {"--dir", KIND_TEXT, AT(dir), "directory of the phone's key and state (./phone)"},
    {"--key", KIND_KEY_TYPE, AT(key_type), "ec or rsa, for a new key (ec)"},
    {"--device-id", KIND_TEXT, AT(device_id), "device id that the ceremonies are bound to"},
    {"--data", KIND_APPROVAL, 0, "approve: one key=value of the transaction; repeatable"},
    {"--tamper", KIND_TAMPER, AT(tamper), "be dishonest about: signature, challenge or approval"},
    {"--reuse-challenge", KIND_FLAG, AT(reuse_challenge), "login: send the last ceremony again"},
    {"--challenge-of", KIND_TEXT, AT(challenge_of),
     "login: use the challenge of another phone's DIR"},
    {"--json", KIND_FLAG, AT(json), "one JSON line for each exchange"},
};

static bool set_key_type(const char **ret, const char *value)
{
    *ret = value;
    return strcmp(value, "ec") == 0 || strcmp(value, "rsa") == 0;
}

static bool set_tamper(enum phone_tamper *ret, const char *value)
{
    static const char *const NAMES[] = {[PHONE_HONEST] = "",
                                        [PHONE_SIGNATURE] = "signature",
                                        [PHONE_CHALLENGE] = "challenge",
                                        [PHONE_APPROVAL] = "approval"};
    for (size_t i = PHONE_SIGNATURE; i < ARRAY_LEN(NAMES); i++) {
        if (strcmp(value, NAMES[i]) == 0) {
            *ret = (enum phone_tamper)i;
            return true;
        }
    }
    return false;
}

static bool add_approval(struct phone_options *o, const char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || o->approval_count == APPROVAL_ITEMS_MAX)
        return false;
    o->approval[o->approval_count++] = value;
    return true;
}

static bool set_value(const struct phone_option_row *row, struct phone_options *o,
                      const char *value)
{
    void *at = (char *)o + row->offset;
    switch (row->kind) {
    case KIND_TEXT:
        *(const char **)at = value;
        return *value != '\0';
    case KIND_FLAG:
        *(bool *)at = true;
        return true;
    case KIND_KEY_TYPE:
        return set_key_type(at, value);
    case KIND_TAMPER:
        return set_tamper(at, value);
    case KIND_APPROVAL:
        return add_approval(o, value);
    }
    return false;
}

static const struct phone_option_row *find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if (strcmp(OPTIONS[i].name, name) == 0)
            return &OPTIONS[i];
    }
    return NULL;
}

/* *at moves to the last argument used. */
static bool take_option(int argc, char **argv, int *at, struct phone_options *o, FILE *err)
{
    const struct phone_option_row *row = find_row(argv[*at]);
    if (!row) {
        fprintf(err, "unknown option %s (see --help)\n", argv[*at]);
        return false;
    }
    const char *value = NULL;
    if (row->kind != KIND_FLAG && *at + 1 < argc)
        value = argv[++*at];
    if ((row->kind != KIND_FLAG && !value) || !set_value(row, o, value)) {
        fprintf(err, "%s: wrong or missing value (%s)\n", row->name, row->help);
        return false;
    }
    return true;
}

static bool take_command(const char *name, struct phone_options *o, FILE *err)
{
    if (o->command || !command_find(name)) {
        fprintf(err, o->command ? "only one command at a time: %s\n" : "unknown command %s\n",
                name);
        return false;
    }
    o->command = name;
    return true;
}

enum phone_options_result phone_options_parse(int argc, char **argv, struct phone_options *ret,
                                              FILE *err)
{
    *ret =
        (struct phone_options){.bff = "http://127.0.0.1:8080", .dir = "./phone", .key_type = "ec"};
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0)
            return PHONE_HELP;
        const bool taken = argv[at][0] == '-' ? take_option(argc, argv, &at, ret, err)
                                              : take_command(argv[at], ret, err);
        if (!taken)
            return PHONE_USAGE;
    }
    if (ret->command)
        return PHONE_RUN;
    fprintf(err, "no command (see --help)\n");
    return PHONE_USAGE;
}

void phone_options_help(FILE *out)
{
    fprintf(out, "virtual-phone: a mobile device on the command line\n\n"
                 "Usage: virtual-phone [options] COMMAND\n\nCommands:\n");
    command_help(out);
    fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        fprintf(out, "  %-18s %s\n", OPTIONS[i].name, OPTIONS[i].help);
    fprintf(out, "\nExit status: 0 done, 1 refused by the service, 2 no answer, 64 usage.\n");
}
