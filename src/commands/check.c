/* SPDX-License-Identifier: Apache-2.0
 * `check`: everything that start-up validates, without starting. For people the problems, a line
 * each, on standard error; with --json one document on standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/json.h"
#include "commands/load.h"
#include "resources.h"

enum { REPORT_BYTES_MAX = 1024 * 1024 };

/* The line without its prefix, if it has this one. */
static bool has_prefix(struct str *line, struct str prefix)
{
    if (!str_starts_with(*line, prefix))
        return false;
    *line = (struct str){line->ptr + prefix.len, line->len - prefix.len};
    return true;
}

static const char *severity_of(struct str *line)
{
    if (has_prefix(line, STR("note: ")))
        return "note";
    return has_prefix(line, STR("warning: ")) ? "warning" : "error";
}

/* The key that the line begins with, which is taken from it; empty: none. */
static struct str take_key(struct str *line)
{
    static const char KEY_CHARACTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    struct str key = {line->ptr, 0};

    if (!str_starts_with(*line, STR("BFF_")))
        return key;
    while (key.len < line->len && strchr(KEY_CHARACTERS, line->ptr[key.len]))
        key.len++;
    (void)has_prefix(line, key);
    (void)has_prefix(line, STR(":"));
    (void)has_prefix(line, STR(" "));
    return key;
}

static void write_message(struct json_writer *w, struct str line)
{
    const char *severity = severity_of(&line);
    const struct str key = take_key(&line);

    jw_object_begin(w);
    jw_member(w, "severity", str_of(severity));
    if (key.len > 0)
        jw_member(w, "key", key);
    jw_member(w, "text", line);
    jw_object_end(w);
}

static int print_json(const char *messages, int code)
{
    AUTO_BUF struct buf out;
    struct json_writer w;

    buf_init(&out, REPORT_BYTES_MAX);
    jw_init(&w, &out);
    jw_object_begin(&w);
    jw_member_bool(&w, "valid", code == EXIT_GOOD);
    jw_key(&w, "messages");
    jw_array_begin(&w);
    for (const char *at = messages; *at != '\0';) {
        const size_t len = strcspn(at, "\n");
        write_message(&w, (struct str){at, len});
        at += at[len] == '\n' ? len + 1 : len;
    }
    jw_array_end(&w);
    jw_object_end(&w);
    if (!buf_ok(&out)) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    (void)fprintf(stdout, "%.*s\n", (int)out.len, out.ptr);
    return code;
}

static int print_text(const char *messages, int code)
{
    (void)fputs(messages, stderr);
    if (code == EXIT_GOOD)
        (void)fputs("OK: the configuration is valid\n", stdout);
    return code;
}

static int examine(const struct invocation *in, struct own_flag *json, FILE *messages)
{
    struct config_loaded *loaded = NULL;
    struct resources resources = {0};

    int code = load_for_command(in, json, 1, CONFIG_FOR_SERVICE, messages, &loaded);
    if (code == EXIT_GOOD && !resources_load(loaded, NULL, messages, &resources))
        code = EXIT_CONFIG;
    resources_finish(&resources);
    config_free(loaded);
    crypto_finish();
    return code;
}

int command_check(const struct invocation *in)
{
    struct own_flag json = {"--json", false, NULL};
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    FILE *messages = open_memstream(&text, &len);

    if (!messages) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    const int code = examine(in, &json, messages);
    if (fclose(messages) != 0 || !text) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    return json.value ? print_json(text, code) : print_text(text, code);
}
