/* SPDX-License-Identifier: Apache-2.0
 * The commands of the binary, one file each; main.c has the table. */
#pragma once

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, EXIT_CONFIG = 78 };

struct invocation {
    int argc;
    char **argv; /* what stands behind the command */
    char **envp; /* the BFF_ variables */
};

/* Each returns the exit code. */
int command_serve(const struct invocation *in);
int command_check(const struct invocation *in);
int command_audit(const struct invocation *in);
int command_print_config(const struct invocation *in);
int command_healthcheck(const struct invocation *in);
int command_doctor(const struct invocation *in);
int command_verify(const struct invocation *in);
int command_version(const struct invocation *in);
int command_docs(const struct invocation *in);
