/* SPDX-License-Identifier: Apache-2.0
 * What `audit` looks for in a configuration that is valid: the table makes the findings and
 * docs/audit.md. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "config/config.h"
#include "resources.h"

/* X(enum, name), the worst first */
#define AUDIT_SEVERITIES(X)                                                                        \
    X(SEVERITY_CRITICAL, "critical")                                                               \
    X(SEVERITY_HIGH, "high")                                                                       \
    X(SEVERITY_MEDIUM, "medium")                                                                   \
    X(SEVERITY_LOW, "low")
enum audit_severity {
#define X(id, name) id,
    AUDIT_SEVERITIES(X)
#undef X
        SEVERITY_COUNT
};

struct audited {
    const struct config_loaded *loaded;
    const struct config *config;
    const struct resources *resources;
};

/* Does the rule find something? What, may be appended to detail: an address, a file, a number. */
typedef bool audit_fn(const struct audited *a, struct buf *detail);

struct audit_rule {
    const char *id; /* stable: what --ignore names */
    enum audit_severity severity;
    const char *key; /* of the configuration: what to change */
    audit_fn *finds;
    const char *what;
    const char *remedy;
};
/* NULL behind the last; the worst first. */
const struct audit_rule *audit_rule_at(size_t i);
const char *audit_severity_name(enum audit_severity severity);
NODISCARD bool audit_severity_parse(struct str name, enum audit_severity *ret);

/* docs/audit.md */
void audit_print_docs(FILE *out);
