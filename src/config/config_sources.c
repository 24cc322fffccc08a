/* SPDX-License-Identifier: Apache-2.0
 * The three places where options come from; see config_sources.h. They are looked at from the
 * strongest to the weakest, so a text that is there already stays. */
#include "config/config_sources.h"

#include "base/secret.h"

enum { FILE_BYTES_MAX = 64 * 1024, WHERE_BYTES = 512 };

#define CONFIG_FILE_KEY "BFF_CONFIG"

struct collector {
    struct problems *problems;
    struct raw_value *raws;
    const char *file;       /* borrowed from argv or envp; NULL: none */
    const char *file_where; /* literal */
};

static bool is_whole(struct raw_value *raw)
{
    if (raw->text && raw->where)
        return true;
    raw_clear(raw);
    return false;
}

bool raw_set(struct raw_value *raw, struct str text, enum config_source source, const char *where)
{
    raw_clear(raw);
    *raw = (struct raw_value){
        .text = config_copy(text), .where = config_copy(str_of(where)), .source = source};
    return is_whole(raw);
}

bool raw_set_secret(struct raw_value *raw, struct str text, enum config_source source,
                    const char *where)
{
    raw_clear(raw);
    *raw = (struct raw_value){.text = secret_copy(text),
                              .where = config_copy(str_of(where)),
                              .source = source,
                              .is_secret = true};
    return is_whole(raw);
}

void raw_clear(struct raw_value *raw)
{
    if (raw->is_secret)
        secret_free(raw->text);
    else
        config_free_text(raw->text);
    free(raw->where);
    *raw = (struct raw_value){0};
}

static void offer(struct collector *c, enum option_id id, struct str text,
                  enum config_source source, const char *where)
{
    struct raw_value *raw = &c->raws[id];

    /* Of two equal flags the last counts, as on any command line. */
    if (raw->text && !(source == SOURCE_FLAG && raw->source == SOURCE_FLAG))
        return;
    const bool set = option_is_secret(id) ? raw_set_secret(raw, text, source, where)
                                          : raw_set(raw, text, source, where);
    if (!set)
        problem_no_memory(c->problems, OPTIONS[id].key);
}

/* ---- command line */

static void unknown_flag(struct collector *c, struct str flag)
{
    char key[64] = "BFF_";
    size_t at = strlen(key);

    for (size_t i = 0; i < flag.len && at < sizeof(key) - 1; i++) {
        const char ch = flag.ptr[i];
        const bool lower = ch >= 'a' && ch <= 'z';
        key[at++] = ch == '-' ? '_' : lower ? (char)(ch - 'a' + 'A') : ch;
    }
    key[at] = '\0';

    const struct option *near = option_nearest(str_of(key));
    char near_flag[OPTION_FLAG_BYTES] = "";
    char quoted[QUOTED_BYTES];
    if (near)
        option_flag((enum option_id)(near - OPTIONS), near_flag);
    config_quote(flag, quoted);
    if (near_flag[0] != '\0')
        problem_usage(c->problems, "unknown flag %s: did you mean %s?", quoted, near_flag);
    else
        problem_usage(c->problems, "unknown flag %s: --help lists the flags", quoted);
}

/* A flag without its value; rest: the arguments behind it. Returns how many of them it used. */
static int take_flag_value(struct collector *c, enum option_id id, int rest_count, char **rest)
{
    const bool has_next = rest_count > 0 && strncmp(rest[0], "--", 2) != 0;
    char where[WHERE_BYTES], flag[OPTION_FLAG_BYTES];

    option_flag(id, flag);
    (void)snprintf(where, sizeof(where), "flag %s", flag);
    if (has_next) {
        offer(c, id, str_of(rest[0]), SOURCE_FLAG, where);
        return 1;
    }
    if (OPTIONS[id].kind == OPTION_BOOL)
        offer(c, id, STR("true"), SOURCE_FLAG, where);
    else
        problem_usage(c->problems, "flag %s needs a value", flag);
    return 0;
}

/* One "--name" or "--name=value". Returns how many of the arguments behind it were used. */
static int take_flag(struct collector *c, const char *arg, int rest_count, char **rest)
{
    const char *equals = strchr(arg, '=');
    const struct str name = {arg, equals ? (size_t)(equals - arg) : strlen(arg)};
    const bool has_next = rest_count > 0 && strncmp(rest[0], "--", 2) != 0;
    enum option_id id;

    if (str_is(name, "config")) {
        if (!equals && !has_next) {
            problem_usage(c->problems, "flag --config needs a value");
            return 0;
        }
        c->file = equals ? equals + 1 : rest[0];
        c->file_where = "flag --config";
        return equals ? 0 : 1;
    }
    if (!option_find_flag(name, &id)) {
        unknown_flag(c, name);
        return !equals && has_next ? 1 : 0;
    }
    if (option_is_secret(id)) {
        /* Its value is not echoed, also not as a stray argument. */
        problem_usage(c->problems, "a secret has no flag: use %s or %s_FILE in the environment",
                      OPTIONS[id].key, OPTIONS[id].key);
        return !equals && has_next ? 1 : 0;
    }
    if (!equals)
        return take_flag_value(c, id, rest_count, rest);

    char where[WHERE_BYTES];
    (void)snprintf(where, sizeof(where), "flag --%.*s", (int)name.len, name.ptr);
    offer(c, id, str_of(equals + 1), SOURCE_FLAG, where);
    return 0;
}

static void collect_flags(struct collector *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            i += take_flag(c, argv[i] + 2, argc - i - 1, argv + i + 1);
            continue;
        }
        char quoted[QUOTED_BYTES];
        config_quote(str_of(argv[i]), quoted);
        problem_usage(c->problems, "unexpected argument %s: flags begin with --", quoted);
    }
}

/* ---- environment */

static void unknown_key(struct collector *c, struct str key, const char *where)
{
    const struct option *near = option_nearest(key);
    char quoted[QUOTED_BYTES];

    config_quote(key, quoted);
    if (near)
        problem_value(c->problems, "%s: unknown key (%s): did you mean %s?", quoted, where,
                      near->key);
    else
        problem_value(c->problems, "%s: unknown key (%s): --help lists the keys", quoted, where);
}

/* What Kubernetes puts into every pod of the namespace for a Service that is called "bff". */
static bool is_injected_by_kubernetes(struct str key)
{
    return str_is(key, "BFF_SERVICE_HOST") || str_starts_with(key, STR("BFF_SERVICE_PORT")) ||
           str_starts_with(key, STR("BFF_PORT"));
}

static void collect_environment(struct collector *c, char **envp)
{
    for (char **e = envp; e && *e; e++) {
        const char *equals = strchr(*e, '=');
        if (!equals || strncmp(*e, "BFF_", 4) != 0)
            continue;

        const struct str key = {*e, (size_t)(equals - *e)};
        enum option_id id;
        if (str_is(key, CONFIG_FILE_KEY)) {
            if (!c->file && equals[1] != '\0') {
                c->file = equals + 1;
                c->file_where = "environment";
            }
        } else if (option_find(key, &id)) {
            offer(c, id, str_of(equals + 1), SOURCE_ENVIRONMENT, "environment");
        } else if (is_injected_by_kubernetes(key)) {
            (void)fprintf(c->problems->out,
                          "note: %.*s is ignored: Kubernetes injects it for a Service named bff\n",
                          (int)key.len, key.ptr);
        } else {
            unknown_key(c, key, "environment");
        }
    }
}

/* ---- file */

static struct str trim(struct str s)
{
    while (s.len > 0 && strchr(" \t\r", s.ptr[0]))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len > 0 && strchr(" \t\r", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool is_quoted(struct str s)
{
    return s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];
}

/* What does not begin like a key is not shown: a line of a key's file, in the wrong place, ends in
 * the '=' of base64. */
static void unknown_line(struct collector *c, struct str key, const char *where)
{
    if (str_starts_with(key, STR("BFF_")))
        unknown_key(c, key, where);
    else
        problem_value(c->problems,
                      "%s: not a setting: the %zu bytes before '=' are no key: keys begin with "
                      "BFF_",
                      where, key.len);
}

/* seen: the line where each key stood before, 0 for none */
static void take_line(struct collector *c, struct str line, const char *where, unsigned number,
                      unsigned *seen)
{
    const char *equals = line.len > 0 ? memchr(line.ptr, '=', line.len) : NULL;
    enum option_id id;

    if (line.len == 0 || line.ptr[0] == '#')
        return;
    if (!equals) {
        /* The line is not shown: it may be a secret that lost its key. */
        problem_value(c->problems, "%s: not a setting: give BFF_KEY=value", where);
        return;
    }

    const struct str key = trim((struct str){line.ptr, (size_t)(equals - line.ptr)});
    const struct str value =
        trim((struct str){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)});
    if (str_is(key, CONFIG_FILE_KEY)) {
        problem_value(c->problems, "%s: " CONFIG_FILE_KEY " cannot be set in the file itself",
                      where);
    } else if (!option_find(key, &id)) {
        unknown_line(c, key, where);
    } else if (seen[id] != 0) {
        problem_value(c->problems, "%s: %s is set before, in line %u: keep one of them", where,
                      OPTIONS[id].key, seen[id]);
    } else if (is_quoted(value) && !option_is_secret(id)) {
        problem_value(c->problems, "%s: %s: quotes are not removed: give the value without them",
                      where, OPTIONS[id].key);
    } else {
        seen[id] = number;
        offer(c, id, value, SOURCE_FILE, where);
    }
}

static void collect_file(struct collector *c)
{
    struct option_problem problem;
    unsigned seen[OPT_COUNT] = {0};
    char where[WHERE_BYTES];
    char *text = config_read_file(c->file, FILE_BYTES_MAX, &problem);

    if (!text) {
        char quoted[QUOTED_BYTES];
        config_quote(str_of(c->file), quoted);
        problem_value(c->problems, CONFIG_FILE_KEY ": value %s (%s): the file %s", quoted,
                      c->file_where, problem.text);
        return;
    }

    unsigned number = 1;
    for (const char *at = text; *at != '\0'; number++) {
        const size_t len = strcspn(at, "\n");
        (void)snprintf(where, sizeof(where), "%.400s:%u", c->file, number);
        take_line(c, trim((struct str){at, len}), where, number, seen);
        at += at[len] == '\n' ? len + 1 : len;
    }
    config_free_text(text);
}

const char *config_collect(const struct config_inputs *in, struct problems *problems,
                           struct raw_value *raws)
{
    struct collector c = {.problems = problems, .raws = raws};

    collect_flags(&c, in->argc, in->argv);
    collect_environment(&c, in->envp);
    if (c.file)
        collect_file(&c);
    return c.file;
}
