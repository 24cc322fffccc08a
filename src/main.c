/* SPDX-License-Identifier: Apache-2.0
 * biometrics-bff: finds the command and runs it in a hardened process. */
#include <stdio.h>

#include "commands/commands.h"
#include "config/config.h"
#include "process.h"

struct command {
    const char *name;
    int (*run)(const struct invocation *in);
    const char *summary; /* NULL: not listed */
    const char *usage;   /* of its own flags, NULL: none */
    bool takes_configuration;
};

static const struct command COMMANDS[] = {
    {"serve", command_serve, "run the service (the default)", NULL, true},
    {"check", command_check, "validate the configuration and what it points at",
     "  --json             one JSON document\n", true},
    {"audit", command_audit, "say what in a valid configuration is not fit for production",
     "  --fail-on SEVERITY  critical, high (default), medium, low or never: exit status 1 from "
     "there on\n"
     "  --ignore RULES      comma list of rules to leave out\n"
     "  --json              one JSON document\n",
     true},
    {"print-config", command_print_config,
     "print the effective configuration, without secrets, and where each value came from",
     "  --json             one JSON object by key\n", true},
    {"healthcheck", command_healthcheck, "ask the management listener whether the service is ready",
     "  --live             whether it is alive, ready or not\n", true},
    {"doctor", command_doctor, "try DNS, TLS, the clock, discovery, token and key set: a line each",
     "  --json             a JSON object a line\n", true},
    {"verify", command_verify, "verify the compact JWS on standard input",
     "  --jwks FILE        key set (required)\n"
     "  --alg LIST         accepted algorithms; default: BFF_JWT_ALGORITHMS\n"
     "  --signature-only   structure and signature alone, any payload, no configuration\n",
     true},
    {"version", command_version, "print the version", NULL, false},
    {"docs", command_docs, NULL, "  docs audit|config|config-schema|errors|metrics|resilience\n",
     false},
};

static const struct command *find_command(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        if (str_is(name, COMMANDS[i].name))
            return &COMMANDS[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    (void)fputs("usage: biometrics-bff [COMMAND] [FLAGS]\n\ncommands:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        if (COMMANDS[i].summary)
            (void)fprintf(out, "  %-13s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    }
    (void)fputs("\nCOMMAND --help prints its flags. Exit codes: 0 good, 1 failed, 64 usage, 78 "
                "configuration.\n\n",
                out);
}

static void print_help(const struct command *command)
{
    (void)fprintf(stdout, "usage: biometrics-bff %s [FLAGS]\n", command->name);
    if (command->summary)
        (void)fprintf(stdout, "  %s\n", command->summary);
    if (command->usage)
        (void)fprintf(stdout, "\n%s", command->usage);
    if (command->takes_configuration) {
        (void)fputc('\n', stdout);
        config_print_help(stdout);
    }
}

static bool has_flag(const struct invocation *in, const char *flag)
{
    for (int i = 0; i < in->argc; i++) {
        if (strcmp(in->argv[i], flag) == 0)
            return true;
    }
    return false;
}

static int dispatch(int argc, char **argv, char **envp)
{
    const bool named = argc > 1 && argv[1][0] != '-';
    const struct command *command = named ? find_command(str_of(argv[1])) : &COMMANDS[0];
    const int skip = named ? 2 : 1;
    const struct invocation in = {argc > skip ? argc - skip : 0, argv + skip, envp};

    if (!command) {
        (void)fprintf(stderr, "unknown command \"%.40s\"\n", argv[1]);
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (has_flag(&in, "--help") || has_flag(&in, "-h")) {
        if (!named)
            print_overview(stdout);
        print_help(command);
        return EXIT_GOOD;
    }
    if (!named && has_flag(&in, "--version"))
        return command_version(&in);
    return command->run(&in);
}

int main(int argc, char **argv)
{
    process_tune_memory();
    char **envp = process_take_environment();

    if (!envp || !process_harden()) {
        (void)fputs("cannot start: the process cannot be hardened or memory is out\n", stderr);
        process_free_environment(envp);
        return EXIT_FAILED;
    }
    const int code = dispatch(argc, argv, envp);
    process_free_environment(envp);
    return code;
}
