/* SPDX-License-Identifier: Apache-2.0
 * `audit`: what is valid in a configuration and yet not fit for production; exit status by the
 * worst finding. */
#include <stdio.h>

#include "base/crypto.h"
#include "base/json.h"
#include "commands/audit_rules.h"
#include "commands/own_flags.h"

enum { DETAIL_BYTES_MAX = 16 * 1024, REPORT_BYTES_MAX = 256 * 1024 };

struct report {
    struct json_writer json; /* with --json */
    bool as_json;
    const char *ignore; /* comma list; NULL: none */
    int fail_on;        /* severity; -1: never */
    size_t counts[SEVERITY_COUNT];
    bool failed;
};

static bool is_listed(const char *list, const char *id)
{
    const size_t len = strlen(id);

    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, id, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* A rule that nobody knows would be a risk that nobody accepted. */
static bool knows_all(const char *list)
{
    for (const char *at = list; at && *at;) {
        const size_t len = strcspn(at, ",");
        bool known = false;
        for (size_t i = 0; audit_rule_at(i) && !known; i++)
            known =
                strlen(audit_rule_at(i)->id) == len && strncmp(audit_rule_at(i)->id, at, len) == 0;
        if (!known) {
            (void)fprintf(stderr, "--ignore: no rule is called \"%.*s\"; docs audit lists them\n",
                          (int)len, at);
            return false;
        }
        at += at[len] == ',' ? len + 1 : len;
    }
    return true;
}

static void tell(struct report *r, const struct audit_rule *rule, struct str detail)
{
    const char *severity = audit_severity_name(rule->severity);

    if (!r->as_json) {
        (void)fprintf(stdout, "%-9s%-26s%s", severity, rule->id, rule->what);
        if (detail.len > 0)
            (void)fprintf(stdout, " (%.*s)", (int)detail.len, detail.ptr);
        (void)fprintf(stdout, ". %s%s%s.\n", rule->key ? rule->key : "", rule->key ? ": " : "",
                      rule->remedy);
        return;
    }
    jw_object_begin(&r->json);
    jw_member(&r->json, "rule", str_of(rule->id));
    jw_member(&r->json, "severity", str_of(severity));
    if (rule->key)
        jw_member(&r->json, "key", str_of(rule->key));
    jw_member(&r->json, "what", str_of(rule->what));
    if (detail.len > 0)
        jw_member(&r->json, "detail", detail);
    jw_member(&r->json, "remedy", str_of(rule->remedy));
    jw_object_end(&r->json);
}

static void apply(struct report *r, const struct audit_rule *rule, const struct audited *a)
{
    AUTO_BUF struct buf detail;

    buf_init(&detail, DETAIL_BYTES_MAX);
    if (is_listed(r->ignore, rule->id) || !rule->finds(a, &detail))
        return;
    r->counts[rule->severity]++;
    r->failed = r->failed || (int)rule->severity <= r->fail_on;
    tell(r, rule, buf_str(&detail));
}

static void sum_up(struct report *r)
{
    if (r->as_json)
        jw_key(&r->json, "counts");
    if (r->as_json)
        jw_object_begin(&r->json);
    for (size_t i = 0; i < SEVERITY_COUNT; i++) {
        const char *name = audit_severity_name((enum audit_severity)i);
        if (r->as_json)
            jw_member_int(&r->json, name, (int64_t)r->counts[i]);
        else
            (void)fprintf(stdout, "%s%zu %s", i > 0 ? ", " : "", r->counts[i], name);
    }
    if (r->as_json)
        jw_object_end(&r->json);
    else
        (void)fprintf(stdout, "; audit: %s\n", r->failed ? "FAILED" : "passed");
}

static int audit(struct report *r, const struct audited *a)
{
    AUTO_BUF struct buf out;

    buf_init(&out, REPORT_BYTES_MAX);
    jw_init(&r->json, &out);
    jw_object_begin(&r->json);
    jw_key(&r->json, "findings");
    jw_array_begin(&r->json);
    for (size_t i = 0; audit_rule_at(i); i++)
        apply(r, audit_rule_at(i), a);
    jw_array_end(&r->json);
    sum_up(r);
    jw_member_bool(&r->json, "failed", r->failed);
    jw_object_end(&r->json);
    if (r->as_json && !buf_ok(&out)) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    if (r->as_json)
        (void)fprintf(stdout, "%.*s\n", (int)out.len, out.ptr);
    return r->failed ? EXIT_FAILED : EXIT_GOOD;
}

static bool read_flags(struct report *r, const struct own_flag *flags)
{
    enum audit_severity severity = SEVERITY_HIGH;
    const char *fail_on = flags[1].value;

    r->as_json = flags[0].value != NULL;
    r->ignore = flags[2].value;
    if (fail_on && strcmp(fail_on, "never") != 0 &&
        !audit_severity_parse(str_of(fail_on), &severity)) {
        (void)fputs("--fail-on: give critical, high, medium, low or never\n", stderr);
        return false;
    }
    r->fail_on = fail_on && strcmp(fail_on, "never") == 0 ? -1 : (int)severity;
    return knows_all(r->ignore);
}

static int load_and_audit(struct report *r, const struct config_inputs *inputs)
{
    struct config_loaded *loaded = NULL;
    struct resources resources;
    int code = config_load(inputs, stderr, &loaded);

    if (code == 0 && !resources_load(loaded, NULL, stderr, &resources))
        code = EXIT_CONFIG;
    if (code == 0) {
        code = audit(r, &(struct audited){loaded, config_of(loaded), &resources});
        resources_finish(&resources);
    }
    config_free(loaded);
    return code;
}

int command_audit(const struct invocation *in)
{
    struct own_flag flags[] = {
        {"--json", false, NULL}, {"--fail-on", true, NULL}, {"--ignore", true, NULL}};
    AUTO_FREE char **rest = NULL;
    struct config_inputs inputs = {.purpose = CONFIG_FOR_SERVICE, .envp = in->envp};
    struct report report = {0};

    const int code = own_flags_take(flags, ARRAY_LEN(flags), in, &rest, &inputs.argc);
    if (code != EXIT_GOOD || !read_flags(&report, flags))
        return code != EXIT_GOOD ? code : EXIT_USAGE;
    inputs.argv = rest;
    if (!crypto_init()) {
        (void)fputs("OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    const int verdict = load_and_audit(&report, &inputs);
    crypto_finish();
    return verdict;
}
