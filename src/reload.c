/* SPDX-License-Identifier: Apache-2.0
 * A reload from its signal to its log line; see reload.h. */
#include "reload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "observe/metrics.h"

enum reload_result { RELOAD_OK, RELOAD_REFUSED, RELOAD_IGNORED };
static const char *const RESULT_LABELS[] = {
    [RELOAD_OK] = "ok", [RELOAD_REFUSED] = "refused", [RELOAD_IGNORED] = "ignored", "_OTHER"};

static const char *const TRIGGERS[] = {[RELOAD_BY_SIGNAL] = "signal", [RELOAD_BY_FILES] = "files"};

void reload_register_metrics(void)
{
    metric_label_values(M_CONFIG_RELOAD, "result", RESULT_LABELS, ARRAY_LEN(RESULT_LABELS));
}

void reload_note_start(void)
{
    metric_set(M_CONFIG_LOADED_AT, 0, clock_wall_s());
    metric_set(M_CONFIG_RELOAD_OK, 0, 1);
}

/* What was printed, a log line for each problem: keys and places, never a secret. Notes and
 * warnings were told at start. */
static void log_problems(const char *text, enum reload_trigger trigger)
{
    for (const char *line = text; *line != '\0';) {
        const size_t len = strcspn(line, "\n");
        const struct str problem = {line, len};
        if (!str_starts_with(problem, STR("note:")) && !str_starts_with(problem, STR("warning:")))
            LOG(LOG_ERROR, "config.reload",
                "The new configuration is refused; the old one stays in use",
                LOG_S("event.outcome", "failure"), LOG_S("config.trigger", TRIGGERS[trigger]),
                LOG_STR("error.reason", problem));
        line += line[len] == '\n' ? len + 1 : len;
    }
}

static void refuse(const char *problems, enum reload_trigger trigger)
{
    metric_set(M_CONFIG_RELOAD_OK, 0, 0);
    metric_add(M_CONFIG_RELOAD, RELOAD_REFUSED, 0, 1);
    log_problems(problems, trigger);
}

static void tell_success(const char *changed, enum reload_trigger trigger)
{
    metric_set(M_CONFIG_RELOAD_OK, 0, 1);
    metric_add(M_CONFIG_RELOAD, RELOAD_OK, 0, 1);
    metric_set(M_CONFIG_LOADED_AT, 0, clock_wall_s());
    LOG_ANYWAY(LOG_INFO, "config.reload", "The configuration was read again and is in use",
               LOG_S("event.outcome", "success"), LOG_S("config.trigger", TRIGGERS[trigger]),
               LOG_S("config.changed", changed));
}

void reload_ignore(void)
{
    metric_add(M_CONFIG_RELOAD, RELOAD_IGNORED, 0, 1);
    LOG(LOG_WARN, "config.reload", "SIGHUP is ignored: the service ends",
        LOG_S("event.outcome", "failure"), LOG_S("error.reason", "the service ends"));
}

static void log_changes(const struct config_loaded *before, const struct config_loaded *after,
                        enum reload_trigger trigger)
{
    char *keys = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&keys, &len);

    if (out) {
        config_print_changes(before, after, out);
        (void)fclose(out);
    }
    tell_success(keys, trigger);
    free(keys);
}

static bool try_reload(struct service *s, const struct config_inputs *inputs,
                       enum reload_trigger trigger, FILE *errors)
{
    struct settings *settings = NULL, *before = settings_ref(service_settings(s));
    struct err_text problem = {0};
    bool good = settings_load(inputs, before, errors, &settings) == 0;

    if (good) {
        good = service_reload(s, settings, &problem) == ERR_OK;
        if (good) {
            log_set_level(settings->config->log_level);
            log_changes(before->loaded, settings->loaded, trigger);
        } else {
            (void)fputs(problem.text[0] ? problem.text : "out of memory", errors);
        }
        settings_unref(settings);
    }
    settings_unref(before);
    return good;
}

bool reload(struct service *s, const struct config_inputs *inputs, enum reload_trigger trigger)
{
    char *problems = NULL;
    size_t len = 0;
    FILE *errors = open_memstream(&problems, &len);

    if (!errors) {
        refuse("out of memory", trigger);
        return false;
    }
    const bool good = try_reload(s, inputs, trigger, errors);
    (void)fclose(errors);
    if (!good)
        refuse(problems ? problems : "out of memory", trigger);
    free(problems);
    return good;
}
