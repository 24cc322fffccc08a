/* SPDX-License-Identifier: Apache-2.0
 * Loads a configuration from literal flags and environment entries and keeps what was printed. */
#pragma once

#include "config/config.h"
#include "unit.h"

enum { CONFIG_TEST_ENTRIES = 16 };

struct load {
    int code;
    struct config_loaded *loaded; /* NULL when the code is not 0 */
    char *printed;
};

/* before: NULL at start. flags and env: NULL-terminated; NULL: none */
static inline struct load load_after(const struct load *before, enum config_purpose purpose,
                                     const char *const *flags, const char *const *env)
{
    struct load l = {0};
    size_t len = 0;
    char *argv[CONFIG_TEST_ENTRIES] = {0}, *envp[CONFIG_TEST_ENTRIES] = {0};
    int argc = 0;

    for (size_t i = 0; flags && flags[i]; i++)
        argv[argc++] = strdup(flags[i]);
    for (size_t i = 0; env && env[i]; i++)
        envp[i] = strdup(env[i]);

    FILE *out = open_memstream(&l.printed, &len);
    const struct config_inputs in = {purpose, argc, argv, envp, before ? before->loaded : NULL};
    l.code = config_load(&in, out, &l.loaded);
    (void)fclose(out);
    for (size_t i = 0; i < CONFIG_TEST_ENTRIES; i++) {
        free(argv[i]);
        free(envp[i]);
    }
    return l;
}

static inline struct load load_for(enum config_purpose purpose, const char *const *flags,
                                   const char *const *env)
{
    return load_after(NULL, purpose, flags, env);
}

static inline struct load load_env(const char *const *env)
{
    return load_for(CONFIG_FOR_SERVICE, NULL, env);
}

static inline void load_finish(struct load *l)
{
    config_free(l->loaded);
    free(l->printed);
    *l = (struct load){0};
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* The least that the service starts with. */
#define MINIMAL "BFF_REGION=eu", "BFF_CLIENT_ID=app", "BFF_CLIENT_SECRET=s3cret"

#define ck_assert_prints(load, part)                                                               \
    ck_assert_msg(strstr((load).printed, (part)) != NULL, "\"%s\" is not in:\n%s", (part),         \
                  (load).printed)
#define ck_assert_hides(load, part)                                                                \
    ck_assert_msg(strstr((load).printed, (part)) == NULL, "\"%s\" is in:\n%s", (part),             \
                  (load).printed)
