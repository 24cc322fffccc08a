/* SPDX-License-Identifier: Apache-2.0
 * `docs`: the reference pages that are made from the tables in the code, so that they cannot say
 * anything else. */
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log_events.h"
#include "commands/audit_rules.h"
#include "commands/commands.h"
#include "config/config.h"
#include "identity/resilience.h"
#include "observe/metrics.h"

enum { PAGE_BYTES_MAX = 256 * 1024 };

static void print_config_page(void)
{
    config_print_docs(stdout);
}

static void print_errors_page(void)
{
    (void)fputs(
        "# Errors\n\n"
        "<!-- Made by `biometrics-bff docs errors` from src/base/error.h. -->\n\n"
        "Every failure is `application/problem+json` (RFC 9457) with `code`, `request_id` and "
        "`retry`.\n"
        "`retry` says what the app should do: `same` (send the same request again, after\n"
        "`Retry-After` if given), `new_challenge` (call start again), `refresh` (refresh the\n"
        "session, then repeat), `login` (start a new login), `never`. The column shows the usual\n"
        "value; an operation that knows better gives another one.\n\n"
        "| status | code | retry | Retry-After | when |\n|---|---|---|---|---|\n",
        stdout);
    for (size_t i = 0; error_row_at(i); i++) {
        const struct error_row *row = error_row_at(i);
        (void)fprintf(stdout, "| %d | `%s` | `%s` | ", row->status, row->code,
                      retry_name(row->retry));
        if (row->retry_after_s > 0)
            (void)fprintf(stdout, "%d s ", row->retry_after_s);
        (void)fprintf(stdout, "| %s |\n", row->when);
    }
}

static void print_metrics_page(void)
{
    AUTO_BUF struct buf page;

    buf_init(&page, PAGE_BYTES_MAX);
    metrics_write_docs(&page);
    (void)fputs("# Metrics\n\n"
                "<!-- Made by `biometrics-bff docs metrics` from src/observe/metrics.h. -->\n\n"
                "`GET /metrics` on the management listener, Prometheus text format 0.0.4.\n\n",
                stdout);
    (void)fwrite(page.ptr, 1, page.len, stdout);
}

static void print_logs_page(void)
{
    AUTO_BUF struct buf page;

    buf_init(&page, PAGE_BYTES_MAX);
    log_events_write_docs(&page);
    (void)fputs(
        "# Log events\n\n"
        "<!-- Made by `biometrics-bff docs logs` from src/base/log_events.h. -->\n\n"
        "One JSON object a line on standard output, with the names of the Elastic Common Schema; "
        "text\n"
        "for people on a terminal (`BFF_LOG_FORMAT`). Every line has `@timestamp`, `log.level`,\n"
        "`message`, `event.action`, `event.kind`, `event.category`, `event.type`, `ecs.version`,\n"
        "`service.name` and `service.version`; a field without a value is left out, and a line "
        "that\n"
        "would be longer than 8 KiB has `log.truncated` instead of what did not fit. "
        "`event.duration`\n"
        "is in nanoseconds. What happens once in the life of the process or was asked for is "
        "written\n"
        "whatever `BFF_LOG_LEVEL` says, with level `info`: `service.*` of start, end and state,\n"
        "`listener.ready`, `log.level` and a `config.reload` that succeeded. `user.hash`, "
        "`key.hash` and `bff.approval.hash` are the first 12 bytes "
        "of an\n"
        "HMAC-SHA-256 with a key derived from the first sealing key: the same for all replicas "
        "that\n"
        "share it. Each ceremony ends in exactly one `ceremony.*` line; `span.id` is unique to a\n"
        "request and joins it with the access line.\n\n",
        stdout);
    (void)fwrite(page.ptr, 1, page.len, stdout);
}

static void print_resilience_page(void)
{
    AUTO_BUF struct buf page;

    buf_init(&page, PAGE_BYTES_MAX);
    resilience_write_docs(&page);
    (void)fputs(
        "# When a call to the vendor fails\n\n"
        "<!-- Made by `biometrics-bff docs resilience` from src/identity/resilience.h. -->\n\n"
        "The service takes its decisions from this table; openapi/biometrics-bff.yaml quotes it "
        "as\n"
        "`x-resilience`. Waiting and repeating are inside BFF_REQUEST_TIMEOUT_MS, and repeats "
        "within\n"
        "BFF_UPSTREAM_REPEATS_PERCENT of all calls. A repeat "
        "that\n"
        "libcurl makes because a pooled connection turned out to be dead, and nothing was sent on\n"
        "it, is none.\n\n",
        stdout);
    (void)fwrite(page.ptr, 1, page.len, stdout);
}

static void print_config_schema(void)
{
    (void)!config_print_schema(stdout);
}

static void print_audit_page(void)
{
    audit_print_docs(stdout);
}

static const struct {
    const char *name;
    void (*print)(void);
} PAGES[] = {
    {"audit", print_audit_page},
    {"config", print_config_page},
    {"config-schema", print_config_schema},
    {"errors", print_errors_page},
    {"logs", print_logs_page},
    {"metrics", print_metrics_page},
    {"resilience", print_resilience_page},
};

int command_docs(const struct invocation *in)
{
    for (size_t i = 0; in->argc == 1 && i < ARRAY_LEN(PAGES); i++) {
        if (str_is(str_of(in->argv[0]), PAGES[i].name)) {
            PAGES[i].print();
            return EXIT_GOOD;
        }
    }
    (void)fputs(
        "usage: biometrics-bff docs audit|config|config-schema|errors|logs|metrics|resilience\n",
        stderr);
    return EXIT_USAGE;
}
