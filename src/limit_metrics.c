/* SPDX-License-Identifier: Apache-2.0
 * A series for each key of the option table that is a number; see limit_metrics.h. */
#include "limit_metrics.h"

#include "config/option.h"
#include "observe/metrics.h"

/* Of all keys, so that a key's number is its index; those that are no numbers get no value. */
static const char *const LIMIT_LABELS[OPT_COUNT] = {
#define X(id, kind, member, fallback, min, max, empty, reload, group, help) [OPT_##id] = #member,
    CONFIG_TABLE(X)
#undef X
};

void limit_metrics_register(void)
{
    metric_label_values(M_LIMIT, "limit", LIMIT_LABELS, ARRAY_LEN(LIMIT_LABELS));
}

void limit_metrics_set(const struct config *config, unsigned connections_max)
{
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        if (OPTIONS[i].kind == OPTION_NUMBER)
            metric_set(M_LIMIT, i,
                       *(const int64_t *)(const void *)((const char *)config + OPTIONS[i].offset));
    }
    metric_set(M_LIMIT, OPT_MAX_CONNECTIONS, connections_max);
}
