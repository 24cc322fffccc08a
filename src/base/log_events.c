/* SPDX-License-Identifier: Apache-2.0
 * Looking an event up, and its documentation. */
#include "base/log_events.h"

static const struct event_row {
    const char *action;
    const char *members;
    const char *category;
    const char *type;
    const char *fields;
    const char *when;
} ROWS[] = {
#define X(action, kind, category, type, fields, when)                                              \
    {action,                                                                                       \
     ",\"event.action\":\"" action "\",\"event.kind\":\"" #kind                                    \
     "\",\"event.category\":[\"" #category "\"],\"event.type\":[\"" #type "\"]",                   \
     #category,                                                                                    \
     #type,                                                                                        \
     fields,                                                                                       \
     when},
    EVENT_TABLE(X)
#undef X
};

const char *log_event_members(const char *action)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if (strcmp(ROWS[i].action, action) == 0)
            return ROWS[i].members;
    }
    return NULL;
}

static void write_fields(struct buf *out, const char *fields)
{
    while (*fields != '\0') {
        const size_t len = strcspn(fields, ",");
        buf_printf(out, "`%.*s`", (int)len, fields);
        fields += len + (fields[len] == ',');
        if (*fields != '\0')
            buf_append_z(out, ", ");
    }
}

void log_events_write_docs(struct buf *out)
{
    buf_append_z(out,
                 "| event.action | category | type | when | fields |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        buf_printf(out, "| `%s` | %s | %s | %s | ", ROWS[i].action, ROWS[i].category, ROWS[i].type,
                   ROWS[i].when);
        write_fields(out, ROWS[i].fields);
        buf_append_z(out, " |\n");
    }
}
